"""The authorization endpoint (RFC 6749 section 3.1, OpenID Connect Core section 3.1.2)."""

from deputize.authority.endpoint import Endpoint, EndpointCall
from deputize.authority.signon import authorization_response, flow
from deputize.authority.signon.pushed_requests import PREFIX, open_pushed
from deputize.authority.signon.requests import read_request
from deputize.authority.signon.responses import refuse_as_page, see_other
from deputize.http.messages import Response
from deputize.oauth.authorization_request import AuthorizationRefusal, unasked_uri
from deputize.oauth.parameters import encode_parameters


async def authorize(call: EndpointCall) -> Response:
    """Send the browser to the pages that ask for what is missing, or back to the agent when nothing is."""
    parameters = await call.parameters()
    if call.head.method == "POST":
        # A form of another site comes without this site's cookies; the GET it is turned into brings them
        # (SameSite=Lax).
        return see_other(f"{call.head.target.path}?{encode_parameters(parameters)}")
    pushed = None
    if parameters.get("request_uri", "").startswith(PREFIX):
        pushed = await open_pushed(call, parameters)
        parameters = pushed.parameters
    begun = flow.begin(call, parameters, pushed)
    request = await read_request(call, parameters, is_pushed=pushed is not None)
    if isinstance(request, AuthorizationRefusal):
        return authorization_response.refuse(call, request)
    situation = await flow.read_situation(call, request, begun)
    if pushed and (finished := await flow.repeat(call, situation, begun)):
        return finished
    due = flow.due_step(situation)
    if due is None:
        return await flow.finish(call, situation, begun)
    if "none" in request.prompt:
        kind, _ = due
        error = kind.unprompted_error(f"the step {kind.type} is due")
        redirect_uri = unasked_uri(request.client, request.redirect_uri)
        return authorization_response.refuse(call, AuthorizationRefusal(error, redirect_uri, request.state))
    return await flow.start(call, begun)


ENDPOINT = Endpoint(("/{environment}/as/authorize",), ("GET", "POST"), authorize, refuse_as_page)
