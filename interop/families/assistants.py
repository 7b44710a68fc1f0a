"""Claude Code and Codex, as far as they go without an account at a model."""

import shlex
import sys

from interop import install
from interop.row import Family, Row, require, signed_on
from interop.setting import HERE, Setting


def _claude_code(setting: Setting) -> str:
    before = len(setting.browser.visits)
    login = shlex.join(["script", "-qec", "claude mcp login weather", "/dev/null"])
    commands = f"claude mcp add --transport http weather {setting.url} && {login} && claude mcp list"
    done = setting.run("sh", "-c", commands, group="assistants")
    seen = signed_on(setting, before, "tools/list", done)
    require("Connected" in done.output, f"it does not say that it is connected: {done.end}")
    return f"{seen}; says Connected"


def _codex(setting: Setting) -> str:
    before = len(setting.browser.visits)
    tools = shlex.join([sys.executable, str(HERE / "programs" / "codex_tools.py")])
    commands = f"codex mcp add weather --url {setting.url} && codex mcp list && {tools}"
    done = setting.run("sh", "-c", commands, group="assistants")
    return signed_on(setting, before, "tools/list", done)


FAMILY = Family(
    "assistants",
    "Real clients",
    (
        Row("Claude Code", "mcp add, login, list", _claude_code),
        Row("Codex", "mcp add, list, and the tools it has then", _codex),
    ),
    lambda: install.npm_versions("assistants", "@anthropic-ai/claude-code", "@openai/codex"),
)
