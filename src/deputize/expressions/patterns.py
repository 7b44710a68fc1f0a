"""Regular expressions that operators write, on an engine whose time is linear in the text (RE2).

RE2 knows no look-around and no back-references; such a pattern is an error here, never a silent mismatch.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

import re2

from deputize.expressions.errors import OperandError, OperandLimitError
from deputize.expressions.limits import MAX_TEXT

MAX_PATTERN = 1024
"""Characters of one pattern."""
MAX_OCCURRENCES = 1000
"""Occurrences of one pattern in one text, where all of them are looked for."""
_MEMORY = 1 << 20
_REFERENCE = re.compile(r"\$(?P<group>[0-9])|\\(?P<escaped>.)", re.DOTALL)
_BEGINNING = re.compile(r"\^([A-Za-z0-9/_ -]+)")
"""Patterns such as `^/mcp`, which most routes use, only ask how a text begins; that needs no engine and a quarter of the time."""


class Pattern:
    """A compiled regular expression. All methods raise `OperandError` on text that is not Unicode (lone surrogates)."""

    __slots__ = ("_beginning", "_compiled", "source")

    def __init__(self, source: str) -> None:
        """Raises `OperandError` when `source` is not a pattern RE2 accepts."""
        self.source = source
        self._compiled = _compile(source)
        beginning = _BEGINNING.fullmatch(source)
        self._beginning = beginning[1] if beginning else None

    def is_found_in(self, text: str) -> bool:
        """Whether the pattern occurs anywhere in `text`."""
        if self._beginning is not None:
            return text.startswith(self._beginning)
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
        return [None if part is None else _decoded(part) for part in (match[0], *match.groups())]

    def occurrences(self, text: str) -> list[str]:
        """Every occurrence that is not empty, whole matches only, from left to right without overlap."""
        return [_decoded(match[0]) for match in self._found(encoded(text))]

    def split(self, text: str) -> list[str]:
        """`text` cut at every occurrence that is not empty."""
        data = encoded(text)
        pieces: list[bytes] = []
        end = 0
        for match in self._found(data):
            pieces.append(data[end : match.start()])
            end = match.end()
        return [_decoded(piece) for piece in (*pieces, data[end:])]

    def replace(self, text: str, replacement: str) -> str:
        """`text` with every occurrence that is not empty replaced; `$1` stands for the first group.

        A backslash before a dollar makes it an ordinary one. Raises `OperandLimitError` for a result of more than `MAX_TEXT` bytes.
        """
        template = _replacement(replacement)
        data = encoded(text)
        pieces: list[bytes] = []
        end = size = 0
        for match in self._found(data):
            pieces += (data[end : match.start()], _filled(template, match))
            end = match.end()
            size += len(pieces[-1])
            if size + len(data) > MAX_TEXT:
                raise OperandLimitError(f"makes a text longer than {MAX_TEXT} bytes")
        return _decoded(b"".join((*pieces, data[end:])))

    def _found(self, data: bytes) -> Iterator["re2.Match"]:
        # One search is linear, but so many of them as there are occurrences are not: hence both limits.
        if len(data) > MAX_TEXT:
            raise OperandLimitError(f"a text longer than {MAX_TEXT} bytes is only searched once")
        for found, match in enumerate(self._compiled.finditer(data)):
            if found >= MAX_OCCURRENCES:
                raise OperandLimitError(f"the pattern occurs more than {MAX_OCCURRENCES} times")
            if match.end() > match.start():
                yield match


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


def _replacement(template: str) -> Sequence[bytes | int]:
    """The template's literal pieces and group numbers."""
    pieces: list[bytes | int] = []
    at = 0
    for reference in _REFERENCE.finditer(template):
        pieces.append(encoded(template[at : reference.start()]))
        pieces.append(int(reference["group"]) if reference["group"] else encoded(reference["escaped"]))
        at = reference.end()
    return [*pieces, encoded(template[at:])]


def _filled(template: Sequence[bytes | int], match: "re2.Match") -> bytes:
    groups = (match[0], *match.groups())
    if any(isinstance(piece, int) and piece >= len(groups) for piece in template):
        raise OperandError("the replacement names a group that the pattern does not have")
    return b"".join((groups[piece] or b"") if isinstance(piece, int) else piece for piece in template)


def _decoded(data: bytes) -> str:
    # Only the pattern \C, which matches single bytes, can tear a character apart.
    return data.decode(errors="replace")


def _words(error: Exception) -> str:
    reason = error.args[0] if error.args else ""
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
