from hypothesis import given
from hypothesis import strategies as st

from deputize.authority.seals import derive_refresh_token, refresh_token_values


class Keys:
    def __init__(self) -> None:
        self.asked = []

    async def server_key(self, environment_id, purpose):
        self.asked.append((environment_id, purpose))
        return f"key of {environment_id}".encode()


async def test_the_key_is_read_once_an_environment():
    keys = Keys()
    values = refresh_token_values(keys)
    first, again, other = await values.of("e1"), await values.of("e1"), await values.of("e2")
    assert first("family", 1) == again("family", 1)
    assert first("family", 1) != other("family", 1)
    assert keys.asked == [("e1", "refresh-token"), ("e2", "refresh-token")]


@given(
    st.tuples(st.uuids().map(str), st.integers(1, 10**6)),
    st.tuples(st.uuids().map(str), st.integers(1, 10**6)),
)
def test_values_differ_by_family_and_generation(left, right):
    assert (derive_refresh_token(b"key", *left) == derive_refresh_token(b"key", *right)) == (left == right)
    assert len(derive_refresh_token(b"key", *left)) == 43
