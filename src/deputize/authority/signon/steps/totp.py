"""The TOTP step: a code of the user's authenticator app, or one of their recovery codes.

A user without an app sets one up on its page, where the policy demands one of everybody.
"""

from collections.abc import Mapping
from typing import Literal

from deputize.authority.factors import recovery_codes, totp
from deputize.authority.services import Services
from deputize.authority.signon import proofs
from deputize.authority.signon.pages import Language
from deputize.authority.signon.proofs import STRONG, enrolled_note, may_enrol, of_kind, passkey_options
from deputize.authority.signon.step import (
    Again,
    Done,
    Outcome,
    SignOnStep,
    Situation,
    SomebodyElse,
    StepSettings,
)
from deputize.oauth.errors import ServerError
from deputize.oauth.factors import PASSKEY, RECOVERY_CODE, TOTP
from deputize.oauth.records.directory import Step

TOTP_STEP = "TOTP"
_NO_CODES = "no_recovery_codes"


class TotpSettings(StepSettings):
    """Settings of the step `totp`."""

    required_of: Literal["everybody", "enrolled"] = "everybody"
    """`everybody`: who has no authenticator app sets one up at the first sign-on. `enrolled`: only users who
    have one are asked for a code.
    """
    or_passkey: bool = False
    """Whether a passkey does as well, which verifies its user."""


OWN_FACTOR = Step(TOTP_STEP, TotpSettings(required_of="enrolled", or_passkey=True).model_dump(mode="json"))
"""What whoever has more than a password proves on the way to their own pages."""


def is_due(step: Step, situation: Situation) -> bool:
    """Return whether who is signed on has still to prove it, or to be shown recovery codes for a new app."""
    passkeys_do = bool(step.settings.get("or_passkey"))
    if situation.has_factor(TOTP, RECOVERY_CODE, *([PASSKEY] if passkeys_do else [])):
        is_new = enrolled_note(situation) in situation.notes and _NO_CODES not in situation.notes
        return is_new and not of_kind(situation, "recovery_code")
    if step.settings.get("required_of") == "enrolled":
        return bool(of_kind(situation, "totp") or (passkeys_do and of_kind(situation, "passkey")))
    return True


def page_values(step: Step, situation: Situation, again: Again) -> Mapping[str, object]:
    """Ask for a code, for another factor first, or have the user set up an app.

    The secret of a new app stands on the page, and under a seal in its form.
    """
    has_app, has_passkey = of_kind(situation, "totp"), of_kind(situation, "passkey")
    passkey_helps = has_passkey and (step.settings.get("or_passkey") or not may_enrol(situation))
    values: dict[str, object] = {
        "username": situation.somebody.user.username,
        "codes": (),
        "passkey_options": passkey_options(situation) if passkey_helps else "",
        "sealed": "",
        **again.values,
    }
    if enrolled_note(situation) in situation.notes and situation.has_factor(*STRONG):
        return {**values, "state": "recovery"}
    if has_app:
        return {**values, "state": "code"}
    if not may_enrol(situation) or (has_passkey and step.settings.get("or_passkey")):
        return {**values, "state": "passkey"}
    if situation.app_seal is None:
        raise ServerError("an authenticator app is to be set up without a seal")
    shown = totp.describe(
        situation.somebody.user, situation.environment.title, situation.app_seal, again.typed
    )
    return {**values, "state": "enrol", **shown}


async def submit(
    _step: Step, situation: Situation, language: Language, form: Mapping[str, str], services: Services
) -> Outcome:
    """Take what the page asked for."""
    match form.get("action"):
        case "switch":
            return SomebodyElse()
        case "passkey":
            return await proofs.prove_by_passkey(situation, language, form, services)
        case "enrol":
            return await proofs.enrol_app(situation, language, form, services)
        case "recovery":
            return await _show_recovery_codes(situation, services)
        case "no-recovery":
            return Done(note=_NO_CODES)
        case _:
            return await proofs.prove_by_code(situation, language, form, services)


async def _show_recovery_codes(situation: Situation, services: Services) -> Outcome:
    """Draw the user's recovery codes and show them: only right after the app was set up."""
    if enrolled_note(situation) not in situation.notes or not situation.has_factor(*STRONG):
        return Again(status=200)
    user = situation.somebody.user
    codes = await recovery_codes.replace_codes(services, user, situation.now)
    services.record("recovery codes drawn", situation.environment.id, user_id=user.id)
    return Again(status=200, values={"codes": codes})


TOTP_SIGN_ON = SignOnStep(
    TOTP_STEP,
    "totp",
    "deputize.authority.signon.steps",
    is_due,
    page_values,
    submit,
    settings=TotpSettings,
    reads_factors=lambda _: True,
)
