"""What stands where nothing is configured (gateway-config reference 1.2, 1.4 and 1.7)."""

from deputize.kernel.values import JsonObject

DEFAULT_ADMIN = b"{}"
DEFAULT_CONFIG = b'{"handler": {"name": "_router", "type": "Router"}}'
DEFAULT_OBJECTS: tuple[JsonObject, ...] = (
    {"name": "ClientHandler", "type": "ClientHandler"},
    {"name": "ReverseProxyHandler", "type": "ReverseProxyHandler"},
    {"name": "TransactionIdOutboundFilter", "type": "TransactionIdOutboundFilter"},
    {
        "name": "ForgeRockClientHandler",
        "type": "Chain",
        "config": {"filters": ["TransactionIdOutboundFilter"], "handler": "ClientHandler"},
    },
    {"name": "AuditService", "type": "AuditService"},
)
