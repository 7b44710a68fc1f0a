"""The picture of a delegation: people, what they agreed to, the agent, what it reaches; drawn as SVG.

It flows from left to right where there is room, and downwards on a phone; both are drawn, and a style sheet
shows one of them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

Direction = Literal["across", "down"]
WIDTH: Final = {"across": 200, "down": 330}
"""Of a box."""
_LINE, _PAD, _GAP, _BETWEEN = 20, 14, 16, {"across": 90, "down": 46}
_MOST_CHARACTERS = {"across": 24, "down": 42}
_MOST_LINES = 6


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody or something in the picture."""

    kind: Literal["people", "agreement", "agent", "resource"]
    title: str
    lines: Sequence[str] = ()
    arrow: str = ""
    """What the arrow that leads here says."""
    href: str = ""


@dataclass(frozen=True, slots=True)
class Box:
    """A party with its place."""

    party: Party
    x: int
    y: int
    width: int
    height: int
    title: str
    lines: Sequence[tuple[int, str]]
    """Each with its y."""


@dataclass(frozen=True, slots=True)
class Arrow:
    """A curve from one box to the next, with its words."""

    path: str
    x: int
    y: int
    text: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """Boxes and arrows in a frame."""

    direction: Direction
    width: int
    height: int
    boxes: Sequence[Box]
    arrows: Sequence[Arrow]


def draw(layers: Sequence[Sequence[Party]], direction: Direction) -> Drawing:
    """Place the parties of each layer, and lead arrows from each to those of the next one."""
    layers = [layer for layer in layers if layer]
    placed = list(_place(layers, direction))
    flat = [box for layer in placed for box in layer]
    width = max(box.x + box.width for box in flat) + _PAD
    height = max(box.y + box.height for box in flat) + _PAD
    arrows = [
        _lead(before, after, direction)
        for here, behind in pairwise(placed)
        for before in here
        for after in behind
    ]
    return Drawing(direction, width, height, flat, arrows)


def _place(layers: Sequence[Sequence[Party]], direction: Direction) -> Iterator[Sequence[Box]]:
    width, between = WIDTH[direction], _BETWEEN[direction]
    columns = [sum(_height(each) + _GAP for each in layer) - _GAP for layer in layers]
    x, y = _PAD, _PAD
    for number, layer in enumerate(layers):
        if direction == "across":
            y = _PAD + (max(columns) - columns[number]) // 2
        boxes: list[Box] = []
        for party in layer:
            lines = [
                (y + _PAD + _LINE * (place + 1) + 12, _cut(text, direction))
                for place, text in enumerate(party.lines[:_MOST_LINES])
            ]
            boxes.append(Box(party, x, y, width, _height(party), _cut(party.title, direction), lines))
            y += _height(party) + _GAP
        x, y = (x + width + between, y) if direction == "across" else (x, y - _GAP + between)
        yield boxes


def _lead(before: Box, after: Box, direction: Direction) -> Arrow:
    if direction == "across":
        start, end = before.x + before.width, after.x - 8
        y, to = before.y + before.height // 2, after.y + after.height // 2
        middle = (start + end) // 2
        path = f"M{start} {y} C{middle} {y} {middle} {to} {end} {to}"
        return Arrow(path, middle, (y + to) // 2 - 8, after.party.arrow)
    x = before.x + before.width // 2
    start, end = before.y + before.height, after.y - 8
    return Arrow(f"M{x} {start} L{x} {end}", x + 12, (start + end) // 2 + 5, after.party.arrow)


def _height(party: Party) -> int:
    return 2 * _PAD + _LINE * (1 + min(len(party.lines), _MOST_LINES))


def _cut(text: str, direction: Direction) -> str:
    most = _MOST_CHARACTERS[direction]
    return text if len(text) <= most else f"{text[: most - 1]}…"
