"""The steps that authentication policies are made of."""

from deputize.authority.signon.pages import find_step_flaw
from deputize.authority.signon.step import SignOnStep
from deputize.authority.signon.steps.agreement_prompt import AGREEMENT_PROMPT
from deputize.authority.signon.steps.external import EXTERNAL_SIGN_ON
from deputize.authority.signon.steps.login import LOGIN
from deputize.authority.signon.steps.passkey import PASSKEY_SIGN_ON
from deputize.authority.signon.steps.totp import TOTP_SIGN_ON
from deputize.kernel.families import Family

_TEXTS: tuple[object, ...] = (str, str | None)


def find_flaw(found: object) -> str:
    """Say what keeps an object of another package from being a step, as a clause; "" when nothing does."""
    if not isinstance(found, SignOnStep):
        return "it is no SignOnStep"
    for name in found.agreement_settings:
        field = found.settings.model_fields.get(name)
        if field is None or field.annotation not in _TEXTS:
            return f"its setting {name!r}, which is to name an agreement, is no text"
    return find_step_flaw(found.package, found.name)


STEPS: Family[SignOnStep] = Family(
    "deputize.sign_on_steps",
    (LOGIN, PASSKEY_SIGN_ON, TOTP_SIGN_ON, EXTERNAL_SIGN_ON, AGREEMENT_PROMPT),
    lambda step: (step.type, step.name),
    find_flaw,
)
