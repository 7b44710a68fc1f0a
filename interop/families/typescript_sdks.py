"""The official TypeScript SDK in both generations."""

from interop import install
from interop.row import Family, Row, signed_on
from interop.setting import Setting


def _row(name: str, task: str, program: str, *arguments: str, quick: bool = False) -> Row:
    def run(setting: Setting) -> str:
        return _try(setting, program, setting.url, *arguments)

    return Row(name, task, run, quick)


def _by_document(setting: Setting) -> str:
    document = setting.documents.publish("TypeScript SDK 2")
    return _try(setting, "typescript-sdk-2.mjs", setting.documents_url, "auto", document)


def _try(setting: Setting, program: str, *arguments: str) -> str:
    before = len(setting.browser.visits)
    install.script("tools", "host.mjs")
    done = setting.run("node", install.script("tools", program), *arguments, group="tools")
    return signed_on(setting, before, "tools/call", done)


FAMILY = Family(
    "typescript-sdks",
    "Real clients",
    (
        _row("TypeScript SDK 2", "tools/call, 2026-07-28", "typescript-sdk-2.mjs", "auto", quick=True),
        _row("TypeScript SDK 2", "tools/call, handshake protocol", "typescript-sdk-2.mjs", "legacy"),
        Row("TypeScript SDK 2", "tools/call, introduced by its metadata document", _by_document),
        _row("TypeScript SDK 1", "tools/call", "typescript-sdk-1.mjs"),
    ),
    lambda: install.npm_versions("tools", "@modelcontextprotocol/client", "@modelcontextprotocol/sdk"),
)
