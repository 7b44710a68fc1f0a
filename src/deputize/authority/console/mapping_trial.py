"""Try a mapping: what it yields for tokens that somebody pastes, or for those of an example.

Nothing is verified and nothing is kept: a trial says what the mapping makes of what is put in.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from deputize.authority.console.forms import Typed
from deputize.authority.directory.objects.resource import ResourceAttribute
from deputize.expressions import ExpressionError, Missing
from deputize.expressions.mapping import parse_attribute_value
from deputize.jose.compact import TokenInvalid, parse_compact, parse_json_object
from deputize.kernel.values import JsonObject, JsonValue
from deputize.oauth.access_tokens import is_reserved, request_bindings
from deputize.oauth.records.directory import Environment, Resource
from deputize.oauth.records.store import User
from deputize.oauth.resources import TOKEN_EXCHANGE

MAX_TOKEN: Final = 16 * 1024
"""Characters of a pasted token."""
SITUATIONS: Final = (TOKEN_EXCHANGE, "authorization_code", "client_credentials")
"""Grants that a mapping can be tried for: an exchange, a user's sign-on, an agent's own token."""
_AGENT: Final = "00000000-0000-4000-8000-00000000a6e7"
_USER: Final = User(
    "00000000-0000-4000-8000-00000000005e",
    "",
    "demouser",
    "",
    email="demouser@example.com",
    given_name="Demo",
    family_name="User",
    preferred_language="en",
)


class Mark(NamedTuple):
    """A part of a mapping that was false, missing or wrong, with what is around it."""

    before: str
    part: str
    after: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Trial:
    """What was put in, and what the mapping made of it."""

    situation: str
    subject: str
    """The subject token as it was put in: a JWT, or claims as JSON."""
    actor: str
    is_empty: bool = False
    """Whether no expression was typed yet."""
    value: str = ""
    """The claim as JSON; empty where there is none."""
    problem: str = ""
    """What is wrong with the expression, with a caret under the place, or with what was put in."""
    marks: tuple[Mark, ...] = ()
    """Why there is no value."""
    fails_open: bool = False
    """Whether it is a mapping of `act` that yields nothing for an agent that the user did not name."""
    is_reserved: bool = False
    """Whether the server alone says what this claim is."""


def example_tokens(environment: Environment, resource: Resource) -> tuple[JsonObject, JsonObject]:
    """Return the claims of an exchange's subject and actor token, for an agent of the environment."""
    agent = next((each.id for each in environment.agents.values() if not each.origin), _AGENT)
    others = [each for each in environment.resources.values() if each.id != resource.id]
    audience = next((each for each in others if each.maps("may_act")), next(iter(others), resource))
    shared: JsonObject = {
        "client_id": agent,
        "aud": [audience.audience],
        "scope": " ".join(audience.scopes),
        "env": environment.id,
        "org": environment.organization_id,
    }
    return {"sub": _USER.username, "may_act": {"sub": agent}, **shared}, shared


def attempt(environment: Environment, resource: Resource, attribute: JsonObject, typed: Typed) -> Trial:
    """Evaluate an attribute's mapping for what was typed, or else for the example."""
    subject, actor = example_tokens(environment, resource)
    claim = str(attribute.get("name", ""))
    trial = Trial(
        typed.get("trial_situation", SITUATIONS)[0],
        typed.get("trial_subject", [json.dumps(subject, indent=2)])[0],
        typed.get("trial_actor", [json.dumps(actor, indent=2)])[0],
        is_reserved=is_reserved(claim),
    )
    if attribute.get("expression") == "":
        return replace(trial, is_empty=True)
    try:
        mapping = parse_attribute_value(ResourceAttribute.model_construct(None, **attribute).source)
        subject, actor = read_token(trial.subject), read_token(trial.actor)
        bindings = _bind(environment, trial.situation, subject, actor)
        value = mapping.evaluate(bindings)
        others = _bind(environment, trial.situation, subject, {**actor, "client_id": "another agent"})
        fails_open = claim == "act" and _is_absent(mapping.evaluate(others))
    except (ExpressionError, TokenInvalid) as error:
        return replace(trial, problem=str(error))
    if not _is_absent(value):
        return replace(trial, value=json.dumps(value, indent=2, ensure_ascii=False), fails_open=fails_open)
    source = mapping.source
    marks = tuple(
        Mark(source[: part.start], source[part.start : part.end], source[part.end :], part.sentence)
        for part in mapping.explain_parts(bindings)
    )
    return replace(trial, marks=marks, fails_open=fails_open)


def read_token(text: str) -> JsonObject:
    """Return the claims of a pasted token, a JWT or JSON, unverified. Raises `TokenInvalid`."""
    if len(text) > MAX_TOKEN:
        raise TokenInvalid(f"a token has {MAX_TOKEN} characters at most")
    if text.lstrip().startswith("{"):
        return parse_json_object(text.encode(), "text")
    return parse_compact("".join(text.split()), MAX_TOKEN, MAX_TOKEN).claims()


def _bind(
    environment: Environment, situation: str, subject: JsonObject, actor: JsonObject
) -> Mapping[str, JsonValue]:
    request: dict[str, JsonValue] = {"grantType": situation}
    if situation == TOKEN_EXCHANGE:
        request |= {"subjectToken": subject, "actorToken": actor}
    user = None if situation == "client_credentials" else _USER
    return request_bindings(environment, str(actor.get("client_id", _AGENT)), None, user, request)


def _is_absent(value: object) -> bool:
    return value is None or isinstance(value, Missing)
