"""Token introspection (RFC 7662) for resources, and for agents about their own tokens."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from deputize.authority.endpoint import Endpoint, EndpointCall, json_text_response
from deputize.authority.endpoints.token import read_once_signed, user_of
from deputize.http.messages import Response
from deputize.jose import TokenInvalid
from deputize.kernel.strict_json import dumps
from deputize.oauth.client_auth import LASTING, authenticate_caller
from deputize.oauth.introspection import find_live_token, introspection_response
from deputize.oauth.parameters import parse_parameters, required

MAX_REMEMBERED: Final = 4096
"""Bytes of an answer; longer ones are not remembered."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered, and how long another look would lead to the same."""

    text: bytes
    data_version: int | None
    """Of the database, which a commit changes; `None` where each answer needs a look, or a record."""
    since: float
    until: float
    """When the token dies by itself. Both in seconds since the epoch."""


async def introspect(call: EndpointCall) -> Response:
    """Answer what the caller may know of the token; everything it may not know is `active: false`.

    Gateways ask about the same token again and again. So what was answered about a live one is remembered
    with the snapshot, under the SHA-256 of the question with its credentials, and given again while nobody
    committed anything and the token is in time: then looking at everything once more leads to the same.
    """
    form = await call.encoded_form()
    authorization = call.authorization
    question = ("introspection", sha256(f"{authorization}\n".encode() + form).digest())
    remembered = call.environment.remembered
    answer: Answer | None = remembered.get(question)
    if (
        answer is None
        or answer.data_version != call.services.store.database.data_version()
        or not answer.since <= call.now < answer.until
    ):
        answer = await _look(call, authorization, form)
        if answer.data_version is not None and len(answer.text) <= MAX_REMEMBERED:
            remembered.remember(question, answer)
    return json_text_response(answer.text)


async def _look(call: EndpointCall, authorization: str | None, form: bytes) -> Answer:
    """Look at everything the answer rests on."""
    parameters, environment, services = parse_parameters(form), call.environment, call.services
    authenticated = await authenticate_caller(
        environment, authorization, parameters, services.client_auth, call.now
    )
    caller = authenticated.client
    token = required(parameters, "token")
    # Asked for before anything is read: what is committed in between shows in the next version.
    data_version = services.store.database.data_version()
    found = await find_live_token(
        environment, token, services.store.token_states, services.verifier, call.now
    )
    response, refusal = introspection_response(environment, caller, found)
    if refusal is None and not isinstance(found, TokenInvalid):
        version = data_version if authenticated.method in LASTING else None
        return Answer(dumps(response), version, call.now, found.until)
    claims = read_once_signed(call, token)
    call.record(
        "token inactive",
        refusal,
        asked_by=caller.id,
        client_id=claims.get("client_id"),
        user_id=user_of(claims),
        sub=claims.get("sub"),
        resource=claims.get("aud"),
        jti=claims.get("jti"),
    )
    return Answer(dumps(response), None, call.now, call.now)


ENDPOINT = Endpoint(("/{environment}/as/introspect",), ("POST",), introspect, for_programs=True)
