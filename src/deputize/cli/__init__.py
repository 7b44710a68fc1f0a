"""The `deputize` command: one file for each subcommand, imported when it is needed."""

import gc
import sys
from importlib import import_module

import click


class DeferredCommand(click.Command):
    """Stands for the command of the same name in the module of the same name.

    The module is imported when the command is run or its help is shown, so that a gateway loads nothing that
    only the authority needs, and runs where that is not installed.
    """

    def __init__(self, name: str, extra: str, help: str) -> None:  # noqa: A002 - click's word
        """Show `help`, the first paragraph of the command's own; `extra` brings the packages it imports."""
        super().__init__(name, help=help)
        self._module = f"deputize.cli.{name}"
        self._extra = extra

    def load(self) -> click.Command:
        """Import the command itself.

        Raises `click.ClickException` when a package it needs is not installed.
        """
        gc.disable()  # a tenth of the time that importing takes: it leaves next to nothing to collect
        # Where rich is installed, structlog imports it for what we never print: 50 ms and 4 MiB.
        hides_rich = sys.modules.setdefault("rich", None) is None  # pyright: ignore[reportArgumentType, reportCallIssue, reportUnnecessaryComparison]
        try:
            return getattr(import_module(self._module), str(self.name))
        except ModuleNotFoundError as error:
            if str(error.name).startswith("deputize"):
                raise
            raise click.ClickException(
                f"{self.name} needs the package {error.name}, which is not installed; "
                f"try: pip install 'deputize[{self._extra}]'"
            ) from error
        finally:
            if hides_rich:
                del sys.modules["rich"]
            gc.enable()

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: object
    ) -> click.Context:
        """Let the command itself read its arguments; click then invokes it, not this one."""
        return self.load().make_context(info_name, args, parent, **extra)


COMMANDS: tuple[DeferredCommand, ...] = (
    DeferredCommand(
        "apply",
        "authority",
        "Bring an environment in line with FILE. All of it, or nothing if anything in it is wrong.",
    ),
    DeferredCommand(
        "export",
        "authority",
        "Print an environment as the file that makes it.",
    ),
    DeferredCommand(
        "diff",
        "authority",
        "Show what applying FILE would change.",
    ),
    DeferredCommand("environments", "authority", "The environments of the database."),
    DeferredCommand("resources", "authority", "What tokens are issued for."),
    DeferredCommand("agreements", "authority", "What users agree to before an agent may act for them."),
    DeferredCommand("policies", "authority", "How users sign on."),
    DeferredCommand("consents", "authority", "What users agreed to for agents."),
    DeferredCommand("authority", "authority", "The authorization server: agents, users, agreements, tokens."),
    DeferredCommand(
        "doctor",
        "gateway",
        "Run the use case as an agent would, and say what is wrong.",
    ),
    DeferredCommand("gateway", "gateway", "The gateway in front of MCP servers and APIs."),
    DeferredCommand(
        "keys",
        "authority",
        "The keys that sign tokens. They are stored in the database, which only its owner may read.",
    ),
    DeferredCommand(
        "secrets",
        "authority",
        "The secrets of resources and agents.",
    ),
    DeferredCommand("agents", "authority", "The agents that act for users."),
    DeferredCommand("administrators", "authority", "The people who administer the authority in its console."),
    DeferredCommand("users", "authority", "The people who sign on."),
    DeferredCommand(
        "sessions",
        "authority",
        "The sessions in which users signed on. The tokens of their agents depend on them.",
    ),
    DeferredCommand("why", "authority", "Decide a refused request again, step by step."),
)


@click.group(commands=COMMANDS)
@click.version_option(package_name="deputize")
def main() -> None:
    """Let AI agents act for people without ever acting as them."""
