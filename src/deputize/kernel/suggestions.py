"""What somebody who wrote an unknown name probably meant."""

from collections.abc import Iterable


def find_similar(name: str, known: Iterable[str], *, most: int = 1, cutoff: float = 0.6) -> list[str]:
    """Return the known names that are most like `name`, the most like first.

    `cutoff` is the likeness, between 0 and 1, below which a name is left out.
    """
    import difflib  # noqa: PLC0415 - what is configured as it should be never asks

    return difflib.get_close_matches(name, known, most, cutoff)
