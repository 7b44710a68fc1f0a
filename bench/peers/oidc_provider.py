"""node-oidc-provider from npm, in memory, with JWT access tokens signed by ES256, and opaque ones."""

import contextlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2

from bench import versions
from bench.peer import PeerMissing
from bench.programs import Program, free_port, running

SOURCE = Path(__file__).resolve().parent / "oidc-provider"
NAME = "node-oidc-provider"
CLIENT = ("agent", "a-secret-of-the-usual-length-for-one-benchmark")


@dataclass(frozen=True)
class OidcProvider:
    """The running provider."""

    program: Program
    """Its token endpoint."""

    introspection: Program
    """Its introspection endpoint."""

    def tokens(self, audience: str, number: int) -> list[str]:
        """Return tokens of the client: signed ones, good for an exchange, or opaque ones for `urn:opaque`."""
        form = {"grant_type": "client_credentials", "resource": audience}
        with httpx2.Client(auth=CLIENT) as client:
            answers = [client.post(self.program.url, data=form).raise_for_status() for _ in range(number)]
        return [answer.json()["access_token"] for answer in answers]


@contextlib.contextmanager
def oidc_provider(folder: Path) -> Iterator[OidcProvider]:
    """Run the provider, installed into `folder` by npm. Raises `PeerMissing` where that fails."""
    home = folder / "oidc-provider"
    shutil.copytree(SOURCE, home, dirs_exist_ok=True)
    if not (home / "node_modules").exists():
        command = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--silent"]
        try:
            subprocess.run(command, cwd=home, check=True, timeout=300)
        except subprocess.SubprocessError as error:
            raise PeerMissing(f"npm does not install it: {error}") from error
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command, log = ["node", str(home / "server.mjs"), str(port)], folder / "oidc-provider.log"
    with running(command, url, log, measured=True, environment={"NODE_ENV": "production"}) as process:
        yield OidcProvider(
            Program(f"{url}/token", process.pid), Program(f"{url}/token/introspection", process.pid)
        )


def versions_of_oidc_provider() -> dict[str, str]:
    """Return the versions of the provider and of what runs it."""
    dependencies = json.loads((SOURCE / "package.json").read_text("utf-8"))["dependencies"]
    return {"node": versions.said_by("node", "--version"), NAME: dependencies["oidc-provider"]}
