"""Finds the authorization server that an MCP server trusts (RFC 9728, RFC 8414, MCP authorization).

Everything read here was written by somebody else: documents are small, addresses are https (http only on this
machine), and a document that speaks for another server than the one asked about is refused.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit, urlunsplit

import httpx2

from agent.documents import json_object, strings
from agent.errors import DiscoveryRefused

MAX_DOCUMENT_BYTES = 256 * 1024
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_PARAMETER = re.compile(r'([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
_WELL_KNOWN_RESOURCE = "oauth-protected-resource"
_VERSION = "2026-07-28"
# The first request of a 2026-07-28 client: servers of every version answer it by asking for a token.
_PROBE = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "server/discover",
    "params": {
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": _VERSION,
            "io.modelcontextprotocol/clientInfo": {"name": "sample-mcp-agent", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }
    },
}
_PROBE_HEADERS = {
    "Accept": "application/json, text/event-stream",
    "MCP-Protocol-Version": _VERSION,
    "Mcp-Method": "server/discover",
}


@dataclass(frozen=True, slots=True)
class Challenge:
    """The parts of a 401 or 403 that tell how to get access (RFC 6750 section 3, RFC 9728 section 5.1)."""

    error: str = ""
    scopes: tuple[str, ...] = ()
    resource_metadata: str = ""


@dataclass(frozen=True, slots=True)
class ProtectedResource:
    """The MCP server's description of itself (RFC 9728 section 2)."""

    resource: str
    issuer: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AuthorizationServer:
    """The parts of an authorization server's metadata that an agent needs (RFC 8414 section 2)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    auth_methods: tuple[str, ...]
    promises_iss: bool
    """Whether every authorization response carries `iss` (RFC 9207)."""
    registration_endpoint: str = ""
    """Where clients register themselves (RFC 7591); empty where they cannot."""
    takes_documents: bool = False
    """Whether the URL of a client's metadata document is a client ID here."""
    scopes: tuple[str, ...] = ()
    exchanges: bool = True
    """Whether it exchanges tokens (RFC 8693), as far as it says."""


async def challenge_of(client: httpx2.AsyncClient, server_url: str) -> Challenge | None:
    """Return the server's challenge to a request without a token; None when it does not ask for one."""
    answer = await client.post(server_url, json=_PROBE, headers=_PROBE_HEADERS)
    return parse_challenge(answer.headers.get_list("www-authenticate")) if answer.status_code == 401 else None


def parse_challenge(headers: Sequence[str]) -> Challenge:
    """Return the first Bearer challenge; an empty one if there is none."""
    bearer = next((header for header in headers if header.lower().startswith("bearer")), "")
    parameters = _PARAMETER.findall(bearer[len("bearer") :])
    found = {name.lower(): re.sub(r"\\(.)", r"\1", quoted) or plain for name, quoted, plain in parameters}
    return Challenge(
        found.get("error", ""), tuple(found.get("scope", "").split()), found.get("resource_metadata", "")
    )


async def protected_resource(
    client: httpx2.AsyncClient, server_url: str, challenge: Challenge
) -> ProtectedResource:
    """Read the server's metadata: where the challenge says, else at the two well-known places.

    Raises `DiscoveryRefused`.

    The document at the root of the server's origin may describe the whole origin, because that is the
    resource whose metadata belongs there (RFC 9728 section 3.1); any other has to describe the server that
    was asked about.
    """
    places = (
        [challenge.resource_metadata] if challenge.resource_metadata else resource_metadata_urls(server_url)
    )
    url, document = await _first(client, places)
    resource, issuers = document.get("resource"), document.get("authorization_servers")
    described = {canonical(server_url)}
    if url == resource_metadata_urls(server_url)[-1]:
        described.add(canonical(urljoin(server_url, "/")))
    if not isinstance(resource, str) or canonical(resource) not in described:
        raise DiscoveryRefused(
            f"{url} describes {resource!r}, not {server_url}. Give the server's URL exactly as it is "
            f"published there."
        )
    if not isinstance(issuers, list) or not issuers or not isinstance(issuers[0], str):
        raise DiscoveryRefused(f"{url} names no authorization server")
    return ProtectedResource(resource, issuers[0], strings(document.get("scopes_supported")))


async def authorization_server(client: httpx2.AsyncClient, issuer: str) -> AuthorizationServer:
    """Read the metadata of exactly that issuer. Raises `DiscoveryRefused`."""
    url, document = await _first(client, issuer_metadata_urls(issuer))
    if document.get("issuer") != issuer:
        raise DiscoveryRefused(
            f"{url} speaks for the issuer {document.get('issuer')!r}, but {issuer!r} was asked about"
        )
    if "S256" not in strings(document.get("code_challenge_methods_supported")):
        raise DiscoveryRefused(f"{url} does not offer PKCE with S256")
    endpoints = {name: document.get(name) for name in ("authorization_endpoint", "token_endpoint")}
    if registration := document.get("registration_endpoint"):
        endpoints["registration_endpoint"] = registration
    for name, endpoint in endpoints.items():
        if not isinstance(endpoint, str) or not is_trustworthy(endpoint):
            raise DiscoveryRefused(f"{url} has the {name} {endpoint!r}, which is no https address")
    grants = strings(document.get("grant_types_supported"))
    return AuthorizationServer(
        issuer,
        str(endpoints["authorization_endpoint"]),
        str(endpoints["token_endpoint"]),
        strings(document.get("token_endpoint_auth_methods_supported")) or ("client_secret_basic",),
        promises_iss=document.get("authorization_response_iss_parameter_supported") is True,
        registration_endpoint=str(endpoints.get("registration_endpoint", "")),
        takes_documents=document.get("client_id_metadata_document_supported") is True,
        scopes=strings(document.get("scopes_supported")),
        exchanges=not grants or TOKEN_EXCHANGE in grants,
    )


def resource_metadata_urls(server_url: str) -> list[str]:
    """Return where a resource's metadata may be: with the path inserted, or at the root (RFC 9728 section
    3.1).
    """
    places = [_well_known(url, _WELL_KNOWN_RESOURCE) for url in (server_url, urljoin(server_url, "/"))]
    return list(dict.fromkeys(places))


def issuer_metadata_urls(issuer: str) -> list[str]:
    """Return where an issuer's metadata may be, in the order that MCP prescribes."""
    appended = issuer.rstrip("/") + "/.well-known/openid-configuration"
    inserted = [_well_known(issuer, name) for name in ("oauth-authorization-server", "openid-configuration")]
    return list(dict.fromkeys([*inserted, appended]))


def canonical(url: str) -> str:
    """Return a resource's URL normalised (RFC 3986 section 6.2.2.1), and without a trailing slash."""
    parts = urlsplit(url)
    return urlunsplit(
        (parts.scheme.lower(), parts.netloc.lower(), parts.path.rstrip("/"), parts.query, parts.fragment)
    )


def is_trustworthy(url: str) -> bool:
    """Whether what is sent there and read from there cannot be changed on the way."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)


def _well_known(url: str, name: str) -> str:
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, f"/.well-known/{name}{parts.path.rstrip('/')}", "", ""))


async def _first(client: httpx2.AsyncClient, urls: Sequence[str]) -> tuple[str, Mapping[str, Any]]:
    """Read the document at the first of these addresses that has one; return both."""
    for url in urls:
        if not is_trustworthy(url):
            raise DiscoveryRefused(f"{url} is no https address")
        async with client.stream("GET", url, headers={"Accept": "application/json"}) as answer:
            if answer.status_code != 200:
                continue
            body = b""
            async for chunk in answer.aiter_bytes():
                body += chunk
                if len(body) > MAX_DOCUMENT_BYTES:
                    raise DiscoveryRefused(f"{url} is larger than {MAX_DOCUMENT_BYTES} bytes")
        document = json_object(body)
        if document is None:
            raise DiscoveryRefused(f"{url} is not a JSON object")
        return url, document
    raise DiscoveryRefused(f"No metadata at {' or '.join(urls)}")
