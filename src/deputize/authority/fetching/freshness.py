"""How long a fetched document may be used without asking again (RFC 9111 section 4.2).

Seconds throughout. The authority is a shared cache: it answers many users from one copy.
"""

import re
from email.utils import parsedate_to_datetime
from typing import Final

from deputize.http.messages import Headers

DEFAULT: Final = 3600.0
"""Where the answer says nothing."""
SHORTEST: Final = 60.0
"""Also where the answer says that it must not be kept: else every sign-on and refresh would ask."""
LONGEST: Final = 24 * 3600.0
"""A change, or a key that was taken out, counts after so long at the latest."""
_DIRECTIVE: Final = re.compile(r'([a-z-]+)(?:="?([0-9]{1,10})"?)?')
_NOT_KEPT: Final = frozenset({"no-store", "no-cache", "private"})


def lifetime(headers: Headers, now: float) -> float:
    """Return how long an answer that came now with these headers is fresh: `SHORTEST` to `LONGEST`."""
    return min(max(stated(headers, now), SHORTEST), LONGEST)


def stated(headers: Headers, now: float) -> float:
    """Return what the answer says, `DEFAULT` if nothing; what cannot be read counts as stale."""
    age = headers.get("age") or "0"
    if not age.isascii() or not age.isdecimal():
        return 0
    found = [
        _DIRECTIVE.fullmatch(each.strip().lower())
        for value in headers.get_all("cache-control")
        for each in value.split(",")
    ]
    directives = {each[1]: each[2] for each in found if each is not None}
    if directives.keys() & _NOT_KEPT:
        return 0
    for name in ("s-maxage", "max-age"):
        if name in directives:
            return float(directives[name] or 0) - float(age)
    expires = headers.get("expires")
    if expires is None:
        return DEFAULT
    return _instant(expires, 0) - _instant(headers.get("date"), now) - float(age)


def _instant(date: str | None, otherwise: float) -> float:
    """Return the instant that a date stands for, in seconds since the epoch, or else `otherwise`."""
    try:
        return parsedate_to_datetime(date).timestamp() if date else otherwise
    except ValueError:
        return otherwise
