"""Regular expressions that operators write, on an engine whose time is linear in the text (RE2).

RE2 knows no look-around and no back-references; such a pattern is an error here, never a silent mismatch.
"""

from functools import lru_cache

import re2

from deputize.expressions.errors import OperandError, OperandLimitError

MAX_PATTERN = 1024
"""Characters of one pattern."""
_MEMORY = 1 << 20


class Pattern:
    """A compiled regular expression. All methods raise `OperandError` on text that is not Unicode (lone surrogates)."""

    __slots__ = ("_compiled", "source")

    def __init__(self, source: str) -> None:
        """Raises `OperandError` when `source` is not a pattern RE2 accepts."""
        self.source = source
        self._compiled = _compile(source)

    def is_found_in(self, text: str) -> bool:
        """Whether the pattern occurs anywhere in `text`."""
        # Bytes spare the engine's wrapper the mapping of byte offsets to characters: a third of the time.
        return self._compiled.search(encoded(text)) is not None

    def matches(self, text: str) -> bool:
        """Whether the pattern matches the whole of `text`."""
        return self._compiled.fullmatch(encoded(text)) is not None

    def groups(self, text: str) -> list[str | None] | None:
        """The first occurrence followed by its groups (`None` for one that took no part), or `None` without occurrence."""
        match = self._compiled.search(encoded(text))
        if match is None:
            return None
        return [None if part is None else part.decode() for part in (match[0], *match.groups())]

    def occurrences(self, text: str) -> list[str]:
        """Every occurrence, whole matches only, from left to right without overlap."""
        return [match[0].decode() for match in self._compiled.finditer(encoded(text))]

    def split(self, text: str) -> list[str]:
        """`text` cut at every non-empty occurrence."""
        return [part.decode() for part in self._pieces(encoded(text))]

    def replace(self, text: str, replacement: str, limit: int) -> str:
        """`text` with every non-empty occurrence replaced by the literal `replacement`; at most `limit` characters."""
        pieces = self.split(text)
        if len(text) + len(replacement) * (len(pieces) - 1) > limit:
            raise OperandLimitError("makes too long a text")
        return replacement.join(pieces)

    def _pieces(self, text: bytes) -> list[bytes]:
        pieces: list[bytes] = []
        end = 0
        for match in self._compiled.finditer(text):
            if match.end() > match.start():
                pieces.append(text[end : match.start()])
                end = match.end()
        return [*pieces, text[end:]]


@lru_cache(maxsize=256)
def compile_pattern(source: str) -> Pattern:
    """The compiled pattern, remembered for the next caller. Raises `OperandError`."""
    return Pattern(source)


def as_pattern(value: object) -> Pattern:
    """The pattern an operand stands for: a literal was compiled with its expression, a computed text is compiled now."""
    if isinstance(value, Pattern):
        return value
    if isinstance(value, str):
        return compile_pattern(value)
    raise OperandError("a regular expression must be a text")


def encoded(text: str) -> bytes:
    """`text` in UTF-8. Raises `OperandError` on lone surrogates, which no encoding of Unicode has."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise OperandError("the text contains a lone surrogate") from error


def _compile(source: str) -> "re2.Regexp":  # the name is the stub's: the module keeps its class private
    if len(source) > MAX_PATTERN:
        raise OperandError(f"the pattern is longer than {MAX_PATTERN} characters")
    options = re2.Options()
    options.max_mem = _MEMORY
    options.log_errors = False
    try:
        return re2.compile(encoded(source), options)
    except re2.error as error:
        raise OperandError(f"the pattern is not valid: {_words(error)}") from error


def _words(error: Exception) -> str:
    reason = error.args[0] if error.args else ""
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
