"""What happens to a configuration file before anything reads it.

`&{name}` tokens, then `$int`-like transformations.

A token is not an expression: it is replaced by text, wherever it stands in a text of the document.
Replacements may contain tokens again, and so may names and defaults: `&{port.&{stage}|8080}`.
"""

from collections.abc import Callable, Mapping, Sequence

from deputize.expressions import transformations
from deputize.expressions.errors import TokenError
from deputize.kernel import pointers, strict_json
from deputize.kernel.values import JsonValue

Resolve = Callable[[str], str | None]
"""From a token's name to the text it stands for, or `None`."""

MAX_NESTING = 16
"""Tokens within tokens, or within their replacements."""
MAX_TOKENS = 1000
"""Tokens replaced in one text, counting those in replacements."""
MAX_TEXT = 1_048_576
"""Characters of any text a token stands for."""
_OPENING = "&{"


def substitute(document: JsonValue, resolve: Resolve) -> JsonValue:
    """`document` with every token replaced and every transformation applied, innermost first.

    Raises `TokenError`.
    """
    replaced, errors = substitute_all(document, resolve)
    if errors:
        raise errors[0]
    return replaced


def substitute_all(document: JsonValue, resolve: Resolve) -> tuple[JsonValue, Sequence[TokenError]]:
    """As `substitute`.

    What cannot be replaced or transformed stays as it is, and all the errors say where.
    """
    substitution = _Substitution(resolve)
    return substitution.of(document, "", strict_json.MAX_DEPTH), substitution.errors


class _Substitution:
    """The replacement of everything in one document."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self.errors: list[TokenError] = []

    def of(self, value: JsonValue, pointer: str, depth: int) -> JsonValue:
        if depth == 0 and not isinstance(value, str):
            self.errors.append(
                TokenError(pointer, f"nested deeper than {strict_json.MAX_DEPTH}", "flatten the document")
            )
            return value
        try:
            if isinstance(value, str):
                return _Text(self._resolve, pointer).replaced(value, 0)
            if isinstance(value, Mapping):
                members = {
                    name: self.of(item, pointers.join(pointer, name), depth - 1)
                    for name, item in value.items()
                }
                return transformations.applied(members, pointer)
        except TokenError as error:
            self.errors.append(error)
            return value
        if isinstance(value, Sequence):
            return [self.of(item, pointers.join(pointer, at), depth - 1) for at, item in enumerate(value)]
        return value


class _Text:
    """The replacement of the tokens of one text."""

    def __init__(self, resolve: Resolve, pointer: str) -> None:
        self._resolve = resolve
        self._pointer = pointer
        self._left = MAX_TOKENS

    def replaced(self, text: str, nesting: int) -> str:
        """`text` with its tokens replaced.

        A backslash before a token keeps it as it is, without the backslash.
        """
        if _OPENING not in text:
            return text
        made: list[str] = []
        at = 0
        while (start := text.find(_OPENING, at)) >= 0:
            end = self._closing(text, start)
            if text[at:start].endswith("\\"):
                made += (text[at : start - 1], text[start : end + 1])
            else:
                made += (text[at:start], self._token(text[start + 2 : end], nesting + 1))
            at = end + 1
        made.append(text[at:])
        return self._joined(made)

    def _joined(self, pieces: list[str]) -> str:
        if sum(map(len, pieces)) > MAX_TEXT:
            raise TokenError(
                self._pointer,
                f"the tokens stand for more than {MAX_TEXT} characters",
                "shorten the values they stand for",
            )
        return "".join(pieces)

    def _closing(self, text: str, start: int) -> int:
        """Where the brace stands that closes the token at `start`; braces in defaults come in pairs."""
        open_braces = 0
        for at in range(start + 1, len(text)):
            open_braces += (text[at] == "{") - (text[at] == "}")
            if open_braces == 0:
                return at
        raise TokenError(
            self._pointer,
            f"the token at character {start + 1} has no closing brace",
            "write &{name} or &{name|default}",
        )

    def _token(self, inside: str, nesting: int) -> str:
        self._left -= 1
        if nesting > MAX_NESTING or self._left < 0:
            raise TokenError(
                self._pointer, "the tokens have no end", "look for a value that contains its own token"
            )
        bar = _bar(inside)
        name = self.replaced(inside[:bar], nesting).strip()
        found = self._resolve(name)
        if found is not None:
            return self.replaced(found, nesting)
        if bar == len(inside):
            raise TokenError(
                self._pointer,
                f"nothing is known as &{{{name[:64]}}}",
                "define it, or add a default as in &{name|default}",
            )
        return self.replaced(inside[bar + 1 :], nesting)


def _bar(inside: str) -> int:
    """Where the name ends and the default begins: the first bar outside of inner tokens, or the end."""
    open_braces = 0
    for at, character in enumerate(inside):
        open_braces += (character == "{") - (character == "}")
        if character == "|" and open_braces == 0:
            return at
    return len(inside)
