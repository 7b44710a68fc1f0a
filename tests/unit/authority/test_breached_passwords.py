"""A list of breached passwords is searched in its file, whatever that looks like at its ends."""

import hashlib
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deputize.authority.breached_passwords import BreachedPasswords
from deputize.kernel.errors import ConfigurationError

PASSWORDS = st.sets(st.text(max_size=12), min_size=1, max_size=40)


def digest_of(password: str) -> str:
    return hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest()


def write(folder, *lines: str, end="\n", last="\n"):
    path = Path(folder) / "breached"
    path.write_bytes((end.join(lines) + last).encode())
    return path


@given(
    PASSWORDS,
    st.sets(st.text(max_size=12), max_size=10),
    st.sampled_from([":1", "", ":12345678901"]),
    st.sampled_from([("\n", "\n"), ("\n", ""), ("\r\n", "\r\n"), ("\r\n", "")]),
    st.booleans(),
)
async def test_it_includes_what_is_in_the_file_and_nothing_else(known, asked, count, ends, in_capitals):
    digests = sorted(map(digest_of, known))
    lines = [f"{each.upper() if in_capitals else each}{count}" for each in digests]
    with tempfile.TemporaryDirectory() as folder:
        breached = BreachedPasswords(write(folder, *lines, end=ends[0], last=ends[1]))
        assert [each for each in known if not await breached.include(each)] == []
        assert {each for each in asked if await breached.include(each)} == asked & known


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([""], "its first line is no SHA-1 digest in hex"),
        (["password", "123456"], "its first line is no SHA-1 digest in hex"),
        ([digest_of("a"), "oops"], "its last line is no SHA-1 digest in hex"),
        (["f" * 40, "0" * 40], "its digests are not in ascending order"),
    ],
)
def test_a_file_that_is_no_such_list_is_refused_with_its_name(tmp_path, lines, reason):
    with pytest.raises(ConfigurationError) as caught:
        BreachedPasswords(write(tmp_path, *lines))
    assert caught.value.reason == reason
    assert str(tmp_path / "breached") in str(caught.value)


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        BreachedPasswords(tmp_path / "none")


async def test_without_its_file_nothing_counts_as_unknown(tmp_path):
    path = write(tmp_path, digest_of("a"))
    breached = BreachedPasswords(path)
    path.unlink()
    with pytest.raises(OSError, match="No such file"):
        await breached.include("a")
