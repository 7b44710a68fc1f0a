"""The way into the console: administrators sign on to their environment, and go on to what they wanted."""

import re

from deputize.authority.console.session import CONSOLE_PATH
from deputize.authority.directory.objects import ADMINISTRATORS
from deputize.authority.endpoint import Endpoint, EndpointCall
from deputize.authority.signon import flow
from deputize.authority.signon.responses import refuse_as_page
from deputize.http.messages import Response

_PAGE = re.compile(rf"{CONSOLE_PATH}(?:/[A-Za-z0-9._~-]+)*(?:\?[A-Za-z0-9._~%&=+-]*)?")


async def enter(call: EndpointCall) -> Response:
    """Hand the browser's session over to the console, after whatever signing on still takes.

    `to` is the page of the console that was asked for; another place is not gone to.
    """
    wanted = call.query().get("to", "")
    page = wanted if _PAGE.fullmatch(wanted) and "/." not in wanted else CONSOLE_PATH
    begun = flow.begin(call, None, console_page=page)
    situation = await flow.read_situation(call, None, begun)
    if flow.due_step(situation) is None:
        return await flow.finish(call, situation, begun)
    return await flow.start(call, begun)


ENDPOINT = Endpoint(
    ("/{environment}/console",),
    ("GET",),
    enter,
    refuse_as_page,
    is_offered=lambda environment: environment.name == ADMINISTRATORS,
)
