from deputize.http.messages import Body, Headers, Response
from deputize.mcp.context import McpContext
from deputize.mcp.frames import policy_key
from deputize.mcp.validation import check_opening
from support.mcp_messages import LEGACY_VERSION, check, fields, legacy_call, legacy_fields


def test_expressions_see_the_documented_names():
    message = check(legacy_fields(("Mcp-Session-Id", "s")), legacy_call())
    answer = Response(200, Headers([(b"Content-Type", b"application/json")]), Body(b'{"result":{}}'))
    context = McpContext(message, policy_key("tools/call", message.frame.params), answer)
    assert context.as_binding() == {
        "clientMessageType": "MCP_MESSAGE",
        "clientPayload": legacy_call(),
        "protocolVersion": "2025-11-25",
        "sessionId": "s",
        "serverMessageType": "MCP_MESSAGE",
        "serverPayload": {"result": {}},
    }
    assert context.as_binding().keys() == McpContext.binding_shape.keys()


def test_an_opening_has_no_payload():
    assert McpContext(check_opening("GET", fields(LEGACY_VERSION)), None).client_payload is None


def test_a_server_body_that_is_no_json_is_no_payload():
    context = McpContext(
        check_opening("GET", fields(LEGACY_VERSION)), None, Response(502, Headers(), Body(b"<html>"))
    )
    assert context.server_payload is None
