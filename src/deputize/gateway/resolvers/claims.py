"""What the claims of an access token say about it, whoever told them: times, scopes, audiences."""

import re
from typing import Final

from deputize.gateway.exchange.contexts import OAuth2Context, read_claims
from deputize.gateway.resolvers.resolution import RejectedToken
from deputize.kernel.values import JsonObject, JsonValue, is_number

LEEWAY: Final = 60.0
"""Seconds that an authorization server's clock may be ahead of ours."""
_SCOPES: Final = re.compile(r"[ !#-\[\]-~]*")


def judge_claims(
    token: str, info: JsonObject, now: float, skew: float = 0.0
) -> OAuth2Context | RejectedToken:
    """Say whether claims hold at `now`, seconds since the epoch, give or take `skew` (RFC 7519 section 4)."""
    if not all(_SCOPES.fullmatch(each) for name in ("scope", "scp") for each in _texts(info.get(name)) or ()):
        return RejectedToken("scope is not a list of scopes with blanks between them (RFC 6749 section 3.3)")
    if _texts(info.get("aud")) is None:
        return RejectedToken("aud is neither a text nor a list of texts (RFC 7519 section 4.1.3)")
    fault = _find_time_fault(info, now, skew)
    if fault is not None:
        return RejectedToken(fault)
    expires_at = info.get("exp")
    return read_claims(token, info, expires_at + skew if isinstance(expires_at, int | float) else None)


def audiences_of(info: JsonObject) -> tuple[str, ...]:
    """Return what the token is meant for, as `aud` says."""
    return _texts(info.get("aud")) or ()


def _texts(value: JsonValue) -> tuple[str, ...] | None:
    """Return the text, or texts, of a claim; `None` where it holds something else."""
    values = value if isinstance(value, list) else [] if value is None else [value]
    texts = tuple([each for each in values if isinstance(each, str)])
    return texts if len(texts) == len(values) else None


def _find_time_fault(info: JsonObject, now: float, skew: float) -> str | None:
    for name in ("exp", "nbf", "iat"):
        value = info.get(name)
        if value is None:
            continue
        if not is_number(value):
            return f"{name} is not a number"
        if name == "exp" and not value > now - skew:
            return "the token has expired"
        if name != "exp" and not value <= now + max(skew, LEEWAY):
            return f"the token is not valid yet: {name} is {value - now:.0f} s ahead of this clock"
    return None
