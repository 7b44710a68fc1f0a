"""Hides credentials in what is written to the log for people who look for a fault."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

from deputize.expressions.patterns import Pattern, compile_pattern
from deputize.kernel.redaction import MASK, redact
from deputize.kernel.values import JsonValue

_SECRET: Final = re.compile(
    r".*(?:token|secret|password|passwd|assertion|apikey|cookie|authorization)"
    r"|codeverifier|devicecode|idtokenhint|dpop|mcpsessionid"
)
"""Names of what proves something, without `-` and `_` and in lower case."""
_MEMBER: Final = re.compile(r'"((?:[^"\\]|\\.){1,128})"(\s*:\s*)("(?:[^"\\]|\\.)*"?|[^\s",}\[\]{]+)')
"""A scalar member in a JSON text, which may have been cut off behind it."""
_PARAMETER: Final = re.compile(r"(^|[?&\s])([\w.%-]{1,128})=([^&\s\"']+)")
"""A parameter of a form or of a query."""
_CODE: Final = "code"
"""A secret as a parameter only: in JSON it is the number of an error."""


class Masks:
    """Which headers, members and parameters are hidden: those with credentials always, and more on request.

    JWTs and `Bearer` and `Basic` credentials are hidden wherever they stand.
    """

    def __init__(self, headers: Iterable[str], attributes: Iterable[str]) -> None:
        """Take regular expressions for whole names, in any case. Raises `OperandError`."""
        self._headers = [_compile(each) for each in headers]
        self._attributes = [_compile(each) for each in attributes]

    def headers(self, fields: Iterable[tuple[str, str]]) -> Mapping[str, list[str]]:
        """Return the fields by their names."""
        shown: dict[str, list[str]] = {}
        for name, value in fields:
            is_hidden = _is_secret(name) or _matches(self._headers, name)
            shown.setdefault(name, []).append(MASK if is_hidden else self.text(value))
        return shown

    def text(self, text: str) -> str:
        """Return a text, such as a URI, a form or a document in JSON."""

        def mask_member(found: re.Match[str]) -> str:
            return f'"{found[1]}"{found[2]}"{MASK}"' if self._hides(found[1]) else found[0]

        def mask_parameter(found: re.Match[str]) -> str:
            is_hidden = found[2].lower() == _CODE or self._hides(found[2])
            return f"{found[1]}{found[2]}={MASK}" if is_hidden else found[0]

        if '"' in text:
            text = _MEMBER.sub(mask_member, text)
        if "=" in text:
            text = _PARAMETER.sub(mask_parameter, text)
        return redact(text)

    def value(self, value: JsonValue) -> JsonValue:
        """Return a value, with everything in it."""
        if isinstance(value, Mapping):
            return {
                name: MASK
                if not isinstance(each, Mapping | list) and each is not None and self._hides(name)
                else self.value(each)
                for name, each in value.items()
            }
        if isinstance(value, list):
            return [self.value(each) for each in value]
        return self.text(value) if isinstance(value, str) else value

    def _hides(self, name: str) -> bool:
        return _is_secret(name) or _matches(self._attributes, name)


@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    return _SECRET.fullmatch(name.lower().replace("-", "").replace("_", "")) is not None


def _compile(pattern: str) -> Pattern:
    return compile_pattern(f"(?i){pattern}")


def _matches(patterns: Iterable[Pattern], name: str) -> bool:
    return name.isascii() and any(each.matches(name) for each in patterns)
