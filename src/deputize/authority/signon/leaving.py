"""The way from our pages to somebody else's, past what browsers hold against it.

Chromium holds every redirect after a form submission to the page's CSP `form-action`: ours to the agent, and
also those by which the agent sends its user on, to wherever that is. Naming the agent's origin would stop
users at agents that do; naming whole schemes would let forms lead anywhere. So a browser's submission ends at
a page of ours, which takes the user on by itself: a navigation of its own that `form-action` does not apply
to. Programs that play a browser, and addresses no page can open, get the plain redirect.
"""

from urllib.parse import urlsplit

from starlette.responses import RedirectResponse, Response

from deputize.authority.endpoint import EndpointCall
from deputize.authority.signon.pages import Page
from deputize.authority.signon.reader import language_of, show
from deputize.kernel.uris import UriError, parse_origin


def leave(call: EndpointCall, location: str, *, after_form: bool) -> Response:
    """Send the user to `location`; `after_form` says whether a form's submission led here.

    Redirects have status 303, so that a browser never repeats a form with a password there (RFC 9700 section
    4.12).
    """
    if after_form and _ends_submissions(call, location):
        return show(call, Page("leaving.html", {"location": location}), language_of(call))
    return RedirectResponse(location, 303, {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})


def form_sources(call: EndpointCall, destination: str) -> tuple[str, ...]:
    """The CSP sources, besides our own origin, that a form has to name which leads to `destination`.

    One or none.
    """
    if _ends_submissions(call, destination):
        return ()
    try:
        origin = parse_origin(destination)
    except UriError:
        return (f"{urlsplit(destination).scheme}:",)
    return (f"{origin.scheme}:" if ":" in origin.host else str(origin),)  # CSP cannot name IPv6 addresses


def _ends_submissions(call: EndpointCall, destination: str) -> bool:
    """Whether it is a browser that navigates (W3C Fetch Metadata), to where pages can take it without being
    asked to.
    """
    return call.request.headers.get("sec-fetch-mode") == "navigate" and urlsplit(destination).scheme in {
        "http",
        "https",
    }
