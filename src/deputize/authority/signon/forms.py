"""Proof that a form comes from a page this server showed to this browser."""

from collections.abc import Mapping

from deputize.authority.endpoint import EndpointCall
from deputize.authority.signon.seals import seal
from deputize.kernel.digests import same

SESSION = "session"
"""Purpose of forms on pages that belong to a session rather than a flow."""
_OWN_SITES = frozenset({"same-origin", "none"})


async def csrf_token(call: EndpointCall, cookie: str, purpose: str) -> str:
    """What a page's form carries.

    Bound to the browser's cookie, and sealed, so that not even who has the cookie can make it.

    `purpose` keeps a value from working on another page; nothing has to be stored.
    """
    return await seal(call.services, call.environment.id, "form", cookie, purpose)


async def is_own_form(call: EndpointCall, form: Mapping[str, str], cookie: str, purpose: str) -> bool:
    """Whether the submitted form carries the right token and, where the browser says so, comes from this
    origin.

    Without a cookie there is no browser that the page was shown to: then it is not.
    """
    site = call.request.headers.get("sec-fetch-site", "same-origin")
    return (
        bool(cookie)
        and site in _OWN_SITES
        and same(form.get("csrf", ""), await csrf_token(call, cookie, purpose))
    )
