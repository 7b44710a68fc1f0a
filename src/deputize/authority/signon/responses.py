"""What the browser is answered with: pages, error pages, and the way to somebody else's site."""

from collections.abc import Sequence
from urllib.parse import quote, urlsplit

from deputize.authority.branding import brand_of
from deputize.authority.endpoint import EndpointCall, log_refusal
from deputize.authority.signon.pages import Language, Page, choose_language, render
from deputize.http.messages import Headers, Response
from deputize.kernel.uris import UriError, parse_origin
from deputize.oauth.consents import parse_accept_language
from deputize.oauth.errors import OAuthError
from deputize.oauth.records.store import User


def languages_of(call: EndpointCall, user: User | None = None) -> tuple[str, ...]:
    """Return the language tags in which who calls reads, the most wanted first."""
    preferred = (user.preferred_language,) if user and user.preferred_language else ()
    browser = parse_accept_language(call.head.headers.get("accept-language"))
    return (*preferred, *browser, call.environment.settings.default_language)


def language_of(call: EndpointCall, user: User | None = None) -> Language:
    """Choose the language to show pages in."""
    return choose_language(languages_of(call, user))


def show(call: EndpointCall, page: Page, language: Language, form_sources: Sequence[str] = ()) -> Response:
    """Show the page as the environment's pages look; `form_sources` as `pages.render` takes them."""
    return render(page, language, brand_of(call.environment), form_sources)


def refuse_as_page(call: EndpointCall, error: OAuthError) -> Response:
    """Show an error that must not be sent to the agent.

    The page says in the user's words that they cannot go on and what to do, and in the protocol's words why,
    for them to pass on.
    """
    log_refusal(call, error)
    language = language_of(call)
    values = {
        "reason": language.text("error.misconfigured" if error.status == 500 else "error.refused"),
        "detail": error.description,
        "advice": "error.advice",
        "correlation_id": call.correlation_id,
    }
    return show(call, Page("error.html", values, status=error.status), language)


def show_dead_end(call: EndpointCall, text: str, status: int = 400) -> Response:
    """Show what went wrong between the user and this server.

    `text` names the explanation among the texts.
    """
    language = language_of(call)
    values = {
        "reason": language.text(text),
        "detail": "",
        "advice": "error.advice_expired",
        "correlation_id": call.correlation_id,
    }
    return show(call, Page("error.html", values, status=status), language)


def see_other(location: str) -> Response:
    """Send the browser to a path of ours, or to a URI (RFC 9110 section 15.4.4)."""
    response = Response(303, Headers([(b"Cache-Control", b"no-store")]))
    # What cannot stand in a field is encoded, and nothing that is encoded already.
    response.headers.add("Location", quote(location, safe=":/%#?=@[]!$&'()*+,;"))
    return response


# Chromium holds every redirect after a form submission to the page's CSP `form-action`: ours to the agent,
# and also those by which the agent sends its user on, to wherever that is. Naming the agent's origin would
# stop users at agents that do; naming whole schemes would let forms lead anywhere. So a browser's submission
# ends at a page of ours, which takes the user on by itself: a navigation of its own that `form-action` does
# not apply to. Programs that play a browser, and addresses no page can open, get the plain redirect.


def leave(call: EndpointCall, location: str, *, after_form: bool) -> Response:
    """Send the user to `location`; `after_form` says whether a form's submission led here.

    Redirects have status 303, so that a browser never repeats a form with a password there (RFC 9700 section
    4.12).
    """
    if after_form and _leaves_by_page(call, location):
        return show(call, Page("leaving.html", {"location": location}), language_of(call))
    response = see_other(location)
    response.headers.add("Referrer-Policy", "no-referrer")
    return response


def form_sources(call: EndpointCall, destination: str) -> tuple[str, ...]:
    """Return the CSP sources, one or none, that a form leading to `destination` needs besides `'self'`."""
    if _leaves_by_page(call, destination):
        return ()
    try:
        origin = parse_origin(destination)
    except UriError:
        return (f"{urlsplit(destination).scheme}:",)
    return (f"{origin.scheme}:" if ":" in origin.host else str(origin),)  # CSP cannot name IPv6 addresses


def _leaves_by_page(call: EndpointCall, destination: str) -> bool:
    """Return whether a browser navigates (W3C Fetch Metadata), to where a page can take it by itself."""
    return call.head.headers.get("sec-fetch-mode") == "navigate" and urlsplit(destination).scheme in {
        "http",
        "https",
    }
