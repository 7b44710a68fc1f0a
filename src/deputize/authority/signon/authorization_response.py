"""What goes back to the agent through the user's browser (RFC 6749 section 4.1.2, RFC 9207)."""

from copy import copy

from deputize.authority.endpoint import EndpointCall, log_refusal, public_text
from deputize.authority.signon.disclosure import agent_title
from deputize.authority.signon.pages import Page
from deputize.authority.signon.requests import settle
from deputize.authority.signon.responses import (
    language_of,
    languages_of,
    leave,
    refuse_as_page,
    show,
    show_dead_end,
)
from deputize.authority.signon.step import SignedOn
from deputize.http.messages import Response
from deputize.kernel.digests import digest
from deputize.oauth.authorization_request import (
    AuthorizationRefusal,
    AuthorizationRequest,
    code_response,
    error_response,
)
from deputize.oauth.consents import is_in_force
from deputize.oauth.factors import authentication_of
from deputize.oauth.records.store import AuthorizationCode, Grant, Session
from deputize.oauth.resources import REFRESH_TOKEN


async def grant_code(
    call: EndpointCall, request: AuthorizationRequest, signed_on: SignedOn, code: str
) -> Response:
    """Store a grant with `code`, and send the browser back with that.

    The grant holds everything that what the agent gets rests on, by identity and as it was read, so that
    whatever of it ended since is not revived. If the code was issued before, it keeps its first grant.
    """
    session, agreements = signed_on.session, call.environment.agreements
    client = await settle(call, request.client)
    lifetimes = call.services.lifetimes
    refreshable = REFRESH_TOKEN in client.grant_types
    target, signed_on_for = request.target, request.target.signed_on_for
    grant = Grant(
        id=call.services.new_id(),
        environment_id=call.environment.id,
        client_id=client.id,
        client_term=client.term,
        user_term=signed_on.user.term,
        policy_term=request.policy.term,
        resource_term=signed_on_for.resource.term,
        authentication=authentication_of(session, request.policy),
        resource_id=signed_on_for.resource.id or None,
        scopes=signed_on_for.requested,
        consents={
            consent.agreement_id: consent.id
            for consent in signed_on.consents_for(client.id)
            if consent.agreement_id in agreements
            and is_in_force(consent, agreements[consent.agreement_id], call.now)
        },
        created_at=call.now,
        expires_at=call.now
        + (client.settings.refresh_token_rolling_lifetime if refreshable else lifetimes.code_lifetime),
        delegated_resource_id=target.resource.id if target.subject else None,
        delegated_scopes=target.scopes if target.subject else (),
        withdrawn=signed_on.user.withdrawn,
    )
    stored = AuthorizationCode(
        digest=digest(code),
        grant_id=grant.id,
        redirect_uri=request.redirect_uri,
        code_challenge=request.code_challenge,
        nonce=request.nonce,
        expires_at=call.now + lifetimes.code_lifetime,
        dpop_jkt=request.dpop_jkt,
    )
    if not await call.services.store.codes.add_code(stored, grant):
        repeated = await repeat(call, request, code, session)
        return repeated or show_dead_end(call, "error.expired")
    call.record(
        "authorization granted",
        client_id=client.id,
        user_id=signed_on.user.id,
        session_id=session.id,
        policy=request.policy.name,
        resource=target.resource.audience,
        scopes=list(target.requested),
        grant_id=grant.id,
    )
    return send_code(call, request, code)


async def repeat(
    call: EndpointCall, request: AuthorizationRequest, code: str, session: Session | None
) -> Response | None:
    """Answer a flow that already yielded its code; `None` if it did not yet.

    With the same code while the agent has not redeemed it, for the answer may have got lost, and only to the
    browser's session that it was issued in: a pushed request may be tried in several. After that with a page
    for people: redeeming a code twice ends what came from it.
    """
    issued = await call.services.store.codes.find_code(digest(code))
    if issued is None:
        return None
    if issued.redeemed_at is None and call.now < issued.expires_at:
        states, environment_id = call.services.store.token_states, call.environment.id
        state = await states.read_token_state(environment_id, issued.grant_id, ())
        if session and state.grant and state.grant.authentication.session_id == session.id:
            return send_code(call, request, code)
    values = {"agent_name": agent_title(request.client, languages_of(call))}
    return show(call, Page("finished.html", values), language_of(call))


def send_code(call: EndpointCall, request: AuthorizationRequest, code: str) -> Response:
    """Send the browser back with `code`."""
    location = code_response(request.redirect_uri, call.environment.issuer, code, request.state)
    return leave_flow(call, location)


def refuse(call: EndpointCall, refusal: AuthorizationRefusal) -> Response:
    """Send the browser back with the error, or show it where nothing says that the address is the agent's."""
    error = copy(refusal.error)
    error.description = public_text(error, call.correlation_id)
    location = error_response(
        AuthorizationRefusal(error, refusal.redirect_uri, refusal.state), call.environment.issuer
    )
    if location is None:
        return refuse_as_page(call, refusal.error)
    log_refusal(call, refusal.error)
    return leave_flow(call, location)


def leave_flow(call: EndpointCall, location: str) -> Response:
    """Send the browser to the agent, from a flow's page or from the authorization endpoint.

    Pages are left by their forms. At the authorization endpoint nobody submitted one, and what is asked for
    in a frame must be a redirect.
    """
    return leave(call, location, after_form=bool(call.tail))
