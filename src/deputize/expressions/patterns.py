"""Regular expressions, on an engine whose time is linear in the text (RE2).

RE2 knows no look-around and no back-references. Where an operator has written such a pattern, an engine that
backtracks takes it, within limits of time and of text. A pattern that is computed, and so may come from a
client, never gets there.
"""

import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

import re2

from deputize.expressions.errors import OperandError, OperandLimitError
from deputize.expressions.values import MAX_TEXT

if TYPE_CHECKING:
    import regex

Groups: TypeAlias = tuple[str | None, ...]
MAX_PATTERN = 1024
"""Characters of one pattern."""
MAX_OCCURRENCES = 1000
"""Occurrences of one pattern in one text, where all of them are looked for."""
MAX_BACKTRACKED_TEXT = 16_384
"""Characters of a text that a backtracking pattern is tried on."""
BACKTRACKING_SECONDS = 0.05
"""Time that one use of a backtracking pattern may take; the process does nothing else meanwhile."""
_MEMORY = 1 << 20
_REFERENCE = re.compile(r"\$(?P<group>[0-9])|\\(?P<escaped>.)", re.DOTALL)
_NEEDS_BACKTRACKING = re.compile(r"\(\?<?[=!]|\(\?>|\\[1-9]|\\k<|\(\?P=|[*+?}]\+")
"""What RE2 refuses: look-around, atomic groups, back-references, possessive quantifiers."""
_BEGINNING = re.compile(r"\^([A-Za-z0-9/_ -]+)")
"""Patterns such as `^/mcp`, which most routes use: `str.startswith` takes a quarter of the engine's time."""


class Pattern:
    """A compiled regular expression.

    All methods raise `OperandError` on text that is not Unicode (lone surrogates).
    """

    __slots__ = ("_beginning", "_compiled", "source")

    def __init__(self, source: str) -> None:
        """Raises `OperandError` when `source` is not a pattern RE2 accepts."""
        self.source = source
        if len(source) > MAX_PATTERN:
            raise OperandError(f"the pattern is longer than {MAX_PATTERN} characters")
        options = re2.Options()
        options.max_mem = _MEMORY
        options.log_errors = False
        try:
            self._compiled = re2.compile(encode(source), options)
        except re2.error as error:
            reason = error.args[0] if error.args else ""
            words = reason.decode(errors="replace") if isinstance(reason, bytes) else reason
            raise OperandError(f"the pattern is not valid: {words}") from error
        beginning = _BEGINNING.fullmatch(source)
        self._beginning = beginning[1] if beginning else None

    def is_found_in(self, text: str) -> bool:
        """Whether the pattern occurs anywhere in `text`."""
        if self._beginning is not None:
            return text.startswith(self._beginning)
        # Bytes spare the engine's wrapper the mapping of byte offsets to characters: a third of the time.
        return self._compiled.search(encode(text)) is not None

    def matches(self, text: str) -> bool:
        """Whether the pattern matches the whole of `text`."""
        return self._compiled.fullmatch(encode(text)) is not None

    def groups(self, text: str) -> list[str | None] | None:
        """The first occurrence followed by its groups (`None` for one that took no part), or `None` without
        occurrence.
        """
        match = self._compiled.search(encode(text))
        if match is None:
            return None
        return [None if part is None else _decode(part) for part in (match[0], *match.groups())]

    def occurrences(self, text: str) -> list[str]:
        """Every occurrence that is not empty, whole matches only, from left to right without overlap."""
        return [groups[0] or "" for _, groups in self._find_all(text) if groups]

    def split(self, text: str) -> list[str]:
        """`text` cut at every occurrence that is not empty."""
        return [before for before, _ in self._find_all(text)]

    def replace(self, text: str, replacement: str) -> str:
        """`text` with every occurrence that is not empty replaced; `$1` stands for the first group.

        A backslash before a dollar makes it an ordinary one. Raises `OperandLimitError` for a result of more
        than `MAX_TEXT` bytes.
        """
        template = _parse_replacement(replacement)
        most = max((piece for piece in template if isinstance(piece, int)), default=0)
        pieces: list[str] = []
        size = len(text)
        for before, groups in self._find_all(text):
            if groups and most >= len(groups):
                raise OperandError("the replacement names a group that the pattern does not have")
            made = [(groups[each] or "") if isinstance(each, int) else each for each in template if groups]
            pieces += (before, "".join(made))
            size += len(pieces[-1])
            if size > MAX_TEXT:
                raise OperandLimitError(f"makes a text longer than {MAX_TEXT} characters")
        return "".join(pieces)

    def _find_all(self, text: str) -> Iterator[tuple[str, Groups]]:
        """The text before each occurrence that is not empty, and its groups, itself first.

        At last what is left, without groups.
        """
        data = encode(text)
        # One search is linear, but so many of them as there are occurrences are not: hence both limits.
        if len(data) > MAX_TEXT:
            raise OperandLimitError(f"a text longer than {MAX_TEXT} bytes is only searched once")
        end = 0
        for found, match in enumerate(self._compiled.finditer(data)):
            if found >= MAX_OCCURRENCES:
                raise OperandLimitError(f"the pattern occurs more than {MAX_OCCURRENCES} times")
            if match.end() > match.start():
                groups = (match[0], *match.groups())
                yield (
                    _decode(data[end : match.start()]),
                    tuple(None if part is None else _decode(part) for part in groups),
                )
                end = match.end()
        yield _decode(data[end:]), ()


class BacktrackingPattern(Pattern):
    """A pattern with look-around or back-references.

    All methods raise `OperandError` when the text makes it take too long.
    """

    __slots__ = ("_engine",)

    def __init__(self, source: str) -> None:  # pyright: ignore[reportMissingSuperCall] - RE2 refuses it
        """Raises `OperandError` when `source` is no pattern either engine accepts."""
        import regex  # noqa: PLC0415 - a twentieth of a second, which only those pay who have such a pattern

        self.source = source
        self._beginning = None
        try:
            self._engine = regex.compile(source)
        except regex.error as error:
            raise OperandError(f"the pattern is not valid: {error}") from error

    def is_found_in(self, text: str) -> bool:
        """Whether the pattern occurs anywhere in `text`."""
        return self._search(text) is not None

    def matches(self, text: str) -> bool:
        """Whether the pattern matches the whole of `text`."""
        with _limit_time():
            return self._engine.fullmatch(_check_length(text), timeout=BACKTRACKING_SECONDS) is not None

    def groups(self, text: str) -> list[str | None] | None:
        """The first occurrence followed by its groups (`None` for one that took no part), or `None` without
        occurrence.
        """
        match = self._search(text)
        return None if match is None else [match[0], *match.groups()]

    def _search(self, text: str) -> "regex.Match[str] | None":
        with _limit_time():
            return self._engine.search(_check_length(text), timeout=BACKTRACKING_SECONDS)

    def _find_all(self, text: str) -> Iterator[tuple[str, Groups]]:
        with _limit_time():
            matches = list(
                islice(
                    self._engine.finditer(_check_length(text), timeout=BACKTRACKING_SECONDS),
                    MAX_OCCURRENCES + 1,
                )
            )
        if len(matches) > MAX_OCCURRENCES:
            raise OperandLimitError(f"the pattern occurs more than {MAX_OCCURRENCES} times")
        end = 0
        for match in matches:
            if match.end() > match.start():
                yield text[end : match.start()], (match[0], *match.groups())
                end = match.end()
        yield text[end:], ()


def compile_pattern(source: str) -> Pattern:
    """The compiled pattern, which an operator wrote. Raises `OperandError`."""
    try:
        return compile_linear(source)
    except OperandError as refused:
        if len(source) > MAX_PATTERN or not _NEEDS_BACKTRACKING.search(source):
            raise
        return _compile_backtracking(source, str(refused))


@lru_cache(maxsize=256)
def _compile_backtracking(source: str, refusal: str) -> Pattern:
    try:
        return BacktrackingPattern(source)
    except OperandError as error:
        raise OperandError(refusal) from error


@lru_cache(maxsize=256)
def compile_linear(source: str) -> Pattern:
    """The compiled pattern, on the engine whose time is linear. Raises `OperandError`."""
    return Pattern(source)


def as_pattern(value: object) -> Pattern:
    """The pattern an operand stands for.

    A literal was compiled with its expression, a computed text is compiled now, for RE2 only.
    """
    if isinstance(value, Pattern):
        return value
    if isinstance(value, str):
        return compile_linear(value)
    raise OperandError("a regular expression must be a text")


def encode(text: str) -> bytes:
    """`text` in UTF-8. Raises `OperandError` on lone surrogates, which no encoding of Unicode has."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise OperandError("the text contains a lone surrogate") from error


def _parse_replacement(template: str) -> Sequence[str | int]:
    """The template's literal pieces and group numbers."""
    encode(template)  # refuses what is no Unicode
    pieces: list[str | int] = []
    at = 0
    for reference in _REFERENCE.finditer(template):
        pieces.append(template[at : reference.start()])
        pieces.append(int(reference["group"]) if reference["group"] else reference["escaped"])
        at = reference.end()
    return [*pieces, template[at:]]


@contextmanager
def _limit_time() -> Generator[None]:
    try:
        yield
    except TimeoutError as error:
        raise OperandLimitError("the pattern takes too long for this text") from error


def _check_length(text: str) -> str:
    if len(text) > MAX_BACKTRACKED_TEXT:
        raise OperandLimitError(
            f"a text longer than {MAX_BACKTRACKED_TEXT} characters is not tried on a pattern with look-around"
        )
    encode(text)  # refuses what is no Unicode, as the other engine does
    return text


def _decode(data: bytes) -> str:
    # Only the pattern \C, which matches single bytes, can tear a character apart.
    return data.decode(errors="replace")
