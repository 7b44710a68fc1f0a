"""Where identity providers send browsers back to (OpenID Connect Core section 3.1.2.5)."""

from deputize.authority.endpoint import Endpoint, EndpointCall
from deputize.authority.endpoints.signon import answer, read_stand
from deputize.authority.signon import flow, providers
from deputize.authority.signon.browser import cookies_of
from deputize.authority.signon.providers import ProviderFailed
from deputize.authority.signon.responses import refuse_as_page, see_other, show_dead_end
from deputize.authority.signon.step import Done
from deputize.authority.signon.trips import Trip, find_trip
from deputize.http.messages import Response
from deputize.kernel.digests import same
from deputize.oauth.records.settings import IdentityProvider
from deputize.oauth.relying_party import find_provider


async def come_back(call: EndpointCall) -> Response:
    """Go on with what this browser set out for, if it is on a trip to the provider that the path names."""
    parameters, trip = call.query(), await find_trip(call)
    if trip is None or trip.provider != call.tail or not same(parameters.get("state", ""), trip.state):
        return show_dead_end(call, "error.expired")
    provider = find_provider(call.environment, trip.provider)
    if provider.issuer != trip.issuer:
        return show_dead_end(call, "error.expired")
    response = await (connect if trip.session_id else sign_on)(call, trip, provider)
    cookies_of(call).set_trip(response, "", 0)
    return response


async def sign_on(call: EndpointCall, trip: Trip, provider: IdentityProvider) -> Response:
    """Sign the user on in the flow, as if its page had asked for a password; on failure it says why."""
    found = await flow.find(call, trip.flow, trip.query)
    if found is None:
        return show_dead_end(call, "error.expired")
    stand = await read_stand(call, found)
    if isinstance(stand, Response):
        return stand
    if stand.due is None or provider.name not in stand.due[0].providers(stand.due[1]):
        return await flow.proceed(call, found)  # another tab was faster
    try:
        account = await providers.find_account(call, provider, trip, call.query())
        done = await providers.sign_on_as(account, provider, stand.situation, call.services)
    except ProviderFailed as error:
        providers.refuse(stand.situation, call.services, provider.name, error)
        return await flow.proceed(call, found, Done(note=f"{flow.PROVIDER_NOTE}{error.text}"))
    return await answer(call, found, stand, done)


async def connect(call: EndpointCall, trip: Trip, provider: IdentityProvider) -> Response:
    """Remember that the account is that of the user whose session set out to connect one."""
    signed_on = await flow.visitor(call)
    section = f"/{call.environment.id}/my/security"
    if signed_on is None or signed_on.session.id != trip.session_id:
        return show_dead_end(call, "error.expired")
    try:
        account = await providers.find_account(call, provider, trip, call.query())
        await providers.connect(call.services, signed_on.user, provider, account.subject, call.now)
    except ProviderFailed as error:
        call.record("account not connected", str(error), user_id=signed_on.user.id, provider=provider.name)
        return see_other(f"{section}?done=not_connected")
    call.record("account connected", user_id=signed_on.user.id, provider=provider.name)
    return see_other(f"{section}?done=connected")


ENDPOINT = Endpoint(
    ("/{environment}/as/callback/",),
    ("GET",),
    come_back,
    refuse_as_page,
    is_offered=lambda environment: bool(environment.settings.identity_providers),
)
