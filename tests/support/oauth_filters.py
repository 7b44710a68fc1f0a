"""Resolvers, heaps and requests for tests of the OAuth and MCP filters, without sockets."""

import json
from types import MappingProxyType

from deputize.gateway.audit import AUDIT_OBJECTS
from deputize.gateway.config.file_settings import DEFAULT_OBJECTS
from deputize.gateway.config.settings import Settings
from deputize.gateway.exchange.contexts import read_claims
from deputize.gateway.filters import FILTERS
from deputize.gateway.handlers import HANDLERS
from deputize.gateway.policies import POLICIES
from deputize.gateway.resolvers import RESOLVERS
from deputize.gateway.resolvers.resolution import RejectedToken
from deputize.gateway.secrets import SECRET_OBJECTS
from support.gateway import Answering, exchange_for, heap_of, instance_for, registry_for, through

RESOURCE = "https://ig.example.com:8443/mcp"
METADATA = "https://ig.example.com:8443/.well-known/oauth-protected-resource/mcp"
CLAIMS = {
    "sub": "demouser",
    "act": {"sub": "agent-1"},
    "aud": [RESOURCE],
    "client_id": "agent-1",
    "scope": "test other",
    "exp": 1_700_003_600,
    "jti": "jti-1",
}


class Tokens:
    """A resolver that knows the claims of some tokens; an exception in place of claims is raised."""

    known = MappingProxyType({})

    class Config(Settings):
        pass

    @classmethod
    def build(cls, config, context):
        return cls()

    def __init__(self):
        self.asked = []

    async def resolve(self, token, exchange):
        self.asked.append(token)
        claims = self.known.get(token)
        if isinstance(claims, Exception):
            raise claims
        return RejectedToken("unknown") if claims is None else read_claims(token, claims, claims.get("exp"))


def knowing(tokens):
    """Return a resolver type that knows `tokens`, a mapping of token to claims."""
    return type("Tokens", (Tokens,), {"known": tokens})


def oauth_heap(*objects, tokens=None, instance=None):
    kinds = (
        *HANDLERS,
        *FILTERS,
        *RESOLVERS,
        *SECRET_OBJECTS,
        *AUDIT_OBJECTS,
        *POLICIES,
        knowing(tokens or {"good": CLAIMS}),
    )
    types = {kind.__name__: kind for kind in kinds}
    registry = registry_for(instance or instance_for(), types)
    return heap_of(*objects, parent=heap_of(*DEFAULT_OBJECTS, registry=registry))


def resource_server(**config):
    return {
        "name": "rsFilter",
        "type": "OAuth2ResourceServerFilter",
        "config": {
            "requireHttps": False,
            "scopes": ["test"],
            "accessTokenResolver": {"type": "Tokens"},
            **config,
        },
    }


def protection(**config):
    base = {
        "resourceId": RESOURCE,
        "authorizationServerUri": "https://as.example.com/as",
        "resourceServerFilter": "rsFilter",
        "resourceIdPointer": "/aud/0",
        "requireActor": False,
    }
    return {"type": "McpProtectionFilter", "config": {**base, **config}}


def bearing(token, *more, **options):
    return exchange_for("/mcp", headers=[("Authorization", f"Bearer {token}"), *more], **options)


def posting(document, *headers):
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    common = [("Accept", "application/json, text/event-stream"), ("Content-Type", "application/json")]
    return exchange_for("/mcp", method="POST", headers=[*common, *headers], body=body)


async def through_to(some_filter, exchange, upstream=None):
    """Return the response, and the exchange as the upstream got it (`None` if it did not)."""
    upstream = upstream or Answering()
    response = await through(some_filter, exchange, upstream)
    return response, upstream.asked[0] if upstream.asked else None
