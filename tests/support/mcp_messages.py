"""MCP requests as a client sends them, for tests to start from and to break."""

import json

from deputize.kernel import strict_json
from deputize.kernel.strict_json import JsonError
from deputize.mcp.frames import read_frame, refuse_json
from deputize.mcp.headers import RoutingFields, read_fields
from deputize.mcp.validation import Message, Rules, check_head, check_message, check_opening

MODERN_META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}
ACCEPT = ("Accept", "application/json, text/event-stream")
JSON_CONTENT = ("Content-Type", "application/json")
LEGACY_VERSION = ("MCP-Protocol-Version", "2025-11-25")
MODERN_VERSION = ("MCP-Protocol-Version", "2026-07-28")
RULES = Rules()


def raw(*pairs):
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs]


def fields(*pairs):
    found = read_fields(raw(*pairs))
    assert isinstance(found, RoutingFields), found
    return found


def legacy_call(name="forecast_daily", **members):
    return {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": name, "arguments": {"place": "Tokyo"}},
        **members,
    }


def modern_call(name="forecast_daily", meta=MODERN_META, **members):
    params = {"name": name, "arguments": {"place": "Tokyo"}, "_meta": meta}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params, **members}


def legacy_fields(*more):
    return fields(ACCEPT, JSON_CONTENT, LEGACY_VERSION, *more)


def modern_fields(method="tools/call", name="forecast_daily", *more):
    routing = [("Mcp-Method", method)] + ([("Mcp-Name", name)] if name is not None else [])
    return fields(ACCEPT, JSON_CONTENT, MODERN_VERSION, *routing, *more)


def parse_frame(body, max_size=strict_json.MAX_SIZE):
    try:
        return read_frame(strict_json.loads(body, max_size=max_size))
    except JsonError as error:
        return refuse_json(body, error)


def check(some_fields, document, rules=RULES):
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return check_message(some_fields, body, rules)


def whole_ladder(verb, pairs, body, rules=RULES):
    """Do what a filter does with the pure parts, in order."""
    found = read_fields(raw(*pairs))
    if not isinstance(found, RoutingFields):
        return found
    refusal = check_head(verb, found)
    if refusal is not None:
        return refusal
    return check_message(found, body, rules) if verb == "POST" else check_opening(verb, found)


def passed(outcome):
    return isinstance(outcome, Message)
