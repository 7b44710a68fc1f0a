"""The external step: users sign on with an identity provider, in place of a password or beside it."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import StringConstraints

from deputize.authority.services import Services
from deputize.authority.signon.pages import Language
from deputize.authority.signon.step import (
    Again,
    Elsewhere,
    Outcome,
    SignOnStep,
    Situation,
    SomebodyElse,
    StepSettings,
)
from deputize.oauth.errors import LoginRequired
from deputize.oauth.factors import by_provider
from deputize.oauth.records.directory import Step
from deputize.oauth.relying_party import find_provider

EXTERNAL_STEP = "EXTERNAL"


class ExternalSettings(StepSettings):
    """Settings of the step `external`: with whom users sign on."""

    provider: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    """The name of one of the environment's `identity_providers`."""


def is_due(step: Step, situation: Situation) -> bool:
    """Return whether nobody signed on with the provider, or not recently enough."""
    return not situation.has_factor(by_provider(str(step.settings["provider"])))


def page_values(step: Step, situation: Situation, _again: Again) -> Mapping[str, object]:
    """Say who the provider is, and who is signed on."""
    somebody = situation.signed_on if situation.is_recent else None
    return {
        "username": somebody.user.username if somebody else "",
        "agent_name": situation.agent_name,
        "stranger": situation.stranger,
        "provider": find_provider(situation.environment, str(step.settings["provider"])),
    }


async def submit(
    step: Step, situation: Situation, _language: Language, form: Mapping[str, str], _services: Services
) -> Outcome:
    """Send the user to the provider."""
    if form.get("action") == "switch" and situation.signed_on:
        return SomebodyElse()
    return Elsewhere(str(step.settings["provider"]))


EXTERNAL_SIGN_ON = SignOnStep(
    EXTERNAL_STEP,
    "external",
    "deputize.authority.signon.steps",
    is_due,
    page_values,
    submit,
    settings=ExternalSettings,
    signs_on=True,
    providers=lambda step: (str(step.settings["provider"]),),
    unprompted_error=LoginRequired,
)
