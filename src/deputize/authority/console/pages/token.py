"""Monitoring → Token: what a pasted token says, whether it holds, and which setting each claim comes from.

It is sent in a form, so that no address and no log has it, and is shown again nowhere.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from deputize.authority.activities.reading import find_resource
from deputize.authority.activities.search import ActivityQuery
from deputize.authority.console.call import ConsoleCall
from deputize.authority.console.section import READERS, ConsolePage, ConsoleSection
from deputize.authority.console.token_reading import TokenReading, read_pasted_token
from deputize.jose import TokenInvalid
from deputize.jose.tokens import MAX_TOKEN
from deputize.kernel.redaction import printable
from deputize.kernel.values import JsonObject, JsonValue, is_number
from deputize.oauth.access_tokens import is_reserved
from deputize.oauth.delegation import actors_of
from deputize.oauth.lineage import USER_CLAIM
from deputize.oauth.records.directory import Resource
from deputize.oauth.resources import OPENID_SCOPES

_INSTANTS: Final = frozenset({"exp", "iat", "nbf", "auth_time"})
_LATEST: Final = 32_503_680_000
"""The year 3000, in seconds since the epoch: later ones are shown as numbers only."""
_AT_SESSIONS: Final = frozenset({"sid", "auth_time", "amr"})
_AT_ENVIRONMENT: Final = frozenset({"iss", "env", "org"})
_AT_AGENT: Final = frozenset({"client_id", "cnf", "token_endpoint_auth_method"})


@dataclass(frozen=True, slots=True)
class ShownClaim:
    """A claim with what it means and where it comes from."""

    name: str
    value: str
    """As JSON, without signs that change how text is read."""
    meaning: str
    moment: float | None = None
    """The instant that it is, in seconds since the epoch."""
    notes: tuple[str, ...] = ()
    """What its parts stand for."""
    source: str = ""
    """The mapping that it comes from."""
    link: tuple[str, str] | None = None
    """Words and path of the page with its setting."""


async def show_token(call: ConsoleCall) -> Response:
    """Show where to paste one."""
    return call.show("token.html", reading=None, problem="")


async def explain_token(call: ConsoleCall) -> Response:
    """Show what the token says that was sent."""
    text = next(iter(call.typed.get("token", ())), "")
    if not text.strip():
        return call.show("token.html", 422, reading=None, problem=call.t("console.required"))
    try:
        reading = await read_pasted_token(call.services, call.environment, text)
    except TokenInvalid as invalid:
        problem = printable(call.t("token.unreadable", reason=invalid.reason), MAX_TOKEN)
        return call.show("token.html", 422, reading=None, problem=problem)
    return call.show(
        "token.html",
        reading=reading,
        problem="",
        facts=await list_facts(call, reading),
        header=[(printable(name), write(value)) for name, value in reading.header.items()],
        claims=[await explain_claim(call, reading, name) for name in reading.claims],
        record=await find_record(call, reading),
    )


async def list_facts(call: ConsoleCall, reading: TokenReading) -> list[tuple[str, str]]:
    """List what a refresh token or code stands for, as pairs of a label and a text."""
    grant, environment = reading.grant, call.environment
    if grant is None:
        return []
    agent = environment.agents.get(grant.client_id)
    resource = environment.resources.get(grant.resource_id or "")
    user_id = grant.authentication.user_id
    names = await call.services.store.listings.usernames({user_id})
    return [
        (call.t("token.agent"), agent.name if agent else grant.client_id),
        (call.t("token.user"), names.get(user_id, user_id)),
        (call.t("token.resource"), resource.name if resource else ""),
        (call.t("token.scopes"), " ".join(grant.scopes)),
        (call.t("token.granted"), call.moments.moment(grant.created_at)),
    ]


async def find_record(call: ConsoleCall, reading: TokenReading) -> str:
    """Return the path of the record of its issue; empty where there is none, or where nothing is believed."""
    jti = reading.claims.get("jti")
    if not reading.is_verified or not isinstance(jti, str):
        return ""
    query = ActivityQuery(jti=jti, event="token issued", source="authority", limit=1)
    found = (await call.services.activities.find(call.environment.id, query)).items
    return call.path("audit", found[0].id) if found else ""


async def explain_claim(call: ConsoleCall, reading: TokenReading, name: str) -> ShownClaim:
    """Explain one claim, and where the token was issued here, trace it to its setting."""
    value, key = reading.claims[name], f"token.claim_{name.replace('.', '_').lower()}"
    mapped = None
    resource = find_resource(call.environment, reading.claims.get("aud")) if reading.is_verified else None
    if resource is not None and not is_reserved(name):
        mapped = next((each.mapping for each in resource.attributes if each.name == name), None)
    other = "token.mapped" if mapped else "token.unknown"
    return ShownClaim(
        name=printable(name),
        value=write(value),
        meaning=call.t(key if key in call.language.texts else other),
        moment=value if name in _INSTANTS and is_number(value) and 0 <= value < _LATEST else None,
        notes=tuple(note_parts(call, resource, name, value)) if reading.is_verified else (),
        source=mapped.source if mapped else "",
        link=link_setting(call, reading.claims, resource, name, is_mapped=mapped is not None)
        if reading.is_verified
        else None,
    )


def note_parts(call: ConsoleCall, resource: Resource | None, name: str, value: JsonValue) -> Iterator[str]:
    """Say what the parts of a claim stand for: scopes, agents that act, whom it names."""
    agents = call.environment.agents
    if name == "scope" and isinstance(value, str):
        for each in value.split():
            known = resource.scopes.get(each) if resource else None
            if known is not None:
                yield f"{each}: {known.description}"
            elif each not in OPENID_SCOPES:
                yield call.t("token.scope_gone", scope=printable(each))
    for place, actor in enumerate(actors_of(value) if name in {"act", "may_act"} else ()):
        named = str(actor.get("sub"))
        who = agents[named].name if named in agents else printable(named)
        yield call.t("token.acts_before" if place else f"token.{name}_names", name=who)
    if name in {"client_id", "aud"}:
        first = value[0] if isinstance(value, list | tuple) and value else value
        if name == "client_id" and isinstance(first, str) and first in agents:
            yield agents[first].name
        elif name == "aud" and resource is not None:
            yield resource.name


def link_setting(
    call: ConsoleCall, claims: JsonObject, resource: Resource | None, name: str, *, is_mapped: bool
) -> tuple[str, str] | None:
    """Return words and path of the page where the setting is that a claim comes from."""
    environment, client_id = call.environment, claims.get("client_id")
    if name in _AT_ENVIRONMENT:
        return environment.name, call.path("environment")
    if name in _AT_AGENT:
        agent = environment.agents.get(client_id) if isinstance(client_id, str) else None
        tab = () if name == "client_id" else ("configuration",)
        return (agent.name, call.path("agents", agent.id, *tab)) if agent else None
    if name == "acr":
        policy = environment.policies.get(str(claims[name]))
        return (policy.name, call.path("policies", policy.id)) if policy else None
    if name in _AT_SESSIONS or name == USER_CLAIM or (name == "sub" and not is_mapped):
        user_id = claims.get(USER_CLAIM, claims.get("sub"))
        is_about_user = isinstance(user_id, str) and "sid" in claims
        return (call.t("token.the_user"), call.path("users", str(user_id))) if is_about_user else None
    if resource is None or not resource.id:
        return None
    tab = {"scope": ("scopes",), "aud": (), "exp": ()}.get(name)
    if is_mapped:
        tab = ("attributes", name)
    elif name in {"act", "may_act"}:
        tab = ("attributes",)
    return (resource.name, call.path("resources", resource.id, *tab)) if tab is not None else None


def write(value: JsonValue) -> str:
    """Write a value as JSON, in which signs that are not seen are escaped."""
    text = json.dumps(value, ensure_ascii=False, indent=2, default=dict)
    return "".join(
        each if each.isprintable() or each == "\n" else each.encode("unicode_escape").decode()
        for each in text
    )


SECTION = ConsoleSection(
    "token",
    "monitoring",
    (ConsolePage("token", show_token, explain_token),),
    changed_by=READERS,
)
