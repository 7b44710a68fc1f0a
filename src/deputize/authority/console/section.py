"""What the console is made of: sections of pages, under menus."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from starlette.responses import Response

from deputize.authority.console.call import ConsoleCall
from deputize.authority.directory.objects import Role

Handler: TypeAlias = Callable[[ConsoleCall], Awaitable[Response]]

READERS: Final[frozenset[Role]] = frozenset({"administrator", "auditor"})
CHANGERS: Final[frozenset[Role]] = frozenset({"administrator"})
MENUS: Final = (
    "overview",
    "applications",
    "experience",
    "authentication",
    "agents",
    "directory",
    "monitoring",
    "settings",
)
"""The menus in their order; their words are `console.menu_NAME`."""


@dataclass(frozen=True, slots=True)
class ConsolePage:
    """A path of a section, what is shown there and what its form does."""

    path: str
    """Within the environment, such as `users/{id}`. A name in braces is a segment that the handler reads."""
    show: Handler | None
    """Answers GET; `None` where there is nothing to see."""
    submit: Handler | None = None
    """Answers POST. Called with this session's own form only, for those in `changed_by`."""
    changed_by: frozenset[Role] | None = None
    """The roles that may send its form; `None`: those of `ConsoleSection.changed_by`."""


@dataclass(frozen=True, slots=True)
class ConsoleSection:
    """A kind of page, with an entry in a menu."""

    name: str
    """Of its file, its templates and its texts: `texts/NAME.toml`, where `title` is its entry in the menu."""
    menu: str
    """One of `MENUS`; empty where its pages are reached otherwise."""
    pages: tuple[ConsolePage, ...]
    """The first one is where the menu leads."""
    seen_by: frozenset[Role] = READERS
    """The roles that see its pages; the service judges each object besides."""
    changed_by: frozenset[Role] = CHANGERS
    """The roles that see its buttons, and may send its forms."""
