"""The user's own page: what they agreed to, and how to take it back."""

from datetime import UTC, datetime

import structlog
from starlette.responses import Response

from deputize.authority.endpoint import Call, Endpoint
from deputize.authority.signon import flow
from deputize.authority.signon.cookies import cookies_of
from deputize.authority.signon.forms import SESSION, csrf_token, is_own_form
from deputize.authority.signon.pages import Page
from deputize.authority.signon.reader import dead_end, language_of, refuse_as_page, show
from deputize.authority.signon.situation import SignedOn
from deputize.oauth.consents import expiry, is_in_force
from deputize.oauth.records.directory import Agreement
from deputize.oauth.records.store import Consent
from deputize.oauth.texts import choose_text

_log = structlog.get_logger("deputize.authority")


async def account(call: Call) -> Response:
    """The page, or the withdrawal its form asks for; without a session, the way to sign on first."""
    signed_on = await flow.signed_on(call)
    if signed_on is None:
        return await flow.start(call, None)
    if call.request.method == "POST":
        return await _withdraw(call, signed_on)
    return await _page(call, signed_on)


async def _withdraw(call: Call, signed_on: SignedOn) -> Response:
    form = await call.form()
    if not await is_own_form(call, form, _session_cookie(call), SESSION):
        return dead_end(call, "error.forbidden", 403)
    client_id, user = form.get("client", ""), signed_on.user
    if await call.services.store.consents.withdraw_consents(call.environment.id, user.id, client_id, call.now):
        _log.info("consent withdrawn", environment=call.environment.id, client=client_id, user=user.id)
    return flow.see(f"/{call.environment.id}/account?withdrawn=yes")


async def _page(call: Call, signed_on: SignedOn) -> Response:
    language = language_of(call, signed_on.user)
    values = {
        "username": signed_on.user.username,
        "csrf": await csrf_token(call, _session_cookie(call), SESSION),
        "sign_off_path": f"/{call.environment.id}/as/signoff",
        "withdrawn": call.query().get("withdrawn") == "yes",
        "consents": _consents(call, signed_on, language.locale),
    }
    return show(call, Page("account.html", values), language)


def _consents(call: Call, signed_on: SignedOn, locale: str) -> list[dict[str, str]]:
    """The user's consents to agreements that still exist, the latest first."""
    consents = sorted(signed_on.consents, key=lambda consent: consent.accepted_at, reverse=True)
    agreements = call.environment.agreements
    return [_shown(each, agreements[each.agreement_id], locale, call.now) for each in consents if each.agreement_id in agreements]


def _shown(consent: Consent, agreement: Agreement, locale: str, now: float) -> dict[str, str]:
    text = choose_text(agreement, locale, (consent.locale,), consent.locale)
    expires_at = min((each for each in (consent.expires_at, expiry(agreement, consent.accepted_at)) if each is not None), default=None)
    return {
        "title": text.title if text else agreement.name,
        "client_id": consent.client_id,
        "accepted": _date(consent.accepted_at),
        "expires": _date(expires_at),
        "withdrawn": _date(consent.withdrawn_at),
        "state": _state(consent, agreement, now),
    }


def _state(consent: Consent, agreement: Agreement, now: float) -> str:
    if consent.withdrawn_at is not None:
        return "withdrawn"
    return "alive" if is_in_force(consent, agreement, now) else "expired"


def _date(instant: float | None) -> str:
    """The day in UTC as ISO 8601, which every language reads alike; empty for never."""
    return "" if instant is None else datetime.fromtimestamp(instant, UTC).date().isoformat()


def _session_cookie(call: Call) -> str:
    return cookies_of(call).session(call.request) or ""


ENDPOINT = Endpoint(("/{environment}/account",), ("GET", "POST"), account, refuse_as_page)
