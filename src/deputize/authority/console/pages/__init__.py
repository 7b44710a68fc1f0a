"""The console's sections, in the order in which their menus list them."""

from deputize.authority.console.pages import overview, users
from deputize.authority.console.section import ConsoleSection

SECTIONS: tuple[ConsoleSection, ...] = (overview.SECTION, users.SECTION)
