"""`WWW-Authenticate` challenges.

Reading, quoting, and what a client may see of others' (RFC 9110 section 11, RFC 9728 section 5.1).
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
"""Schemes by their lower-case name.

How they are written, and parameters that a server may send a client (RFC 6750, 9449, 9470).
"""
_PLAIN_VALUE = re.compile(r"[ !#-<>-\[\]-~]{1,512}")


class ChallengeError(DeputizeError):
    """The header value is not a list of challenges."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """One authentication scheme and its parameters, in order.

    `token68` for schemes that carry one value instead.
    """

    scheme: str
    parameters: Mapping[str, str]
    token68: str | None = None

    def __str__(self) -> str:
        if self.token68 is not None:
            return f"{self.scheme} {self.token68}"
        return " ".join(
            filter(
                None,
                (
                    self.scheme,
                    ", ".join(f"{name}={_quoted(value)}" for name, value in self.parameters.items()),
                ),
            )
        )

    def having(self, name: str, value: str) -> "Challenge":
        """The same challenge with one parameter set, replacing whatever stood there in any case."""
        others = {key: each for key, each in self.parameters.items() if key.lower() != name}
        return Challenge(self.scheme, {**others, name: value})


def bearer(**parameters: str | None) -> Challenge:
    """A `Bearer` challenge (RFC 6750 section 3) with those parameters that are not `None`, in order."""
    return Challenge("Bearer", {name: value for name, value in parameters.items() if value is not None})


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
    """What a client may see of challenges that a server behind the gateway sent.

    Known parameters of known schemes.

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
        found += [
            _relayed(each) for each in challenges if each.scheme.lower() in _RELAYED and each.token68 is None
        ]
    return found


def _relayed(challenge: Challenge) -> Challenge:
    scheme, known = _RELAYED[challenge.scheme.lower()]
    parameters = ((name.lower(), value) for name, value in challenge.parameters.items())
    return Challenge(
        scheme, {name: value for name, value in parameters if name in known and _PLAIN_VALUE.fullmatch(value)}
    )


def _parse_one(value: str, at: int) -> tuple[Challenge, int]:
    scheme = _SCHEME.match(value, at)
    if scheme is None:
        raise ChallengeError(f"no authentication scheme at character {at}")
    token68 = _CREDENTIALS.match(value, scheme.end())
    if token68 is not None:
        return Challenge(scheme[1], {}, token68[1]), token68.end()
    parameters, end = _parse_parameters(value, scheme.end())
    if not parameters and value[end:].lstrip(" \t")[:1] not in {"", ","}:
        raise ChallengeError(f"neither parameters nor a comma follow the scheme at character {end}")
    return Challenge(scheme[1], parameters), end


def _parse_parameters(value: str, at: int) -> tuple[dict[str, str], int]:
    parameters: dict[str, str] = {}
    seen: set[str] = set()
    while match := _PARAMETER.match(value, at):
        name, quoted, plain = match.groups()
        if name.lower() in seen:
            raise ChallengeError(f"the parameter {name[:64]!r} stands twice in one challenge")
        seen.add(name.lower())
        parameters[name] = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        at = match.end()
    return parameters, at


def _quoted(value: str) -> str:
    """A quoted-string (RFC 9110 section 5.6.4).

    Characters that a header cannot carry become question marks.
    """
    escaped = _UNPRINTABLE.sub("?", value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
