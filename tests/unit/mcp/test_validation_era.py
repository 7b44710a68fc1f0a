import json

import pytest

from deputize.mcp import versions
from deputize.mcp.errors import (
    HEADER_MISMATCH,
    INVALID_PARAMS,
    INVALID_REQUEST,
    UNSUPPORTED_PROTOCOL_VERSION,
    Rejection,
)
from deputize.mcp.frames import Frame
from deputize.mcp.validation import VERSION_KEY, Speech, speech_of_frame, speech_of_opening
from deputize.mcp.versions import Era
from support.mcp_messages import (
    LEGACY_VERSION,
    MODERN_META,
    MODERN_VERSION,
    fields,
    legacy_call,
    modern_call,
    parse_frame,
)

SESSION = ("Mcp-Session-Id", "s1")


def frame(document):
    parsed = parse_frame(json.dumps(document).encode())
    assert isinstance(parsed, Frame)
    return parsed


def initialize(wanted):
    return frame({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": wanted}})


@pytest.mark.parametrize(
    ("pairs", "version"),
    [
        ([LEGACY_VERSION], "2025-11-25"),
        ([LEGACY_VERSION, SESSION], "2025-11-25"),
        ([SESSION], "2025-03-26"),
        ([], "2025-03-26"),
    ],
)
def test_the_legacy_era_is_known_by_header_or_by_nothing(pairs, version):
    assert speech_of_frame(fields(*pairs), frame(legacy_call())) == Speech(Era.LEGACY, version)


@pytest.mark.parametrize(
    ("wanted", "version"),
    [
        ("2025-06-18", "2025-06-18"),
        ("2099-01-01", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
        (7, "2025-11-25"),
    ],
)
def test_initialize_speaks_what_it_wants_or_what_is_preferred(wanted, version):
    assert speech_of_frame(fields(), initialize(wanted)) == Speech(Era.LEGACY, version)


def test_another_preference():
    assert speech_of_frame(fields(), initialize("x"), preferred="2025-06-18") == Speech(
        Era.LEGACY, "2025-06-18"
    )


def test_the_modern_era_is_said_twice():
    assert speech_of_frame(fields(MODERN_VERSION), frame(modern_call())) == Speech(Era.MODERN, "2026-07-28")


def test_a_modern_notification_needs_no_meta():
    cancelled = frame({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}})
    assert speech_of_frame(fields(MODERN_VERSION), cancelled) == Speech(Era.MODERN, "2026-07-28")


@pytest.mark.parametrize(
    ("pairs", "document", "code"),
    [
        ([], modern_call(), HEADER_MISMATCH),
        ([LEGACY_VERSION], modern_call(), HEADER_MISMATCH),
        ([SESSION], modern_call(), HEADER_MISMATCH),
        ([MODERN_VERSION, SESSION], modern_call(), HEADER_MISMATCH),
        ([MODERN_VERSION], legacy_call(), INVALID_PARAMS),
        ([MODERN_VERSION], modern_call(meta={VERSION_KEY: None}), HEADER_MISMATCH),
        ([LEGACY_VERSION], modern_call(meta={VERSION_KEY: None}), HEADER_MISMATCH),
        ([("MCP-Protocol-Version", "2099-01-01")], legacy_call(), UNSUPPORTED_PROTOCOL_VERSION),
        ([("MCP-Protocol-Version", "2099-01-01")], modern_call(), HEADER_MISMATCH),
        (
            [("MCP-Protocol-Version", "2099-01-01")],
            modern_call(meta={**MODERN_META, VERSION_KEY: "2099-01-01"}),
            UNSUPPORTED_PROTOCOL_VERSION,
        ),
        (
            [LEGACY_VERSION],
            modern_call(meta={**MODERN_META, VERSION_KEY: "2025-11-25"}),
            UNSUPPORTED_PROTOCOL_VERSION,
        ),
        ([MODERN_VERSION], {"jsonrpc": "2.0", "id": 1, "result": {}}, INVALID_REQUEST),
    ],
)
def test_contradictions(pairs, document, code):
    rejection = speech_of_frame(fields(*pairs), frame(document))
    assert isinstance(rejection, Rejection)
    assert (rejection.status, rejection.code) == (400, code)


def test_an_unsupported_version_is_told_what_is_supported():
    rejection = speech_of_frame(fields(("MCP-Protocol-Version", "1900-01-01")), frame(legacy_call()))
    assert isinstance(rejection, Rejection)
    assert rejection.data == {"supported": list(versions.MODERN), "requested": "1900-01-01"}


@pytest.mark.parametrize(
    ("pairs", "version"),
    [([SESSION], "2025-03-26"), ([LEGACY_VERSION], "2025-11-25"), ([SESSION, LEGACY_VERSION], "2025-11-25")],
)
def test_streams_and_session_ends_are_legacy(pairs, version):
    assert speech_of_opening(fields(*pairs)) == Speech(Era.LEGACY, version)


@pytest.mark.parametrize(
    ("pairs", "status"),
    [
        ([], 405),
        ([MODERN_VERSION], 405),
        ([MODERN_VERSION, SESSION], 405),
        ([SESSION, ("MCP-Protocol-Version", "x")], 400),
    ],
)
def test_other_openings_are_refused(pairs, status):
    rejection = speech_of_opening(fields(*pairs))
    assert isinstance(rejection, Rejection)
    assert (rejection.status, rejection.allow) == (status, "POST" if status == 405 else None)
