"""Installs gateways that are Python packages on first use, each into an environment of its own."""

import shutil
import subprocess
import sys
import venv
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from bench.peer import PeerMissing

PINS = Path(__file__).with_name("python-gateways.txt")
INSTALL_SECONDS = 600
# In the environment the benchmarks run in, so that they go with it.
_FOLDER = Path(sys.prefix) / "bench-peers"
_PIP = ("-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--only-binary", ":all:")


def commands_of(package: str) -> Path:
    """Return the folder with the commands of a package and its Python, after installing it if need be.

    Raises `PeerMissing` where it cannot be installed: no network, or no wheel for this Python.
    """
    home = _FOLDER / package
    installed, pins = home / "installed-from.txt", PINS.read_text("utf-8")
    if not installed.exists() or installed.read_text("utf-8") != pins:
        shutil.rmtree(home, ignore_errors=True)
        venv.create(home, with_pip=True)
        command = [str(home / "bin" / "python"), *_PIP, "--constraint", str(PINS), package]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=INSTALL_SECONDS
            )
        except subprocess.TimeoutExpired as error:
            raise PeerMissing(f"pip did not install it within {INSTALL_SECONDS} s") from error
        if done.returncode:
            said = done.stderr.strip().splitlines() or ["pip gave no reason"]
            raise PeerMissing(f"pip does not install it: {said[-1]}")
        installed.write_text(pins, "utf-8")
    return home / "bin"


def versions_of(*packages: str) -> Mapping[str, str]:
    """Return the versions of packages in the environment of the first one."""
    folders = (_FOLDER / packages[0]).glob("lib/python*/site-packages")
    found = {each.name: each.version for each in metadata.distributions(path=[str(each) for each in folders])}
    return {f"{packages[0]}: {name}": found[name] for name in packages if name in found}
