"""Scope values: a space separated set of case-sensitive names (RFC 6749 section 3.3)."""

import re
from collections.abc import Iterable
from typing import Final

from deputize.oauth.errors import InvalidScope

OPENID_SCOPES: Final = ("openid", "profile", "email", "offline_access")
"""Scopes of the user's own data and of refresh tokens; they may accompany those of one resource."""
MAX_SCOPES: Final = 64
_NAME: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,128}")


def parse_scope(scope: str | None) -> tuple[str, ...]:
    """The names in a `scope` value, each once, in order. Raises `InvalidScope`."""
    names = tuple(dict.fromkeys(scope.split(" "))) if scope else ()
    names = tuple(name for name in names if name)
    if len(names) > MAX_SCOPES or not all(_NAME.fullmatch(name) for name in names):
        raise InvalidScope("the scope is malformed or names too many")
    return names


def format_scope(names: Iterable[str]) -> str:
    """The `scope` value of these names."""
    return " ".join(names)


def openid_scopes(names: Iterable[str]) -> tuple[str, ...]:
    """Those that are OpenID's."""
    return tuple(name for name in names if name in OPENID_SCOPES)


def resource_scopes(names: Iterable[str]) -> tuple[str, ...]:
    """Those that belong to a resource."""
    return tuple(name for name in names if name not in OPENID_SCOPES)
