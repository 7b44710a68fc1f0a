"""MCP Inspector, at the command line."""

from collections.abc import Sequence

from interop import install
from interop.row import Family, Row, signed_on
from interop.setting import Done, Setting

LIST = ("--method", "tools/list")
CALL = ("--method", "tools/call", "--tool-name", "forecast_daily", "--tool-arg", "place=Tokyo")


def _row(era: str, method: Sequence[str], *, quick: bool = False) -> Row:
    def run(setting: Setting) -> str:
        before = len(setting.browser.visits)
        done = _inspect(setting, setting.url, era, *method)
        return signed_on(setting, before, method[1], done)

    return Row("Inspector CLI", f"{method[1]}, {era} protocol", run, quick)


def _by_document(setting: Setting) -> str:
    before = len(setting.browser.visits)
    document = setting.documents.publish("Inspector", ("http://127.0.0.1:6276/oauth/callback",))
    done = _inspect(setting, setting.documents_url, "auto", *LIST, "--client-metadata-url", document)
    return signed_on(setting, before, "tools/list", done)


def _inspect(setting: Setting, url: str, era: str, *method: str) -> Done:
    command = ("mcp-inspector", "--cli", "--transport", "http", "--server-url", url, "--protocol-era", era)
    own = {"MCP_AUTO_OPEN_ENABLED": "true"}  # without a terminal it signs on only where it may open a browser
    return setting.run(*command, *method, "--format", "json", group="tools", environment=own)


FAMILY = Family(
    "inspector",
    "Real clients",
    (
        _row("legacy", LIST),
        _row("modern", LIST),
        _row("auto", CALL, quick=True),
        Row("Inspector CLI", "tools/list, introduced by its metadata document", _by_document),
    ),
    lambda: install.npm_versions("tools", "@modelcontextprotocol/inspector"),
)
