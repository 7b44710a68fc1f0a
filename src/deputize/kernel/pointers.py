"""JSON pointers (RFC 6901)."""

from collections.abc import Iterable, Mapping, Sequence

from deputize.kernel.values import JsonValue


class Absent:
    """The type of what a pointer yields where there is no value; distinct from JSON null."""


ABSENT = Absent()


def resolve(document: JsonValue, pointer: str) -> JsonValue | Absent:
    """Return the value at `pointer` ("" is the whole document, "/aud/0" an element), or `ABSENT`."""
    return follow(document, split(pointer))


def split(pointer: str) -> tuple[str, ...]:
    """Return the member names and indices of `pointer`, unescaped, for `follow`."""
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:])


def follow(document: JsonValue, parts: Iterable[str]) -> JsonValue | Absent:
    """Return the value at a pointer that was `split` once and is followed often, or `ABSENT`."""
    value: JsonValue = document
    for part in parts:
        if isinstance(value, Mapping):
            found = value.get(part, ABSENT)
            if isinstance(found, Absent):
                return ABSENT
            value = found
        elif (
            isinstance(value, Sequence)
            and not isinstance(value, str)
            and part.isdecimal()
            and int(part) < len(value)
        ):
            value = value[int(part)]
        else:
            return ABSENT
    return value


def join(pointer: str, *parts: str | int) -> str:
    """Return `pointer` extended by member names or indices, escaped."""
    return pointer + "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def parent(pointer: str) -> str:
    """Return the pointer to the parent of the value at `pointer`; of "" it is "" again."""
    return pointer.rpartition("/")[0]
