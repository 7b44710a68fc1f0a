"""JSON pointers (RFC 6901)."""

from collections.abc import Iterable, Mapping, Sequence

from deputize.kernel.values import JsonValue


class Absent:
    """What a pointer yields where nothing stands; distinct from JSON null."""


ABSENT = Absent()


def resolve(document: JsonValue, pointer: str) -> JsonValue | Absent:
    """The value at `pointer` ("" is the whole document, "/aud/0" an element), or `ABSENT`."""
    return follow(document, split(pointer))


def split(pointer: str) -> tuple[str, ...]:
    """The member names and indices of `pointer`, unescaped, for `follow`."""
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:])


def follow(document: JsonValue, parts: Iterable[str]) -> JsonValue | Absent:
    """As `resolve`, for a pointer that was split once and is followed often."""
    value: JsonValue = document
    for part in parts:
        found = _step(value, part)
        if isinstance(found, Absent):
            return ABSENT
        value = found
    return value


def join(pointer: str, *parts: str | int) -> str:
    """`pointer` extended by member names or indices, escaped."""
    return pointer + "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def parent(pointer: str) -> str:
    """What holds the member or element at `pointer`; of "" it is "" again."""
    return pointer.rpartition("/")[0]


def _step(value: JsonValue, part: str) -> JsonValue | Absent:
    if isinstance(value, Mapping):
        return value.get(part, ABSENT)
    if (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and part.isdecimal()
        and int(part) < len(value)
    ):
        return value[int(part)]
    return ABSENT
