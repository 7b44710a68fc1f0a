"""Whatever bytes arrive.

The ladder decides without crashing, and what passes says the same in headers and body.
"""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deputize.mcp import frames
from deputize.mcp.errors import HEADER_MISMATCH, Rejection
from deputize.mcp.frames import Frame
from deputize.mcp.validation import Message, OrdinaryCalls, Rules, check_message
from support.mcp_messages import (
    ACCEPT,
    JSON_CONTENT,
    MODERN_META,
    fields,
    legacy_fields,
    modern_call,
    modern_fields,
    parse_frame,
    passed,
    whole_ladder,
)

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
MEMBERS = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.just("2.0") | JSON_VALUES,
        "id": JSON_VALUES,
        "method": st.sampled_from(["tools/call", "tools/list", "initialize", "tasks/get", "x"]) | JSON_VALUES,
        "params": st.fixed_dictionaries(
            {}, optional={"name": JSON_VALUES, "_meta": st.just(MODERN_META) | JSON_VALUES}
        )
        | JSON_VALUES,
        "result": JSON_VALUES,
        "error": JSON_VALUES,
    },
)
VERSIONS = st.sampled_from([None, "2025-03-26", "2025-11-25", "2026-07-28", "2099-01-01"])
HEADER_TEXT = st.text(st.characters(max_codepoint=255), max_size=12)
PAIRS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "Accept",
                "Content-Type",
                "Origin",
                "MCP-Protocol-Version",
                "Mcp-Session-Id",
                "Mcp-Method",
                "mcp-method",
                "Mcp-Name",
                "X",
            ]
        ),
        HEADER_TEXT
        | st.sampled_from(
            ["*/*", "application/json", "2026-07-28", "2025-11-25", "tools/call", "=?base64?eA==?="]
        ),
    ),
    max_size=8,
)


@given(st.binary(max_size=200) | MEMBERS.map(json.dumps).map(str.encode))
def test_any_bytes_are_a_frame_or_a_refusal(body):
    outcome = parse_frame(body)
    assert isinstance(outcome, Frame | Rejection)
    if isinstance(outcome, Frame):
        assert outcome.document == json.loads(body)


DECISIVE = sorted(frames._DECISIVE.values())
SPELLINGS = st.one_of(
    *(st.sampled_from([name, name.upper(), name.title(), name.swapcase(), f"{name}s"]) for name in DECISIVE),
    st.sampled_from([name.replace("s", "\u017f").replace("k", "\u212a") for name in DECISIVE]),
    st.text(st.characters(exclude_characters="\0"), max_size=80),
)
PARAMS = st.dictionaries(
    SPELLINGS, st.dictionaries(SPELLINGS, st.none(), max_size=3) | st.none(), max_size=3
) | st.fixed_dictionaries(
    {}, optional=dict.fromkeys(frames._NESTING, st.dictionaries(SPELLINGS, st.none(), max_size=3))
)


@given(st.lists(PARAMS, max_size=4))
def test_whatever_came_before_a_twin_of_a_decisive_name_is_found(messages):
    """The table of harmless names makes no difference, when it is new, filled by others, or full."""
    folded = {name.casefold(): name for name in DECISIVE}
    for known in ([], [*frames._harmless], [str(n) for n in range(frames._MAX_HARMLESS)]):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(frames, "_harmless", set(known))
            for params in messages:
                inner = [params[name] for name in frames._NESTING if isinstance(params.get(name), dict)]
                twins = any(
                    folded.get(name.casefold(), name) != name for names in (params, *inner) for name in names
                )
                body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "x", "params": params}).encode()
                assert isinstance(parse_frame(body), Rejection) == twins


CALLS = st.fixed_dictionaries(
    {
        "jsonrpc": st.just("2.0"),
        "id": st.integers() | st.text(max_size=3) | st.booleans() | st.floats() | st.none(),
        "method": st.sampled_from(
            ["tools/call", "prompts/get", "resources/read", "tasks/get", "initialize", "ping", "x", ""]
        ),
        "params": st.dictionaries(
            st.sampled_from(
                ["name", "Name", "arguments", "uri", "taskId", "_meta", "task", "requestState", "x"]
            ),
            st.text("a\0", max_size=3) | JSON_VALUES,
            max_size=3,
        ),
    },
    optional={"extra": JSON_VALUES, "result": JSON_VALUES},
)
HEADS = st.fixed_dictionaries(
    {},
    optional={
        "MCP-Protocol-Version": st.sampled_from(["2024-11-05", "2025-11-25", "2026-07-28", "2099-01-01"]),
        "Mcp-Session-Id": st.just("s"),
        "Mcp-Method": st.sampled_from(["tools/call", "ping"]),
        "Mcp-Name": st.sampled_from(["a", "b"]),
    },
)


@given(HEADS, CALLS | MEMBERS)
def test_a_message_read_in_one_look_is_what_every_rule_makes_of_it(head, document):
    given, body = fields(ACCEPT, JSON_CONTENT, *head.items()), json.dumps(document).encode()
    assert check_message(given, body, Rules(), OrdinaryCalls.of(given)) == check_message(given, body, Rules())


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("tools/call", {"name": "a", "arguments": {"b": [1]}}),
        ("tools/call", {"name": "a"}),
        ("prompts/get", {"name": "a"}),
        ("resources/read", {"uri": "a:b"}),
    ],
)
@pytest.mark.parametrize("version", [None, "2024-11-05", "2025-11-25"])
def test_most_messages_are_read_in_one_look(method, params, version):
    """Or the property above would compare a way with itself."""
    ordinary = OrdinaryCalls.of(fields(*([("MCP-Protocol-Version", version)] if version else [])))
    for identity in (1, "1"):
        document = {"jsonrpc": "2.0", "id": identity, "method": method, "params": params}
        assert passed(ordinary.read(document))


@given(
    st.sampled_from(["POST", "GET", "DELETE", "PUT"]),
    PAIRS,
    st.binary(max_size=60) | MEMBERS.map(json.dumps).map(str.encode),
)
def test_any_request_is_decided(verb, pairs, body):
    outcome = whole_ladder(verb, pairs, body)
    assert isinstance(outcome, Message | Rejection)
    if isinstance(outcome, Rejection):
        assert outcome.status >= 400
        assert json.loads(outcome.body())["error"]["code"] == outcome.code


@given(MEMBERS, VERSIONS, st.none() | st.just("s"))
def test_what_passes_is_unanimous_about_its_version(document, version, session):
    pairs = [("MCP-Protocol-Version", version)] if version else []
    pairs += [("Mcp-Session-Id", session)] if session else []
    method = document.get("method")
    pairs += (
        [("Mcp-Method", method)] if isinstance(method, str) and method.isalpha() and method.isascii() else []
    )
    outcome = whole_ladder("POST", [ACCEPT, JSON_CONTENT, *pairs], json.dumps(document).encode())
    if passed(outcome):
        params = document.get("params") or {}
        claimed = (
            isinstance(params.get("_meta"), dict)
            and "io.modelcontextprotocol/protocolVersion" in params["_meta"]
        )
        assert (outcome.era.value == "modern") == (version == "2026-07-28")
        assert not claimed or outcome.era.value == "modern"
        assert not (session and outcome.era.value == "modern")


@given(
    st.text(min_size=1, max_size=12),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12),
)
def test_a_name_header_that_differs_from_the_body_never_passes(name, header):
    outcome = check_message(
        modern_fields("tools/call", header), json.dumps(modern_call(name)).encode(), Rules()
    )
    if name != header:
        assert isinstance(outcome, Rejection)
        assert outcome.code == HEADER_MISMATCH
    else:
        assert passed(outcome)


@given(
    st.sampled_from(["tools/call", "tools/list", "ping"]),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12),
)
def test_a_method_header_that_differs_from_the_body_never_passes_in_any_era(method, header):
    document = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"name": "x"}}
    outcome = check_message(legacy_fields(("Mcp-Method", header)), json.dumps(document).encode(), Rules())
    assert passed(outcome) == (header == method)


@given(MEMBERS, st.sampled_from(["jsonrpc", "id", "method", "params"]), JSON_VALUES)
def test_a_duplicate_key_never_passes(document, key, value):
    body = json.dumps(document).encode()
    doubled = (
        b"{"
        + json.dumps(key).encode()
        + b":"
        + json.dumps(value).encode()
        + (b"," + body[1:] if document else b"}")
    )
    if key in document:
        assert isinstance(check_message(fields(ACCEPT, JSON_CONTENT), doubled, Rules()), Rejection)
