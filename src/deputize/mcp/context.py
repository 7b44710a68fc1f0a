"""What filters and expressions of a route read in `contexts.mcp` (gateway reference, section 3.5)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from deputize.http.messages import Response
from deputize.http.sse import is_event_stream
from deputize.kernel import strict_json
from deputize.kernel.strict_json import JsonError
from deputize.kernel.values import JsonObject, JsonValue
from deputize.mcp.answers import implementation
from deputize.mcp.frames import PolicyKey
from deputize.mcp.validation import Message

_CLIENT_INFO: Final = "io.modelcontextprotocol/clientInfo"
"""The member of `params._meta` in which a self-describing request names its client."""


class McpRoute:
    """Left at a head whose calls are MCP messages by the time they are sent up."""


@dataclass(slots=True)
class McpContext:
    """The message a client sent and, once it is known, what the server answered with."""

    binding_name: ClassVar[str] = "mcp"
    binding_shape: ClassVar[Mapping[str, None]] = dict.fromkeys(
        (
            "clientMessageType",
            "clientPayload",
            "protocolVersion",
            "sessionId",
            "serverMessageType",
            "serverPayload",
        )
    )
    message: Message
    key: PolicyKey | None
    """Method and names acted on; `None` for stream openings, session ends and a client's answers."""
    answer: Response | None = None
    """What the server answered."""

    @property
    def server_message_type(self) -> str | None:
        """`MCP_MESSAGE` or `MCP_SSE_STREAM_INITIALIZATION`."""
        if self.answer is None:
            return None
        return "MCP_SSE_STREAM_INITIALIZATION" if is_event_stream(self.answer.headers) else "MCP_MESSAGE"

    @property
    def server_body(self) -> bytes | None:
        """The answer's bytes, where they were at hand in one piece."""
        is_message = self.answer is not None and not is_event_stream(self.answer.headers)
        return self.answer.body.buffered if self.answer is not None and is_message else None

    @property
    def client_payload(self) -> JsonObject | None:
        """The client's JSON-RPC message."""
        return self.message.frame.document if self.message.frame else None

    @property
    def client_info(self) -> str | None:
        """Name and version that the client claims, in `initialize` or a self-describing message; no proof."""
        frame = self.message.frame
        if frame is None or frame.params is None:
            return None
        if frame.method == "initialize":
            return implementation(frame.params.get("clientInfo"))
        meta = frame.params.get("_meta")
        return implementation(meta.get(_CLIENT_INFO)) if isinstance(meta, dict) else None

    @property
    def server_payload(self) -> JsonValue:
        """The server's JSON-RPC message; `None` for streams and for what is not JSON."""
        try:
            return strict_json.loads(self.server_body) if self.server_body else None
        except JsonError:
            return None

    def as_binding(self) -> Mapping[str, object]:
        """The members under the names that expressions use."""
        return {
            "clientMessageType": str(self.message.type),
            "clientPayload": self.client_payload,
            "protocolVersion": self.message.version,
            "sessionId": self.message.session,
            "serverMessageType": self.server_message_type,
            "serverPayload": self.server_payload,
        }
