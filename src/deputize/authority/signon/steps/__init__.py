"""The steps that authentication policies are made of."""

from deputize.authority.signon.step import SignOnStep
from deputize.authority.signon.steps.agreement import AGREEMENT
from deputize.authority.signon.steps.login import LOGIN
from deputize.kernel.families import Family, instance_of

STEPS: Family[SignOnStep] = Family(
    "deputize.sign_on_steps", (LOGIN, AGREEMENT), lambda step: (step.type,), instance_of(SignOnStep)
)
