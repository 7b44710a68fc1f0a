"""The person in front of the browser: the language they read, and pages shown to them."""

from collections.abc import Sequence

from starlette.responses import Response

from deputize.authority.endpoint import EndpointCall, log_refusal
from deputize.authority.signon.languages import Language, choose_language
from deputize.authority.signon.pages import Page, render
from deputize.oauth.consents import parse_accept_language
from deputize.oauth.errors import OAuthError
from deputize.oauth.records.store import User


def language_of(call: EndpointCall, user: User | None = None) -> Language:
    """The language to show pages in."""
    browser = parse_accept_language(call.request.headers.get("accept-language"))
    return choose_language(
        user.preferred_language if user else None, browser, call.environment.default_language
    )


def show(call: EndpointCall, page: Page, language: Language, form_sources: Sequence[str] = ()) -> Response:
    """The page, under the environment's name."""
    return render(page, language, call.environment.name, form_sources)


def refuse_as_page(call: EndpointCall, error: OAuthError) -> Response:
    """An error that must not be sent to the agent: the page says what is wrong with the request."""
    log_refusal(call, error)
    values = {"reason": error.description, "advice": "error.advice", "correlation_id": call.correlation_id}
    return show(call, Page("error.html", values, status=error.status), language_of(call))


def dead_end(call: EndpointCall, text: str, status: int = 400) -> Response:
    """A page for what went wrong between the user and this server.

    `text` names the explanation in the catalogue.
    """
    language = language_of(call)
    values = {
        "reason": language.text(text),
        "advice": "error.advice_expired",
        "correlation_id": call.correlation_id,
    }
    return show(call, Page("error.html", values, status=status), language)
