"""Why a request was refused, or would be: behind `deputize why` and the console's page of that name.

The words are those of `diagnosis.causes`.
"""

from deputize.authority.why.asking import ask_about
from deputize.authority.why.decision import (
    MappingSeen,
    SettingOf,
    WhyDecision,
    WhyQuestion,
    WhyStep,
    question_of,
)
from deputize.authority.why.recorded import find_resource
from deputize.authority.why.replay import explain_decision

__all__ = (
    "MappingSeen",
    "SettingOf",
    "WhyDecision",
    "WhyQuestion",
    "WhyStep",
    "ask_about",
    "explain_decision",
    "find_resource",
    "question_of",
)
