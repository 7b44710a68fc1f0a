"""The passkey step: in place of a password where a policy begins with it, else as another factor.

A user without a passkey registers one on its page, where the policy demands one of everybody or offers it.
"""

from collections.abc import Mapping
from typing import Literal

from deputize.authority.factors import passkeys
from deputize.authority.services import Services
from deputize.authority.signon import proofs
from deputize.authority.signon.pages import Language
from deputize.authority.signon.proofs import may_enrol, of_kind, passkey_options
from deputize.authority.signon.step import (
    Again,
    Done,
    Outcome,
    SignOnStep,
    Situation,
    SomebodyElse,
    StepSettings,
)
from deputize.kernel.strict_json import dumps
from deputize.oauth.errors import LoginRequired
from deputize.oauth.factors import PASSKEY
from deputize.oauth.records.directory import Step

PASSKEY_STEP = "PASSKEY"
_LATER = "no_passkey"


class PasskeySettings(StepSettings):
    """Settings of the step `passkey`."""

    required_of: Literal["everybody", "enrolled", "nobody"] = "everybody"
    """`everybody`: who has no passkey registers one at the first sign-on. `enrolled`: only users who have one
    are asked for it. `nobody`: nobody is asked for one; who has none is offered to register one. A policy's
    first step asks whoever is not signed on in any case.
    """


def is_due(step: Step, situation: Situation) -> bool:
    """Return whether nobody is signed on, or who is has still to prove it, or to be offered one."""
    if situation.signed_on is None or not situation.is_recent:
        return True
    if situation.has_factor(PASSKEY):
        return False
    mine = of_kind(situation, "passkey")
    match step.settings.get("required_of"):
        case "enrolled":
            return bool(mine)
        case "nobody":
            is_possible = passkeys.relying_party(situation.environment).is_possible
            return not mine and is_possible and may_enrol(situation) and _LATER not in situation.notes
        case _:
            return True


def page_values(step: Step, situation: Situation, _again: Again) -> Mapping[str, object]:
    """Ask for a passkey, for a code first, or offer to register one."""
    party = passkeys.relying_party(situation.environment)
    somebody = situation.signed_on if situation.is_recent else None
    mine = of_kind(situation, "passkey") if somebody else ()
    values: dict[str, object] = {
        "username": somebody.user.username if somebody else "",
        "agent_name": situation.agent_name,
        "purpose": situation.purpose,
        "stranger": situation.stranger,
        "is_offer": step.settings.get("required_of") == "nobody",
        "options": "",
    }
    if not party.is_possible:
        return {**values, "state": "impossible"}
    if somebody is None or mine:
        return {**values, "state": "ask", "options": passkey_options(situation)}
    if not may_enrol(situation):
        return {**values, "state": "code"}
    options = passkeys.creation_options(party, somebody.user, mine, situation.challenge)
    return {**values, "state": "register", "options": dumps(options).decode()}


async def submit(
    step: Step, situation: Situation, language: Language, form: Mapping[str, str], services: Services
) -> Outcome:
    """Take what the page asked for."""
    match form.get("action"):
        case "switch" if situation.signed_on:
            return SomebodyElse()
        case "later" if step.settings.get("required_of") == "nobody" and situation.signed_on:
            return Done(note=_LATER)
        case "register" if situation.signed_on and situation.is_recent:
            return await proofs.add_passkey(situation, language, form, services)
        case "code" if situation.signed_on and situation.is_recent:
            return await proofs.prove_by_code(situation, language, form, services)
        case _:
            return await proofs.prove_by_passkey(situation, language, form, services)


PASSKEY_SIGN_ON = SignOnStep(
    PASSKEY_STEP,
    "passkey",
    "deputize.authority.signon.steps",
    is_due,
    page_values,
    submit,
    settings=PasskeySettings,
    signs_on=True,
    reads_factors=lambda _: True,
    unprompted_error=LoginRequired,
)
