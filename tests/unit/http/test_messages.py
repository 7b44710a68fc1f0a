import pytest

from deputize.http.messages import Body, BodyTooLarge, HeaderError, Headers, NameTable


def stream_of(*pieces):
    async def stream():
        for piece in pieces:
            yield piece

    return stream()


def test_names_compare_without_regard_to_case_and_order_is_kept():
    headers = Headers([(b"Accept", b"a"), (b"X", b"1"), (b"accept", b"b")])
    assert headers.get("ACCEPT") == "a"
    assert headers.get_all("accept") == ["a", "b"]
    assert "x" in headers
    assert headers.get("y") is None
    assert list(headers) == [("Accept", "a"), ("X", "1"), ("accept", "b")]


def test_set_replaces_and_remove_drops_every_one():
    headers = Headers([(b"X", b"1"), (b"Y", b"2"), (b"x", b"3")])
    headers.set("X", "4")
    assert headers.raw == [(b"Y", b"2"), (b"X", b"4")]
    headers.remove("y", "x", "z")
    assert headers.raw == []


def test_a_copy_is_independent():
    headers = Headers([(b"X", b"1")])
    headers.copy().set("X", "2")
    assert headers.get("X") == "1"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X", "a\r\nY: b"),
        ("X", "a\n"),
        ("X", "a\0"),
        ("X", " a"),
        ("X", "€"),
        ("X Y", "a"),
        ("", "a"),
        ("é", "a"),
        ("X:", "a"),
    ],
)
def test_what_would_change_the_framing_is_not_added(name, value):
    headers = Headers([(b"X", b"kept")])
    for change in (headers.add, headers.set):
        with pytest.raises(HeaderError):
            change(name, value)
    assert headers.raw == [(b"X", b"kept")]


async def test_a_body_at_hand_can_be_read_again():
    body = Body(b"abc")
    assert body.length == 3
    assert [await body.read(3), await body.read(3)] == [b"abc", b"abc"]
    assert [piece async for piece in body] == [b"abc"]
    assert [piece async for piece in Body()] == []
    with pytest.raises(BodyTooLarge):
        await body.read(2)


async def test_a_stream_is_kept_once_read():
    body = Body(None, stream_of(b"ab", b"c"))
    assert body.length is None
    assert await body.read(3) == b"abc"
    assert (body.buffered, body.length) == (b"abc", 3)


@pytest.mark.parametrize("length", [None, 4])
async def test_a_stream_beyond_the_limit_is_refused(length):
    with pytest.raises(BodyTooLarge):
        await Body(None, stream_of(b"ab", b"cd"), length).read(3)


async def test_a_body_is_closed_once():
    closed = []

    async def close():
        closed.append(1)

    body = Body(None, stream_of(b"a"), close=close)
    await body.aclose()
    await body.aclose()
    assert closed == [1]


def test_removing_and_setting_takes_the_twins_too():
    headers = Headers([(b"X_Agent", b"1"), (b"x-agent", b"2"), (b"X-Other", b"3")])
    headers.set("X-Agent", "4")
    assert list(headers) == [("X-Other", "3"), ("X-Agent", "4")]


def counting_table():
    asked = []

    def classify(name):
        asked.append(name)
        return len(name)

    return NameTable(classify), asked


def test_a_name_is_classified_once():
    table, asked = counting_table()
    assert [table[b"accept"], table[b"accept"]] == [6, 6]
    assert asked == [b"accept"]


def test_names_beyond_64_bytes_are_not_remembered():
    table, asked = counting_table()
    for name in (b"x" * 64, b"y" * 65) * 2:
        assert table[name] == len(name)
    assert asked == [b"x" * 64, b"y" * 65, b"y" * 65]
    assert list(table) == [b"x" * 64]


def test_a_table_of_names_is_cleared_when_it_holds_1024():
    table, _ = counting_table()
    for number in range(1024):
        table[b"x-%d" % number]
    assert len(table) == 1024
    assert table[b"x-0"] == 3
    assert len(table) == 1024
    assert table[b"one-more"] == 8
    assert list(table) == [b"one-more"]
