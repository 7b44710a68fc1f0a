import pytest

from deputize.kernel.suggestions import find_similar

KNOWN = ("alpha", "alpine", "beta")


@pytest.mark.parametrize(
    ("name", "options", "found"),
    [
        ("alpah", {}, ["alpha"]),
        ("alpha", {"most": 3, "cutoff": 0.5}, ["alpha", "alpine"]),
        ("gamma", {}, []),
        ("gamma", {"cutoff": 0.3}, ["alpha"]),
        ("", {}, []),
    ],
)
def test_the_names_most_like_it_come_first(name, options, found):
    assert find_similar(name, KNOWN, **options) == found
