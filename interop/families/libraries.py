"""Agent libraries that take a token: got in the use case's two steps, by the agent that was registered."""

from interop import install
from interop.row import Family, Row, require
from interop.setting import HERE, Setting


def _row(name: str, program: str) -> Row:
    def run(setting: Setting) -> str:
        before = len(setting.records("audit"))
        environment = {"INTEROP_TOKEN": setting.delegated_token}
        program_file = HERE / "programs" / program
        done = setting.run(install.python("old"), program_file, setting.url, environment=environment)
        require(done.code == 0 and "Tokyo" in done.output, done.end)
        setting.audited(setting.environments["mcp"].agent.client_id, "tools/call", before)
        return "listed and called; the audit shows the agent whose token it is as the actor"

    return Row(name, "tools/list and tools/call with a token", run)


FAMILY = Family(
    "libraries",
    "Libraries with a token",
    (
        _row("LangChain MCP adapters", "token_langchain.py"),
        _row("openai-agents", "token_openai_agents.py"),
    ),
    lambda: install.python_versions("old", "langchain-mcp-adapters", "openai-agents"),
)
