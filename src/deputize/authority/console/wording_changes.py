"""What changed between two wordings, word by word."""

import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Literal, NamedTuple

_WORDS = re.compile(r"\s+|\S+")


class WordingPart(NamedTuple):
    """A run of words that two wordings share, or that one of them has."""

    kind: Literal["same", "removed", "added"]
    text: str


def compare_wordings(before: str, after: str) -> tuple[WordingPart, ...]:
    """Return the parts of both, in the order in which somebody reads them."""
    return tuple(part for part in _parts(_WORDS.findall(before), _WORDS.findall(after)) if part.text)


def _parts(before: list[str], after: list[str]) -> Iterator[WordingPart]:
    for tag, start, end, new_start, new_end in SequenceMatcher(
        a=before, b=after, autojunk=False
    ).get_opcodes():
        if tag == "equal":
            yield WordingPart("same", "".join(before[start:end]))
        else:
            yield WordingPart("removed", "".join(before[start:end]))
            yield WordingPart("added", "".join(after[new_start:new_end]))
