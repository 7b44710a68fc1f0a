"""The security section: a person's password, passkeys, authenticator app, recovery codes, accounts elsewhere.

Whoever has one of the latter proved it on the way here (`flow.visitor`), so that a stolen password changes
nothing.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from deputize.authority.factors import passkeys, recovery_codes, totp
from deputize.authority.factors.challenges import make_challenge
from deputize.authority.my.section import Section, Visit
from deputize.authority.my.sections.agents import format_day
from deputize.authority.shown_once import LIFETIME, ShownPlace, open_once, seal_once
from deputize.authority.signon import flow, providers
from deputize.authority.signon.browser import cookies_of
from deputize.authority.signon.pages import Problem
from deputize.authority.signon.password_change import change_password
from deputize.authority.signon.proofs import keep_passkey
from deputize.authority.signon.providers import ProviderFailed
from deputize.authority.signon.responses import see_other
from deputize.authority.signon.sessions import add_factor
from deputize.authority.signon.step import Again, Done, NewSession, Situation
from deputize.http.messages import Response
from deputize.kernel.strict_json import dumps
from deputize.oauth.factors import PASSKEY, TOTP
from deputize.oauth.records.directory import Environment
from deputize.oauth.records.store import Factor


async def show(visit: Visit) -> Response:
    """Show what the person has beside a password, and the ways to more; or recovery codes, once."""
    return await (_show_codes(visit) if visit.call.query().get("recovery") else _show(visit, ()))


async def submit(visit: Visit, form: Mapping[str, str]) -> Response:
    """Do what the form asks for; for what nobody can ask, show the section."""
    action = _ACTIONS.get(form.get("action", ""))
    return await action(visit, form) if action else await show(visit)


async def _change_password(visit: Visit, form: Mapping[str, str]) -> Response:
    """Give the person the password that they chose."""
    outcome = await change_password(await _situation(visit), visit.language, form, visit.call.services)
    if isinstance(outcome, Again):
        return await _show(visit, outcome.problems, outcome.status)
    return _leave(visit, "password_changed", outcome.session if isinstance(outcome, Done) else None)


async def _connect(visit: Visit, form: Mapping[str, str]) -> Response:
    """Send the person to the identity provider whose account they connect."""
    call, name, session = visit.call, form.get("provider", ""), visit.signed_on.session
    offered = call.environment.settings.identity_providers
    provider = next((each for each in offered if each.name == name), None)
    if provider is None:
        return await show(visit)
    try:
        return await providers.depart(call, provider, session_id=session.id)
    except ProviderFailed as error:
        call.record("account not connected", str(error), user_id=visit.signed_on.user.id, provider=name)
        return await _show(visit, [Problem(visit.language.text(f"provider.{error.text}"))], 503)


async def _register(visit: Visit, form: Mapping[str, str]) -> Response:
    """Keep the passkey that the browser just made for the page."""
    call, user = visit.call, visit.signed_on.user
    refused = await keep_passkey(call.services, call.environment, user, _page(visit), form, call.now)
    if refused is None:
        return await _done(visit, "registered", PASSKEY)
    call.record("passkey refused", refused, user_id=user.id)
    return await _show(visit, [Problem(visit.language.text("factors.passkey_not_added"))], 400)


async def _enrol(visit: Visit, form: Mapping[str, str]) -> Response:
    """Keep the app that the page showed a secret to, if it shows the right code."""
    call, user, sealed = visit.call, visit.signed_on.user, form.get("sealed", "")[:512]
    if await totp.enrol(call.services, user, sealed, form.get("code", "")[:64], call.now):
        call.record("authenticator app added", user_id=user.id)
        return await _done(visit, "enrolled", TOTP)
    problem = Problem(visit.language.text("factors.code_refused"), "code")
    return await _show(visit, [problem], 400, sealed)


async def _draw_codes(visit: Visit, _form: Mapping[str, str]) -> Response:
    """Draw recovery codes in place of all there are, and go to where they are shown.

    For who has an authenticator app.
    """
    call, user = visit.call, visit.signed_on.user
    if not any(each.kind == "totp" for each in await _factors(visit)):
        return await _show(visit, ())
    codes = await recovery_codes.replace_codes(call.services, user, call.now)
    call.record("recovery codes drawn", user_id=user.id)
    response = see_other(f"/{call.environment.id}/my/security?recovery=codes")
    sealed = await seal_once(call.services, _place_of_codes(visit), {"codes": list(codes)})
    cookies_of(call).set_shown(response, sealed, LIFETIME)
    return response


async def _show_codes(visit: Visit) -> Response:
    """Show the recovery codes that were just drawn, this once."""
    cookies, head = cookies_of(visit.call), visit.call.head
    shown = await open_once(visit.call.services, _place_of_codes(visit), cookies.shown(head))
    response = visit.show({"codes": shown and shown["codes"]}, template="recovery_codes.html")
    cookies.set_shown(response, "", 0)
    return response


def _place_of_codes(visit: Visit) -> ShownPlace:
    return ShownPlace(visit.signed_on.session, "security/recovery")


async def _remove(visit: Visit, form: Mapping[str, str]) -> Response:
    """Forget the factor that the form names among the person's own."""
    call, user, store = visit.call, visit.signed_on.user, visit.call.services.store.factors
    found = next((each for each in await _factors(visit) if each.id == form.get("factor")), None)
    if found and found.kind in {"passkey", "totp", "external"} and await store.remove_factor(found):
        if found.kind == "totp":  # recovery codes stand in for the app
            await store.replace_recovery_codes(user, ())
        call.record("factor removed", user_id=user.id, kind=found.kind, factor_id=found.id)
    return visit.done("removed")


async def _show(visit: Visit, problems: Sequence[Problem], status: int = 200, sealed: str = "") -> Response:
    call, user = visit.call, visit.signed_on.user
    mine, party = await _factors(visit), passkeys.relying_party(call.environment)
    kept = [each for each in mine if each.kind == "passkey"]
    app = next((each for each in mine if each.kind == "totp"), None)
    uses_more = uses_factors(call.environment) or bool(mine)
    challenge = await make_challenge(call.services, call.environment.id, _page(visit), call.now)
    seal = await totp.seal_of(call.services, call.environment.id)
    enrolment = totp.describe(user, call.environment.title, seal, sealed) if uses_more and not app else None
    values: dict[str, object] = {
        "has_password": bool(user.password_hash),
        "lengths": call.environment.settings.password_policy,
        "accounts": [_describe(each) for each in mine if each.kind == "external"],
        "providers": call.environment.settings.identity_providers,
        "uses_factors": uses_more,
        "passkeys": [_describe(each) for each in kept],
        "options": dumps(passkeys.creation_options(party, user, kept, challenge)).decode()
        if party.is_possible
        else "",
        "app": _describe(app) if app else None,
        "recovery_left": sum(each.kind == "recovery_code" for each in mine),
        "enrolment": enrolment,
    }
    return visit.show(values, problems, status=status)


async def _done(visit: Visit, notice: str, factor: str) -> Response:
    """Go back to the section, in a session that has the factor which was just proved by setting it up."""
    situation = await _situation(visit)
    return _leave(visit, notice, await add_factor(visit.signed_on, factor, situation, visit.call.services))


def _leave(visit: Visit, notice: str, session: NewSession | None) -> Response:
    """Go back to the section, in that session where there is another."""
    call, response = visit.call, visit.done(notice)
    if session:
        cookies_of(call).set_session(response, session.cookie, call.environment.settings.session_lifetime)
        cookies_of(call).set_known_users(response, session.known_users)
    return response


async def _situation(visit: Visit) -> Situation:
    return await flow.read_situation(visit.call, None, flow.begin(visit.call, None))


async def _factors(visit: Visit) -> tuple[Factor, ...]:
    return await visit.call.services.store.factors.factors_of(
        visit.call.environment.id, visit.signed_on.user.id
    )


def _page(visit: Visit) -> str:
    return f"my {visit.signed_on.session.id}"


def _describe(factor: Factor) -> Mapping[str, str]:
    return {
        "id": factor.id,
        "name": factor.name,
        "since": format_day(factor.created_at),
        "last_used": format_day(factor.last_used_at),
    }


def uses_factors(environment: Environment) -> bool:
    """Return whether a policy of the environment asks for more than a password, or for something else."""
    steps = (step for policy in environment.policies.values() for step in policy.steps)
    return any(step.type in {"PASSKEY", "TOTP"} or step.settings.get("or_passkey") for step in steps)


_ACTIONS: Final[Mapping[str, Callable[[Visit, Mapping[str, str]], Awaitable[Response]]]] = {
    "change-password": _change_password,
    "connect": _connect,
    "register": _register,
    "enrol": _enrol,
    "recovery": _draw_codes,
    "remove": _remove,
}
"""What the section's forms ask for."""
SECURITY = Section("security", "deputize.authority.my.sections", show, submit)
