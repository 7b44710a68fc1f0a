"""`WWW-Authenticate` challenges: reading, quoting, pointing them at metadata (RFC 9110 section 11, RFC 9728 section 5.1)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from deputize.kernel.errors import DeputizeError

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_SCHEME = re.compile(rf"[ \t,]*({_TOKEN})(?: +|$|(?=[ \t]*,))")
_TOKEN68 = re.compile(r"([A-Za-z0-9\-._~+/]+=*)[ \t]*(?:,|$)")
_PARAMETER = re.compile(rf'[ \t,]*({_TOKEN})[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|({_TOKEN}))[ \t]*(?:,|$)')
_UNPRINTABLE = re.compile(r"[^ !-~]")
_MAX_LENGTH = 8192


class ChallengeError(DeputizeError):
    """The header value is not a list of challenges."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """One authentication scheme and its parameters, in order; `token68` for schemes that carry one value instead."""

    scheme: str
    parameters: Mapping[str, str]
    token68: str | None = None

    def __str__(self) -> str:
        if self.token68 is not None:
            return f"{self.scheme} {self.token68}"
        return " ".join(filter(None, (self.scheme, ", ".join(f"{name}={_quoted(value)}" for name, value in self.parameters.items()))))

    def having(self, name: str, value: str) -> "Challenge":
        """The same challenge with one parameter set, replacing whatever stood there in any case."""
        others = {key: each for key, each in self.parameters.items() if key.lower() != name}
        return Challenge(self.scheme, {**others, name: value})


def bearer(**parameters: str | None) -> Challenge:
    """A `Bearer` challenge (RFC 6750 section 3) with those parameters that are not `None`, in order."""
    return Challenge("Bearer", {name: value for name, value in parameters.items() if value is not None})


def parse_challenges(value: str) -> list[Challenge]:
    """The challenges of one header value. Raises `ChallengeError`."""
    if len(value) > _MAX_LENGTH:
        raise ChallengeError("longer than a challenge has to be")
    found: list[Challenge] = []
    at = 0
    while at < len(value.rstrip(" \t,")):
        each, at = _parse_one(value, at)
        found.append(each)
    return found


def with_metadata(value: str, metadata_url: str) -> str:
    """A header value received from elsewhere, with `resource_metadata` set on its `Bearer` challenges.

    What cannot be read is replaced: a client must never be sent to metadata that somebody else chose.
    """
    try:
        challenges = parse_challenges(value)
    except ChallengeError:
        challenges = []
    pointed = [each.having("resource_metadata", metadata_url) if each.scheme.lower() == "bearer" else each for each in challenges]
    return ", ".join(map(str, pointed or [bearer(resource_metadata=metadata_url)]))


def _parse_one(value: str, at: int) -> tuple[Challenge, int]:
    scheme = _SCHEME.match(value, at)
    if scheme is None:
        raise ChallengeError(f"no authentication scheme at character {at}")
    token68 = _TOKEN68.match(value, scheme.end())
    if token68 is not None:
        return Challenge(scheme[1], {}, token68[1]), token68.end()
    parameters, end = _parse_parameters(value, scheme.end())
    return Challenge(scheme[1], parameters), end


def _parse_parameters(value: str, at: int) -> tuple[dict[str, str], int]:
    parameters: dict[str, str] = {}
    while match := _PARAMETER.match(value, at):
        name, quoted, plain = match.groups()
        parameters[name] = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        at = match.end()
    return parameters, at


def _quoted(value: str) -> str:
    """A quoted-string (RFC 9110 section 5.6.4); characters that a header cannot carry become question marks."""
    escaped = _UNPRINTABLE.sub("?", value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
