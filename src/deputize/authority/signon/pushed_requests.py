"""Pushed authorization requests (RFC 9126): what a `request_uri` holds, and how it is opened again.

The request is in its own URI, encrypted for this environment and the client that pushed it. So pushing makes
the server remember nothing, and any server of the environment opens it. One authorization code at most comes
from one pushed request: its id takes the place of a flow's (`flow.begin`).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from deputize.authority.endpoint import EndpointCall
from deputize.oauth.authorization_request import known_parameters
from deputize.oauth.errors import InvalidRequest, InvalidRequestUri
from deputize.oauth.parameters import required
from deputize.secrets.sealing import TextSeal

PREFIX: Final = "urn:ietf:params:oauth:request_uri:"
MAX_LENGTH: Final = 6144
"""Characters of a request URI: browsers bring it in an address, of which 8 KiB are read."""


@dataclass(frozen=True, slots=True)
class PushedRequest:
    """A request that was pushed."""

    id: str
    """Random."""
    parameters: Mapping[str, str]
    """As pushed; only those that mean something at the authorization endpoint."""


async def push(call: EndpointCall, client_id: str, parameters: Mapping[str, str]) -> str:
    """Return the URI under which the client's request is good for `Lifetimes.request_uri_lifetime`.

    Raises `InvalidRequest` where it gets too long.
    """
    ends_at = int(call.now) + call.services.lifetimes.request_uri_lifetime
    text = json.dumps([call.services.new_token(), ends_at, dict(known_parameters(parameters))])
    uri = PREFIX + (await _seal_of(call)).seal(text, _binding(call, client_id))
    if len(uri) > MAX_LENGTH:
        raise InvalidRequest("The request is too large")
    return uri


async def open_pushed(call: EndpointCall, parameters: Mapping[str, str]) -> PushedRequest:
    """Return what the client pushed that brings this `client_id` and `request_uri`.

    Whatever stands beside them counts nothing (RFC 9101 section 6.3). Raises `InvalidRequest` without a
    client id, and `InvalidRequestUri` for what this client did not push, or not lately.
    """
    client_id, uri = required(parameters, "client_id"), required(parameters, "request_uri")
    text = None
    if len(uri) <= MAX_LENGTH:
        text = (await _seal_of(call)).open(uri.removeprefix(PREFIX), _binding(call, client_id))
    if text is None:
        raise InvalidRequestUri("the request_uri is none that this client was given")
    request_id, ends_at, pushed = cast("tuple[str, int, dict[str, str]]", tuple(json.loads(text)))
    if call.now >= ends_at:
        raise InvalidRequestUri("the request_uri has expired")
    return PushedRequest(request_id, pushed)


async def _seal_of(call: EndpointCall) -> TextSeal:
    key = await call.services.store.server_keys.server_key(call.environment.id, "pushed-request")
    return TextSeal(lambda: (key,))


def _binding(call: EndpointCall, client_id: str) -> bytes:
    return f"pushed request {call.environment.id} {client_id}".encode()
