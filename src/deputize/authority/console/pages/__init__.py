"""The console's sections, in the order in which their menus list them."""

from deputize.authority.console.pages import overview, resources, users
from deputize.authority.console.section import ConsoleSection

SECTIONS: tuple[ConsoleSection, ...] = (overview.SECTION, resources.SECTION, users.SECTION)
