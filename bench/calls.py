"""Prepares the calls that are sent: tokens, tools, arguments and ids differ from one call to the next."""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

VERSION = "2025-11-25"
MODERN_VERSION = "2026-07-28"
BODY_BYTES = 115
MAX_CALLS = 8_000
MAX_BYTES = 32 * 1024 * 1024
"""What the load generator holds of one kind of call; fewer calls are prepared when they are long."""
_SHIFTS = 1_000
"""Places at which the text of a long argument may begin."""
TOOLS = tuple(
    f"{verb}_{noun}"
    for verb in ("find", "read", "list", "check")
    for noun in ("forecast", "place", "balance", "order", "invoice")
)


@dataclass(frozen=True)
class Call:
    """One request: its fields besides `Host` and `Content-Length`, and its body."""

    headers: Mapping[str, str]
    body: bytes

    def without(self, header: str) -> "Call":
        """Return the call without a header."""
        return Call({name: value for name, value in self.headers.items() if name != header}, self.body)

    def write(self, url: str) -> bytes:
        """Return the bytes that are sent to `url`."""
        where = urlsplit(url)
        fields = {"Host": where.netloc, **self.headers, "Content-Length": str(len(self.body))}
        lines = (f"{name}: {value}\r\n" for name, value in fields.items())
        return f"POST {where.path or '/'} HTTP/1.1\r\n{''.join(lines)}\r\n".encode() + self.body


def tool_calls(
    tokens: Sequence[str], size: int = BODY_BYTES, version: str = VERSION, count: int = MAX_CALLS
) -> tuple[Call, ...]:
    """Return tools/call requests with bodies of about `size` bytes, each token equally often, in any order.

    In the modern revision each describes itself in `_meta` and repeats method and tool in its head.
    """
    draw = random.Random(1)  # the same calls in each run
    count = min(count, max(16, MAX_BYTES // (size + 1500)))
    text = "".join(draw.choices("abcdefghijklmnopqrstuvwxyz     éß€", k=size + _SHIFTS))
    calls = [
        _tool_call(tokens[number % len(tokens)], number, size, version, text[draw.randrange(_SHIFTS) :], draw)
        for number in range(count)
    ]
    draw.shuffle(calls)
    return tuple(calls)


def _tool_call(token: str, number: int, size: int, version: str, text: str, draw: random.Random) -> Call:
    tool = draw.choice(TOOLS)
    params: dict[str, object] = {"name": tool, "arguments": {"place": f"Tokyo {draw.randrange(1000)}"}}
    headers = {
        "User-Agent": "agent/1.0",
        "Accept": "application/json, text/event-stream",
        "Content-Type": "application/json",
        "MCP-Protocol-Version": version,
        "Authorization": f"Bearer {token}",
    }
    if version == MODERN_VERSION:
        described = "io.modelcontextprotocol"
        params["_meta"] = {
            f"{described}/protocolVersion": version,
            f"{described}/clientInfo": {"name": "agent", "version": "1"},
            f"{described}/clientCapabilities": {},
        }
        headers |= {"Mcp-Method": "tools/call", "Mcp-Name": tool}
    message = {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}
    missing = size - len(_written(message)) - len(',"note":""')
    if missing > 0:
        params["arguments"] = {"place": f"Tokyo {draw.randrange(1000)}", "note": text[:missing]}
    return Call(headers, _written(message))


def _written(message: Mapping[str, object]) -> bytes:
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode()
