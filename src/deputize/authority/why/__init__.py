"""Why a request was refused, or would be: behind `deputize why` and the console's page of that name.

The words are those of `diagnosis.causes`.
"""

from deputize.authority.why.decision import (
    MappingSeen,
    SettingOf,
    WhyDecision,
    WhyQuestion,
    WhyStep,
    question_of,
)
from deputize.authority.why.replay import explain_decision

__all__ = (
    "MappingSeen",
    "SettingOf",
    "WhyDecision",
    "WhyQuestion",
    "WhyStep",
    "explain_decision",
    "question_of",
)
