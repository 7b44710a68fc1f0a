"""The user's own page: which agents may act for them, what each may do, and how to take it back."""

from datetime import UTC, datetime

from starlette.responses import Response

from deputize.authority.endpoint import Endpoint, EndpointCall
from deputize.authority.signon import flow
from deputize.authority.signon.browser import SESSION_FORM, cookies_of, csrf_token, is_own_form
from deputize.authority.signon.disclosure import agent_lines, resource_lines
from deputize.authority.signon.pages import Page
from deputize.authority.signon.responses import language_of, refuse_as_page, see_other, show, show_dead_end
from deputize.authority.signon.step import SignedOn
from deputize.oauth.consents import CoversBuilder, choose_text, expiry, is_in_force, keep_granted
from deputize.oauth.records.directory import Agent
from deputize.oauth.records.store import Consent


async def account(call: EndpointCall) -> Response:
    """The page, or the withdrawal its form asks for; without a session, the way to sign on first."""
    signed_on = await flow.signed_on(call)
    if signed_on is None:
        return await flow.start(call, None)
    if call.request.method == "POST":
        return await _withdraw(call, signed_on)
    return await _page(call, signed_on)


async def _withdraw(call: EndpointCall, signed_on: SignedOn) -> Response:
    form = await call.form()
    if not await is_own_form(call, form, cookies_of(call).session(call.request) or "", SESSION_FORM):
        return show_dead_end(call, "error.forbidden", 403)
    client_id, user = form.get("agent", ""), signed_on.user
    if await call.services.store.consents.withdraw_consents(
        call.environment.id, user.id, client_id, call.now
    ):
        call.record("consent withdrawn", client_id=client_id, user_id=user.id)
    return see_other(f"/{call.environment.id}/account?withdrawn=yes")


async def _page(call: EndpointCall, signed_on: SignedOn) -> Response:
    """Agents that may act for the user, the one used or allowed last first, and those that no longer may."""
    language, agents = language_of(call, signed_on.user), call.environment.agents
    given = {
        each.client_id: signed_on.consents_for(each.client_id)
        for each in signed_on.consents
        if each.client_id in agents
    }
    latest = sorted(given.items(), key=_latest, reverse=True)
    alive = {client_id: _in_force(call, consents) for client_id, consents in latest}
    values = {
        "username": signed_on.user.username,
        "csrf": await csrf_token(call, cookies_of(call).session(call.request) or "", SESSION_FORM),
        "sign_off_path": f"/{call.environment.id}/as/signoff",
        "withdrawn": call.query().get("withdrawn") == "yes",
        "agents": [
            _shown(call, agents[each], consents, language.locale)
            for each, consents in alive.items()
            if consents
        ],
        "former": [_shown_former(agents[each], consents) for each, consents in latest if not alive[each]],
    }
    return show(call, Page("account.html", values), language)


def _latest(given: tuple[str, tuple[Consent, ...]]) -> float:
    return max(max(each.accepted_at, each.last_used_at or 0) for each in given[1])


def _in_force(call: EndpointCall, consents: tuple[Consent, ...]) -> tuple[Consent, ...]:
    agreements = call.environment.agreements
    return tuple(
        each
        for each in consents
        if each.agreement_id in agreements and is_in_force(each, agreements[each.agreement_id], call.now)
    )


def _shown(call: EndpointCall, agent: Agent, consents: tuple[Consent, ...], locale: str) -> dict[str, object]:
    """An agent by what the user agreed to for it, as far as the administrator still grants that."""
    environment, agreed = call.environment, CoversBuilder()
    agreements = [environment.agreements[each.agreement_id] for each in consents]
    for consent in consents:
        agreed.add_all(consent.covers)
    covers = keep_granted(environment, agreed.covers())
    ends = (
        end
        for each, agreement in zip(consents, agreements, strict=True)
        for end in (each.expires_at, expiry(agreement, each.accepted_at))
    )
    texts = (
        (agreement, choose_text(agreement, locale, (), environment.default_language))
        for agreement in agreements
    )
    return {
        "id": agent.id,
        "name": agent.name,
        "since": _date(min(each.accepted_at for each in consents)),
        "until": _date(min((end for end in ends if end is not None), default=None)),
        "last_used": _date(max((each.last_used_at for each in consents if each.last_used_at), default=None)),
        "resources": resource_lines(environment, covers.get(agent.id, {})),
        "others": agent_lines(environment, covers, agent.id),
        "agreements": [text.title if text else agreement.name for agreement, text in texts],
    }


def _shown_former(agent: Agent, consents: tuple[Consent, ...]) -> dict[str, str]:
    return {
        "name": agent.name,
        "withdrawn": _date(max((each.withdrawn_at for each in consents if each.withdrawn_at), default=None)),
    }


def _date(instant: float | None) -> str:
    """The day in UTC as ISO 8601, which every language reads alike; empty for never."""
    return "" if instant is None else datetime.fromtimestamp(instant, UTC).date().isoformat()


ENDPOINT = Endpoint(("/{environment}/account",), ("GET", "POST"), account, refuse_as_page)
