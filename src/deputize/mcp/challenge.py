"""`WWW-Authenticate` challenges: read, written, and cut to what a client may see of a server's (RFC 9110
section 11, RFC 9728 section 5.1).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from deputize.http.messages import TOKEN
from deputize.kernel.errors import DeputizeError

TOKEN68: Final = r"[A-Za-z0-9\-._~+/]+=*"
"""The pattern of credentials, such as a bearer token (RFC 9110 section 11.2, RFC 6750 section 2.1)."""
_SCHEME = re.compile(rf"[ \t,]*({TOKEN})(?: +|$|(?=[ \t]*,))")
_CREDENTIALS = re.compile(rf"({TOKEN68})[ \t]*(?:,|$)")
_PARAMETER = re.compile(rf'[ \t,]*({TOKEN})[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|({TOKEN}))[ \t]*(?:,|$)')
_UNPRINTABLE = re.compile(r"[^ !-~]")
_MAX_LENGTH = 8192
_COMMON = frozenset({"error", "error_description", "scope", "acr_values", "max_age"})
_RELAYED: Final = {"bearer": ("Bearer", _COMMON), "dpop": ("DPoP", _COMMON | {"algs"})}
"""How schemes are written, and what parameters a server may send a client (RFC 6750, 9449, 9470)."""
_PLAIN_VALUE = re.compile(r"[ !#-<>-\[\]-~]{1,512}")


class ChallengeError(DeputizeError):
    """The header value is not a list of challenges."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """One authentication scheme and its parameters, in order."""

    scheme: str
    parameters: Mapping[str, str]
    token68: str | None = None
    """The one value that some schemes carry instead of parameters."""

    def __str__(self) -> str:
        if self.token68 is not None:
            return f"{self.scheme} {self.token68}"
        parameters = ", ".join(f"{name}={_quote(value)}" for name, value in self.parameters.items())
        return f"{self.scheme} {parameters}" if parameters else self.scheme

    def with_parameter(self, name: str, value: str) -> "Challenge":
        """The same challenge with one parameter set, replacing whatever stood there in any case."""
        others = {key: each for key, each in self.parameters.items() if key.lower() != name}
        return Challenge(self.scheme, {**others, name: value})


def bearer(**parameters: str | None) -> Challenge:
    """A `Bearer` challenge (RFC 6750 section 3) with those parameters that are not `None`, in order."""
    return Challenge("Bearer", {name: value for name, value in parameters.items() if value is not None})


def dpop(**parameters: str | None) -> Challenge:
    """A `DPoP` challenge (RFC 9449 section 7.1) with those parameters that are not `None`, in order."""
    return Challenge("DPoP", {name: value for name, value in parameters.items() if value is not None})


def parse_challenges(value: str) -> list[Challenge]:
    """The challenges of one header value.

    Raises `ChallengeError`, also for a parameter that stands twice (section 11.2).
    """
    if len(value) > _MAX_LENGTH:
        raise ChallengeError("longer than a challenge has to be")
    found: list[Challenge] = []
    at, end = 0, len(value.rstrip(" \t,"))
    while at < end:
        each, at = _parse_one(value, at)
        found.append(each)
    return found


def relayed_challenges(values: Iterable[str]) -> list[Challenge]:
    """What a client may see of a server's challenges: known parameters of known schemes.

    A header value that is not a list of challenges says nothing. `realm` and `resource_metadata` are the
    gateway's to set, and a value with "=" goes: clients look for `resource_metadata=` with a pattern, also
    inside quotes.
    """
    found: list[Challenge] = []
    for value in values:
        try:
            challenges = parse_challenges(value)
        except ChallengeError:
            continue
        for each in challenges:
            scheme, known = _RELAYED.get(each.scheme.lower(), ("", _COMMON))
            if not scheme or each.token68 is not None:
                continue
            parameters = {name.lower(): value for name, value in each.parameters.items()}
            kept = {
                n: value for n, value in parameters.items() if n in known and _PLAIN_VALUE.fullmatch(value)
            }
            found.append(Challenge(scheme, kept))
    return found


def _parse_one(value: str, at: int) -> tuple[Challenge, int]:
    """The challenge at `at`, and where it ends."""
    scheme = _SCHEME.match(value, at)
    if scheme is None:
        raise ChallengeError(f"no authentication scheme at character {at}")
    end = scheme.end()
    if token68 := _CREDENTIALS.match(value, end):
        return Challenge(scheme[1], {}, token68[1]), token68.end()
    parameters: dict[str, str] = {}
    seen: set[str] = set()
    while match := _PARAMETER.match(value, end):
        name, quoted, plain = match.groups()
        if name.lower() in seen:
            raise ChallengeError(f"the parameter {name[:64]!r} stands twice in one challenge")
        seen.add(name.lower())
        parameters[name] = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        end = match.end()
    if not parameters and value[end:].lstrip(" \t")[:1] not in {"", ","}:
        raise ChallengeError(f"neither parameters nor a comma follow the scheme at character {end}")
    return Challenge(scheme[1], parameters), end


def _quote(value: str) -> str:
    """A quoted-string (RFC 9110 section 5.6.4).

    Characters that a header cannot carry become question marks.
    """
    escaped = _UNPRINTABLE.sub("?", value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
