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
_LINE, _PAD, _GAP, _BETWEEN = 20, 14, 22, {"across": 90, "down": 46}
_INDENT = 28
"""On both sides of boxes that stand below one another in one layer: arrows pass beside them."""
_CHARACTER = 7
"""How wide one is, about."""
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
    between = _BETWEEN[direction]
    columns = [sum(_height(each) + _GAP for each in layer) - _GAP for layer in layers]
    x, y = _PAD, _PAD
    for number, layer in enumerate(layers):
        indent = _INDENT if direction == "down" and len(layer) > 1 else 0
        width = WIDTH[direction] - 2 * indent
        if direction == "across":
            y = _PAD + (max(columns) - columns[number]) // 2
        boxes: list[Box] = []
        for party in layer:
            lines = [
                (y + _PAD + _LINE * (place + 1) + 12, _cut(text, width))
                for place, text in enumerate(party.lines[:_MOST_LINES])
            ]
            title = _cut(party.title, width)
            boxes.append(Box(party, x + indent, y, width, _height(party), title, lines))
            y += _height(party) + _GAP
        x, y = (x + width + between, y) if direction == "across" else (x, y - _GAP + between)
        yield boxes


def _lead(before: Box, after: Box, direction: Direction) -> Arrow:
    """Draw the arrow to a box, with its words where no arrow crosses them."""
    text, from_y, to_y = after.party.arrow, _middle(before), _middle(after)
    if direction == "across":
        start, end = before.x + before.width, after.x - 8
        turn = (start + end) // 2
        path = f"M{start} {from_y} C{turn} {from_y} {turn} {to_y} {end} {to_y}"
        return Arrow(path, end, to_y + (18 if to_y > from_y else -8), text)
    start, end = before.y + before.height, after.y - 8
    if before.width < after.width:  # one of several, from which arrows meet
        edge = before.x + before.width
        return Arrow(f"M{edge} {from_y} H{edge + _INDENT // 2} V{end}", after.x + 12, after.y - 8, text)
    if before.width > after.width:  # to one of several
        turn = after.x - _INDENT // 2
        return Arrow(f"M{turn} {start} V{to_y} H{after.x - 8}", after.x + 4, after.y - 6, text)
    x = before.x + before.width // 2
    return Arrow(f"M{x} {start} V{end}", x + 12, (start + end) // 2 + 5, text)


def _middle(box: Box) -> int:
    return box.y + box.height // 2


def _height(party: Party) -> int:
    return 2 * _PAD + _LINE * (1 + min(len(party.lines), _MOST_LINES))


def _cut(text: str, width: int) -> str:
    most = (width - 2 * _PAD) // _CHARACTER
    return text if len(text) <= most else f"{text[: most - 1]}…"
