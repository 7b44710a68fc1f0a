"""mcp-remote, which gives clients of local servers a remote one, and mcporter, which calls from a shell."""

import sys

from interop import install
from interop.row import Family, Row, signed_on
from interop.setting import HERE, Setting


def _mcp_remote(setting: Setting) -> str:
    before = len(setting.browser.visits)
    done = setting.run(
        sys.executable, HERE / "programs" / "stdio_client.py", "mcp-remote", setting.url, group="tools"
    )
    return signed_on(setting, before, "tools/call", done)


def _mcporter_lists(setting: Setting) -> str:
    before = len(setting.browser.visits)
    commands = f"mcporter auth {setting.url} && mcporter list {setting.url}"
    done = setting.run("sh", "-c", commands, group="tools")
    return signed_on(setting, before, "tools/list", done)


def _mcporter_calls(setting: Setting) -> str:
    before = len(setting.browser.visits)
    done = setting.run("mcporter", "call", f"{setting.url}.forecast_daily", "place=Tokyo", group="tools")
    return signed_on(setting, before, "tools/call", done)


FAMILY = Family(
    "bridges",
    "Real clients",
    (
        Row("mcp-remote", "tools/call by a client of local servers", _mcp_remote, quick=True),
        Row("mcporter", "auth, then tools/list", _mcporter_lists),
        Row("mcporter", "tools/call", _mcporter_calls),
    ),
    lambda: install.npm_versions("tools", "mcp-remote", "mcporter"),
)
