import hashlib
import json
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json

from deputize.audit.records import (
    AccessForm,
    EventPart,
    McpForm,
    RouteIdentity,
    Subject,
    cut,
    timestamp_text,
)
from deputize.http import plans
from deputize.http.exchange import Peer
from deputize.kernel.uris import Origin, Target
from support.audit_events import ACCESS, ASKED, MCP, SUBJECT, AccessEvent, McpEvent
from support.audit_oracle import SAFE_HEADERS, Asked, access_text, mcp_text

TEXTS = st.text(max_size=40) | st.sampled_from(["%s%d%", '"}\\', "{0}", "ä\u2028\U0001f600\udc80", "x" * 600])
WORDS = st.none() | TEXTS
PORTS = st.integers(0, 65535)
STATUSES = st.none() | st.integers(100, 599)
SECONDS = st.floats(0, 4_000_000_000)
ELAPSED = st.floats(0, 100_000) | st.integers(0, 3000).map(lambda halves: halves / 2000)
SUBJECTS = st.builds(
    Subject,
    WORDS,
    st.lists(TEXTS, max_size=3).map(tuple),
    WORDS,
    st.lists(TEXTS, max_size=3).map(tuple),
    WORDS,
)
HEADER_NAMES = st.sampled_from(
    [
        *(name.encode() for name in sorted(SAFE_HEADERS)),
        b"Host",
        b"ACCEPT",
        b"Authorization",
        b"cookie",
        b"X-%s",
    ]
)
ASKED_FOR = st.builds(
    Asked,
    st.none() | st.builds(RouteIdentity, TEXTS, TEXTS),
    st.builds(Peer, TEXTS, PORTS, TEXTS, PORTS, st.booleans()),
    WORDS,
    st.none() | st.builds(Origin, st.sampled_from(["http", "https"]), TEXTS, PORTS),
    st.none() | st.builds(Target, TEXTS, WORDS),
    st.lists(st.tuples(HEADER_NAMES, st.binary(max_size=600)), max_size=5).map(tuple),
)
IDS = st.from_regex(r"[0-9a-f]{20}-[0-9]{1,9}", fullmatch=True)


def asked(**changes):
    return AccessForm(*ASKED._replace(**changes))


def test_records_have_the_bytes_they_always_had():
    assert ACCESS.record().text == (
        '{"_id":"tx-0","timestamp":"2026-03-20T20:42:41.062Z","eventName":"OPENIG-HTTP-ACCESS",'
        '"transactionId":"tx","userId":"demouser","trackingIds":["jti-1"],'
        '"client":{"ip":"192.0.2.1","port":40000},"server":{"ip":"127.0.0.1","port":8443},'
        '"http":{"request":{"secure":true,"method":"POST","path":"https://ig.example.com:8443/mcp",'
        '"headers":{"host":["ig.example.com:8443"],"accept":["a/b","c/d"]}}},'
        '"response":{"status":"SUCCESSFUL","statusCode":"200","elapsedTime":13,'
        '"elapsedTimeUnits":"MILLISECONDS"},'
        '"ig":{"exchangeId":"tx","routeId":"mcp","routeName":"mcp route"}}'
    )
    assert MCP.record().text == (
        '{"_id":"tx-1","timestamp":"2026-03-20T20:42:41.062Z","eventName":"PING-GATEWAY-MCP",'
        '"transactionId":"tx","userId":"demouser","trackingIds":["jti-1"],'
        '"client":{"ip":"192.0.2.1","port":40000,"messageType":"MCP_MESSAGE","method":"tools/call",'
        '"param":"forecast_daily","protocolVersion":"2025-11-25","info":null},"server":{"info":null},'
        '"sub":"demouser","act":["agent-1","agent-0"],"clientId":"agent-1","scopes":["test"],"jti":"jti-1",'
        '"tool":"forecast_daily","decision":"PERMIT","reason":null,"errorCode":null,"sessionId":"session-1",'
        '"response":{"status":"SUCCESSFUL","statusCode":"200","elapsedTime":13,'
        '"elapsedTimeUnits":"MILLISECONDS"},"ig":{"routeId":"mcp","routeName":"mcp route"}}'
    )


def test_a_record_says_where_it_belongs_and_whether_it_tells_of_a_token():
    for event, topic in ((ACCESS, "access"), (MCP, "mcp")):
        assert event.record().topic == topic
    assert MCP.record().names_token
    assert not replace(MCP, subject=replace(SUBJECT, jti=None)).record().names_token


@given(
    ASKED_FOR,
    st.builds(
        partial(AccessEvent, ACCESS.form),
        IDS,
        SECONDS,
        PORTS,
        SUBJECTS,
        STATUSES,
        ELAPSED,
        WORDS,
        st.sampled_from(EventPart),
    ),
)
def test_an_access_record_is_what_a_plain_encoder_makes_of_it(asked_for, event):
    event.form = AccessForm(*asked_for)
    assert event.record().text == access_text(asked_for, event)


@given(
    ASKED_FOR,
    st.builds(
        partial(McpEvent, MCP.form),
        IDS,
        SECONDS,
        PORTS,
        SUBJECTS,
        message_type=WORDS,
        method=WORDS | st.just("tools/call"),
        param=WORDS,
        protocol_version=WORDS,
        session_id=WORDS,
        permitted=st.none() | st.booleans(),
        status=STATUSES,
        elapsed=ELAPSED,
        reason=WORDS,
        error_code=st.none() | st.integers(),
        client_info=WORDS,
        server_info=WORDS,
        part=st.sampled_from(EventPart),
    ),
)
def test_an_mcp_record_is_what_a_plain_encoder_makes_of_it(asked_for, event):
    event.form = McpForm(asked_for.route, asked_for.peer)
    assert event.record().text == mcp_text(asked_for, event)


@given(st.lists(TEXTS, min_size=1, max_size=6, unique=True))
def test_what_is_remembered_of_one_record_is_not_in_another(words):
    """More words than are remembered, and each again afterwards."""
    many = [f"{word}{number}" for number in range(400) for word in words]
    for word in (*many, *words):
        assert json.loads(replace(MCP, method=word).record().text)["client"]["method"] == word


def test_no_header_of_a_form_varies_between_the_calls_with_a_head():
    """What is cut out of a head before its plan is looked up would be the first call's for ever."""
    lines = b"".join(b"%s: value\r\n" % name.encode() for name in SAFE_HEADERS)
    _, names, _ = plans.memory.cut(b"", b"POST / HTTP/1.1\r\n" + lines + b"traceparent: 1\r\n\r\n")
    assert names == [b"traceparent"]


def test_one_form_serves_for_calls_of_different_users_and_connections():
    other = Subject("other", (), None, (), None)
    for event in (ACCESS, MCP):
        one, two = (from_json(replace(event, subject=each).record().text) for each in (event.subject, other))
        assert (one["userId"], one["trackingIds"]) == ("demouser", ["jti-1"])
        assert (two["userId"], two["trackingIds"]) == ("other", [])
        assert from_json(replace(event, remote_port=7).record().text)["client"]["port"] == 7


def test_an_access_record_keeps_the_originals_names():
    assert from_json(ACCESS.record().text) == {
        "_id": "tx-0",
        "timestamp": "2026-03-20T20:42:41.062Z",
        "eventName": "OPENIG-HTTP-ACCESS",
        "transactionId": "tx",
        "userId": "demouser",
        "trackingIds": ["jti-1"],
        "client": {"ip": "192.0.2.1", "port": 40000},
        "server": {"ip": "127.0.0.1", "port": 8443},
        "http": {
            "request": {
                "secure": True,
                "method": "POST",
                "path": "https://ig.example.com:8443/mcp",
                "headers": {"host": ["ig.example.com:8443"], "accept": ["a/b", "c/d"]},
            }
        },
        "response": {
            "status": "SUCCESSFUL",
            "statusCode": "200",
            "elapsedTime": 13,
            "elapsedTimeUnits": "MILLISECONDS",
        },
        "ig": {"exchangeId": "tx", "routeId": "mcp", "routeName": "mcp route"},
    }


def test_an_mcp_record_says_who_acted_for_whom_on_what():
    members = from_json(MCP.record().text)
    assert members["eventName"] == "PING-GATEWAY-MCP"
    assert members["client"] == {
        "ip": "192.0.2.1",
        "port": 40000,
        "messageType": "MCP_MESSAGE",
        "method": "tools/call",
        "param": "forecast_daily",
        "protocolVersion": "2025-11-25",
        "info": None,
    }
    assert (members["sub"], members["act"], members["clientId"], members["scopes"]) == (
        "demouser",
        ["agent-1", "agent-0"],
        "agent-1",
        ["test"],
    )
    assert (members["tool"], members["decision"], members["reason"]) == ("forecast_daily", "PERMIT", None)


def test_a_refusal_is_a_denial_with_its_reason():
    refusal = replace(MCP, permitted=False, reason="insufficient_scope", status=403, method="prompts/get")
    members = from_json(refusal.record().text)
    assert (members["decision"], members["reason"], members["tool"]) == ("DENY", "insufficient_scope", None)
    assert members["response"]["status"] == "FAILED"


def test_an_exchange_that_broke_off_failed():
    assert from_json(replace(ACCESS, status=None).record().text)["response"]["status"] == "FAILED"


def test_no_credential_of_the_request_is_written():
    assert "s3cret" not in ACCESS.record().text


@given(st.text(max_size=200), st.binary(max_size=900), st.lists(st.text(max_size=9), max_size=3))
def test_any_text_becomes_one_line_that_says_it(text, value, texts):
    subject = Subject(text, tuple(texts), text, tuple(texts), text)
    mcp = (
        replace(
            MCP,
            param=text,
            session_id=text,
            client_info=text,
            server_info=text,
            method=text,
            reason=text,
            subject=subject,
        )
        .record()
        .text
    )
    form = asked(headers=((b"user-agent", value),), method=text)
    access = replace(ACCESS, form=form, subject=subject).record().text
    assert mcp.isascii()
    assert (mcp + access).isprintable()
    read = from_json(mcp)
    assert (read["client"]["param"], read["reason"], read["act"], read["sub"], read["scopes"]) == (
        text,
        text,
        texts,
        text,
        texts,
    )
    assert from_json(access)["http"]["request"]["headers"] == {"user-agent": [cut(value.decode("latin-1"))]}


def test_what_is_cut_says_so_and_stays_distinct():
    record = from_json(replace(ACCESS, form=asked(headers=((b"user-agent", b"x" * 9000),))).record().text)
    digest = hashlib.sha256(b"x" * 9000).hexdigest()
    assert record["http"]["request"]["headers"] == {
        "user-agent": [f"{'x' * 512}… (cut: 9000 characters, SHA-256 {digest})"]
    }
    assert cut("x" * 600 + "a") != cut("x" * 600 + "b")


@given(st.text(max_size=1200), st.text(max_size=1200))
def test_two_texts_never_look_alike_once_written(one, other):
    assert (cut(one) == cut(other)) is (one == other)
    assert cut(one).startswith(one[:512])
    assert (cut(one) == one) is (len(one) <= 512)


@pytest.mark.parametrize(("permitted", "decision"), [(True, "PERMIT"), (False, "DENY"), (None, None)])
def test_what_was_decided_is_said_even_if_nothing_was(permitted, decision):
    assert from_json(replace(MCP, permitted=permitted).record().text)["decision"] == decision


def test_the_parts_of_an_exchange_are_told_apart():
    for event, name in ((ACCESS, "OPENIG-HTTP-ACCESS"), (MCP, "PING-GATEWAY-MCP")):
        whole, decision, outcome = (from_json(replace(event, part=part).record().text) for part in EventPart)
        assert [each["eventName"] for each in (whole, decision, outcome)] == [name, name, f"{name}-OUTCOME"]
        assert decision["response"] is None
        assert outcome["response"] == whole["response"]
        assert whole["_id"] == decision["_id"] != outcome["_id"]
        assert {each["transactionId"] for each in (whole, decision, outcome)} == {"tx"}


def test_a_request_that_was_not_understood_is_recorded_with_what_is_known():
    unheard = replace(
        ACCESS,
        form=asked(route=None, method=None, origin=None, target=None, headers=()),
        status=400,
        subject=Subject(),
        reason="rubbish",
    )
    record = from_json(unheard.record().text)
    assert record["http"]["request"] == {"secure": True, "method": None, "path": None, "headers": {}}
    assert (record["client"]["ip"], record["response"]["statusCode"], record["response"]["detail"]) == (
        "192.0.2.1",
        "400",
        {"reason": "rubbish"},
    )


@given(st.integers(min_value=0, max_value=4_000_000_000_000))
def test_times_keep_their_milliseconds(milliseconds):
    assert timestamp_text(milliseconds / 1000).endswith(f".{milliseconds % 1000:03d}Z")
