import gc
import re
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deputize.kernel import digests, ids, pointers, redaction
from deputize.kernel.bounded_memory import BoundedMemory
from deputize.kernel.clock import SystemClock
from deputize.kernel.collector import spare_collector
from deputize.kernel.errors import ConfigurationError, Position, describe_failure
from deputize.kernel.uris import UriError


def test_ids_are_random_uuids():
    drawn = {ids.new_id() for _ in range(100)}
    assert len(drawn) == 100
    for each in drawn:
        read = uuid.UUID(each)
        assert (str(read), read.version, read.variant) == (each, 4, uuid.RFC_4122)
    assert {each[19] for each in drawn} == set("89ab")


def test_secrets_use_the_documented_alphabet():
    secret = ids.new_secret()
    assert re.fullmatch(r"[A-Za-z0-9\-._~]{64}", secret)
    assert secret != ids.new_secret()
    assert len(ids.new_token()) >= 43


@given(st.text(), st.text())
def test_a_digest_matches_its_own_secret_only(secret, other):
    assert digests.matches(secret, digests.digest(secret))
    assert digests.matches(other, digests.digest(secret)) == (other == secret)
    assert digests.same(secret, other) == (secret == other)


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("", {"aud": ["x", "y"], "a/b": {"~": None}}),
        ("/aud/0", "x"),
        ("/aud/1", "y"),
        ("/a~1b/~0", None),
        ("/aud/2", pointers.ABSENT),
        ("/aud/-1", pointers.ABSENT),
        ("/aud/x", pointers.ABSENT),
        ("/nothing", pointers.ABSENT),
        ("/aud/0/0", pointers.ABSENT),
    ],
)
def test_pointers(pointer, value):
    document = {"aud": ["x", "y"], "a/b": {"~": None}}
    assert pointers.resolve(document, pointer) == value


@given(st.lists(st.text(max_size=6), max_size=4))
def test_a_joined_pointer_leads_back(parts):
    document = "leaf"
    for part in reversed(parts):
        document = {part: document}
    assert pointers.resolve(document, pointers.join("", *parts)) == "leaf"


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer abc.def",
        "Basic dXNlcjpwYXNz",
        "a=1&client_secret=hunter2&b=2",
        "code=SplxlOBe",
        "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.sig",
    ],
)
def test_redaction_masks_credentials(text):
    masked = redaction.redact(text)
    assert redaction.MASK in masked
    for secret in ("abc.def", "dXNlcjpwYXNz", "hunter2", "SplxlOBe", "eyJzdWIiOiJhIn0"):
        assert secret not in masked


_PIECES = st.sampled_from(
    [
        "Bearer",
        "basic",
        " ",
        "\t",
        "\u2003",
        "code",
        "PASSWORD",
        "=",
        "&",
        "eyJhbGciOiJFUzI1NiJ9",
        ".",
        "eyJ",
        "x-1",
        "\x00",
        "\u2028",
    ]
)


@given(st.lists(_PIECES | st.text(max_size=3), max_size=12).map("".join))
def test_a_quick_look_spares_no_credential_and_no_control_character(text):
    thorough = redaction._JWT.sub(redaction.MASK, redaction._TOKENS.sub(rf"\1{redaction.MASK}", text))
    assert redaction.redact(text) == thorough
    escaped = redaction._CONTROL.sub(lambda match: match.group().encode("unicode_escape").decode(), text)
    assert redaction.printable(text) == escaped


@given(st.text())
def test_printable_text_cannot_forge_log_lines(text):
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", redaction.printable(text))


def test_configuration_errors_say_where_why_and_what_to_do():
    error = ConfigurationError(
        Position("routes/mcp.json", "/handler", 3, 7), "no such object 'rs'", "did you mean 'rsFilter'?"
    )
    assert str(error) == "routes/mcp.json:3:7 at /handler: no such object 'rs' (did you mean 'rsFilter'?)"


def test_the_system_clock_tells_seconds_since_the_epoch():
    assert SystemClock().now() > 1_700_000_000


def test_the_collector_leaves_alone_what_was_loaded():
    before = gc.get_threshold()
    try:
        spare_collector()
        assert gc.get_freeze_count() > 0
        youngest, middle, _ = gc.get_threshold()
        assert youngest > before[0]
        assert youngest * (middle + 1) <= 50_000  # objects at a look, some 60 ns each
    finally:
        gc.set_threshold(*before)  # all that is loaded stays frozen, as it does after each file anyway


@given(st.lists(st.text(max_size=4) | st.integers(0, 9), max_size=4))
def test_a_position_below_another_names_the_member_there(parts):
    below = Position("f", "/a", 3, 7).below(*parts)
    assert (below.file, below.line, below.column) == ("f", None, None)
    assert pointers.split(below.pointer) == ("a", *map(str, parts))


def test_a_failure_on_purpose_is_told_in_its_words_and_ours_with_its_traceback():
    fault = ValueError("ours")
    assert describe_failure(UriError("an operator's")) == {"reason": "an operator's"}
    assert describe_failure(fault) == {"exc_info": fault}


def test_a_memory_that_is_full_forgets_everything():
    memory = BoundedMemory[int, str](2)
    assert [memory.remember(number, str(number)) for number in range(3)] == ["0", "1", "2"]
    assert memory == {2: "2"}
