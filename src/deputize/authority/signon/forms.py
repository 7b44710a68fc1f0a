"""Proof that a form comes from a page this server showed to this browser."""

import hashlib
import hmac
from collections.abc import Mapping

from starlette.requests import Request

from deputize.kernel.digests import same

SESSION = "session"
"""Purpose of forms on pages that belong to a session rather than a flow."""
_OWN_SITES = frozenset({"same-origin", "none"})


def csrf_token(cookie: str, purpose: str) -> str:
    """What a page's form carries: derived from the browser's own cookie, so that no other site can know it.

    `purpose` keeps a value from working on another page; nothing has to be stored.
    """
    return hmac.new(cookie.encode(), f"csrf {purpose}".encode(), hashlib.sha256).hexdigest()


def is_own_form(request: Request, form: Mapping[str, str], cookie: str, purpose: str) -> bool:
    """Whether the submitted form carries the right token and, where the browser says so, comes from this origin.

    Without a cookie there is nothing that other sites could not know: then it is not.
    """
    site = request.headers.get("sec-fetch-site", "same-origin")
    return bool(cookie) and site in _OWN_SITES and same(form.get("csrf", ""), csrf_token(cookie, purpose))
