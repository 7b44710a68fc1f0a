"""Registration: who may introduce themselves as agents, and what such agents are at most."""

from typing import Annotated

from pydantic import Field

from deputize.authority.directory.objects.agent import Grant
from deputize.authority.directory.objects.directory_object import DocumentPart
from deputize.oauth.records.settings import (
    Description,
    Interval,
    Name,
    RegistrationSettings,
    ScopeName,
    TemplateSettings,
)


class AgentTemplate(TemplateSettings, DocumentPart):
    """What every agent that introduces itself is at most, whatever it says about itself.

    A change of it is a change of all of them, also of those that are there.
    """

    policies: Annotated[tuple[Name, ...], Field(min_length=1)]
    """The authentication policies its users sign on by, the first being the default. Each needs an
    `agreement_prompt`: nobody else than the user knows whether to trust a stranger.
    """
    scopes: dict[str, tuple[ScopeName, ...]] = Field(default_factory=dict)
    """Resource name to the scopes of it that it may ask users for."""
    grants: tuple[Grant, ...] = ("refresh_token",)
    """What it may use besides `authorization_code`, if it says that it does."""
    lifetime: Interval = None
    """How long after its introduction it ends; `never`, the default: as long as it is used."""
    owner: Description = ""
    """Who answers for these agents; shown beside them."""


class RegistrationObject(RegistrationSettings, DocumentPart):
    """Who may introduce themselves as agents, and what these agents are at most."""

    agent: AgentTemplate
    """What each of them is at most."""
