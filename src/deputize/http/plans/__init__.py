"""What is decided about a request's head once, and remembered: plans.

A filter *prepares* a plan from a head, and a handler *plans* what it ends with. A plan *runs*: it answers one
call. Remembering a plan is nothing but not preparing it again.
"""

from deputize.http.plans.handlers import (
    CallFilter,
    CallHandler,
    Filter,
    Handler,
    Next,
    Prepare,
    as_filter,
    as_handler,
    ask,
)
from deputize.http.plans.memory import PlanMemory
from deputize.http.plans.plan import Amend, Lease, Outcome, Plan, Run, answer

__all__ = [
    "Amend",
    "CallFilter",
    "CallHandler",
    "Filter",
    "Handler",
    "Lease",
    "Next",
    "Outcome",
    "Plan",
    "PlanMemory",
    "Prepare",
    "Run",
    "answer",
    "as_filter",
    "as_handler",
    "ask",
]
