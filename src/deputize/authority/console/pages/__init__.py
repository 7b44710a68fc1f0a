"""The console's sections, in the order in which their menus list them."""

from deputize.authority.console.pages import (
    administrators,
    agents,
    agreements,
    audit,
    environment,
    environments,
    keys,
    overview,
    policies,
    preferences,
    registration,
    resources,
    search,
    token,
    users,
    why,
)
from deputize.authority.console.section import ConsoleSection

SECTIONS: tuple[ConsoleSection, ...] = (
    overview.SECTION,
    resources.SECTION,
    agreements.SECTION,
    policies.SECTION,
    agents.SECTION,
    users.SECTION,
    audit.SECTION,
    why.SECTION,
    token.SECTION,
    environment.SECTION,
    keys.SECTION,
    registration.SECTION,
    environments.SECTION,
    administrators.SECTION,
    preferences.SECTION,
    search.SECTION,
)
