"""The steps that authentication policies are made of."""

from deputize.authority.signon.step import SignOnStep
from deputize.authority.signon.steps.agreement import AGREEMENT
from deputize.authority.signon.steps.login import LOGIN

STEPS: tuple[SignOnStep, ...] = (LOGIN, AGREEMENT)
