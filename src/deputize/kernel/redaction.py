"""Masks secrets in text that people read."""

import re

_TOKENS = re.compile(
    r"(?i)(bearer\s+|basic\s+|(?:access_token|refresh_token|subject_token|actor_token|client_secret|code|password|assertion)=)"
    r"[^\s&\"']+"
)
_JWT = re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
_BEFORE_SECRETS = re.compile(r"[\s=]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
MASK = "*****"


def redact(text: str) -> str:
    """Return `text` with bearer values, credentials and JWTs masked."""
    if _BEFORE_SECRETS.search(text):  # most texts are ids: one quick look tells that `_TOKENS` cannot match
        text = _TOKENS.sub(rf"\1{MASK}", text)
    return _JWT.sub(MASK, text) if "eyJ" in text else text


def printable(text: str, limit: int = 256) -> str:
    """Cut `text` to `limit` characters and escape control characters, so that it cannot forge log lines."""
    text = text[:limit]
    if text.isprintable():  # which none of `_CONTROL` is
        return text
    return _CONTROL.sub(lambda match: match.group().encode("unicode_escape").decode(), text)
