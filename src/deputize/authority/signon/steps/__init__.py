"""The steps that authentication policies are made of."""

from deputize.authority.signon.pages import find_step_flaw
from deputize.authority.signon.step import SignOnStep
from deputize.authority.signon.steps.agreement_prompt import AGREEMENT_PROMPT
from deputize.authority.signon.steps.login import LOGIN
from deputize.kernel.families import Family


def find_flaw(found: object) -> str:
    """Say what keeps an object of another package from being a step, as a clause; "" when nothing does."""
    if not isinstance(found, SignOnStep):
        return "it is no SignOnStep"
    return find_step_flaw(found.package, found.name)


STEPS: Family[SignOnStep] = Family(
    "deputize.sign_on_steps", (LOGIN, AGREEMENT_PROMPT), lambda step: (step.type, step.name), find_flaw
)
