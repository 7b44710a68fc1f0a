"""What administrators do to environments: one service behind console, management API and commands.

Every change of an environment is the application of a part of an environment file, judged by its rules.
"""

from deputize.authority.administration.operators import NotPermitted, Operator
from deputize.authority.administration.service import Administration
from deputize.authority.administration.views import (
    Changed,
    EtagMismatch,
    InUse,
    ListPage,
    ListQuery,
    NoSuchObject,
    ObjectKind,
    ObjectView,
)

__all__ = (
    "Administration",
    "Changed",
    "EtagMismatch",
    "InUse",
    "ListPage",
    "ListQuery",
    "NoSuchObject",
    "NotPermitted",
    "ObjectKind",
    "ObjectView",
    "Operator",
)
