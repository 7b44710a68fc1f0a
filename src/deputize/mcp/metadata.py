"""Protected-resource metadata (RFC 9728): the document, and where it stands."""

import json
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from deputize.kernel.uris import parse_origin
from deputize.kernel.values import JsonValue

WELL_KNOWN: Final = "/.well-known/oauth-protected-resource"


@dataclass(frozen=True, slots=True)
class ProtectedResource:
    """What a client has to know to get a token for a resource; URIs are published as configured."""

    resource: str
    authorization_servers: tuple[str, ...]
    scopes_supported: tuple[str, ...] = ()
    resource_name: str | None = None
    dpop_algorithms: tuple[str, ...] = ()
    """What proofs of possession may be signed with; empty where no token bound to a key is accepted."""
    dpop_required: bool = False
    """Whether no other token is."""

    def document(self) -> bytes:
        """The metadata document (RFC 9728 section 2), in UTF-8."""
        members: dict[str, JsonValue] = {
            "resource": self.resource,
            "authorization_servers": list(self.authorization_servers),
        }
        if self.scopes_supported:
            members["scopes_supported"] = list(self.scopes_supported)
        members["bearer_methods_supported"] = ["header"]
        if self.resource_name:
            members["resource_name"] = self.resource_name
        if self.dpop_algorithms:
            members["dpop_signing_alg_values_supported"] = list(self.dpop_algorithms)
            members["dpop_bound_access_tokens_required"] = self.dpop_required
        return json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode()


def well_known_path(resource: str) -> str:
    """The path of the document: the well-known prefix, then the resource's path (RFC 9728 section 3.1)."""
    return WELL_KNOWN + urlsplit(resource).path.rstrip("/")


def well_known_url(resource: str) -> str:
    """The absolute URL of the document, on the resource's own origin.

    Raises `UriError` for a relative `resource`.
    """
    return f"{parse_origin(resource)}{well_known_path(resource)}"
