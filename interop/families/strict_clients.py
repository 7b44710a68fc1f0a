"""OAuth clients that check every answer by the specifications."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

from interop import install
from interop.row import Family, Row, require
from interop.setting import HERE, Setting

TASKS = {
    "secret": "client_secret_basic",
    "key": "private_key_jwt",
    "dpop": "DPoP",
}
NIMBUS = "com.nimbusds:oauth2-oidc-sdk:11.39"
_SEEN = re.compile(r"^seen: (.*)$", re.MULTILINE)


def _javascript(name: str, task: str, *, quick: bool = False) -> Row:
    def run(setting: Setting) -> str:
        install.script("tools", "sign-on.mjs")
        return _steps(setting, ("node", install.script("tools", f"{name}.mjs"), task), "tools")

    return Row(name, f"everything it can with {TASKS[task]}", run, quick)


def _authlib(task: str) -> Row:
    def run(setting: Setting) -> str:
        return _steps(setting, (install.python("new"), HERE / "programs" / "authlib_client.py", task))

    return Row("Authlib", f"everything it can with {TASKS[task]}", run)


def _nimbus(task: str) -> Row:
    def run(setting: Setting) -> str:
        program = HERE / "programs" / "NimbusClient.java"
        return _steps(setting, ("java", "-cp", f"{install.jars(NIMBUS)}/*", program, task))

    return Row("Nimbus OAuth 2.0 SDK", f"everything it can with {TASKS[task]}", run)


def _steps(setting: Setting, command: Sequence[str | Path], group: str = "") -> str:
    """Run a program that prints what it has seen step by step, and return these."""
    environment = setting.environments["mcp"]
    resource = environment.secrets["resources"]["test"]
    told = {
        "issuer": environment.issuer,
        "registered": environment.agent.client_id,
        "secret": environment.agent.client_secret,
        "keyed": environment.secrets["agents"]["Keyed"]["id"],
        "key": setting.key,
        "gateway": setting.url,
        "resource": resource["id"],
        "resourceSecret": resource["secret"],
    }
    own = {"INTEROP_SETTING": json.dumps(told)}
    done = setting.run(*command, group=group, environment=own, prints_address=True)
    require(done.code == 0 and done.output.rstrip().endswith("done"), done.end)
    return ", ".join(_SEEN.findall(done.output))


FAMILY = Family(
    "strict-clients",
    "Strict OAuth clients",
    (
        *(_javascript("oauth4webapi", task, quick=True) for task in TASKS),
        *(_javascript("openid-client", task) for task in TASKS),
        *(_authlib(task) for task in ("secret", "key")),
        *(_nimbus(task) for task in TASKS),
    ),
    lambda: (
        install.npm_versions("tools", "oauth4webapi", "openid-client")
        | install.python_versions("new", "Authlib")
        | {"Nimbus OAuth 2.0 SDK": NIMBUS.split(":")[2]}
    ),
)
