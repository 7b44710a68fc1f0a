"""What ties pages to a browser: its cookies, the tokens of its forms, and who signed on in it before."""

from collections.abc import Mapping
from dataclasses import dataclass

from deputize.authority.endpoint import EndpointCall
from deputize.authority.seals import seal
from deputize.authority.services import Services
from deputize.http.exchange import Head
from deputize.http.messages import Response
from deputize.kernel.digests import same

SESSION_FORM = "session"
"""Purpose of forms on pages that belong to a session rather than a flow."""
MAX_KNOWN_USERS = 8
"""Users that one browser is known to; the one who signed on longest ago goes."""
KNOWN_SECONDS = 365 * 86400
"""How long a browser stays known."""


@dataclass(frozen=True, slots=True)
class Cookies:
    """Names and attributes of one environment's cookies.

    Cookies know neither ports nor schemes, so on one host name they come to everybody who listens there (RFC
    6265 section 8.5). Over https all carry the `__Host-` prefix, so that no other host of the domain can set
    them (RFC 6265bis section 4.1.3.2). Over http there is no such prefix; there the path keeps them to the
    environment's own pages, so that an agent's callback on the same host never sees them.
    `oauth.redirect_uris.receives_cookies` refuses the callbacks that would. `SameSite=Lax` sends them when an
    agent's link leads here and withholds them from forms of other sites.
    """

    secure: bool
    """Whether users reach the authority over https."""
    environment_id: str

    def browser(self, head: Head) -> str | None:
        """Return the value that ties flows to this browser, if it has one."""
        return self._read(head, "deputize-browser")

    def set_browser(self, response: Response, value: str) -> None:
        """Give the browser its value; it goes when the browser is closed."""
        self._set(response, "deputize-browser", value, None)

    def session(self, head: Head) -> str | None:
        """Return the value whose digest finds the session of this browser in this environment."""
        return self._read(head, f"deputize-session-{self.environment_id}")

    def set_session(self, response: Response, value: str, lifetime: int) -> None:
        """Give the browser a new session value for `lifetime` seconds."""
        self._set(response, f"deputize-session-{self.environment_id}", value, lifetime)

    def clear_session(self, response: Response) -> None:
        """Take the session value back."""
        self.set_session(response, "", 0)

    def known_users(self, head: Head) -> str:
        """Return the value that says who signed on in this browser before; empty without one."""
        return self._read(head, f"deputize-known-{self.environment_id}") or ""

    def set_known_users(self, response: Response, value: str) -> None:
        """Give the browser the next such value."""
        self._set(response, f"deputize-known-{self.environment_id}", value, KNOWN_SECONDS)

    def trip(self, head: Head) -> str:
        """Return what the browser keeps while its user is at an identity provider; empty without one."""
        return self._read(head, f"deputize-trip-{self.environment_id}") or ""

    def set_trip(self, response: Response, value: str, lifetime: int) -> None:
        """Give the browser what it keeps until its user is back; an empty value takes it."""
        self._set(response, f"deputize-trip-{self.environment_id}", value, lifetime)

    def shown(self, head: Head) -> str:
        """Return what the next page shows once; see `authority.shown_once`. Empty without it."""
        return self._read(head, f"deputize-shown-{self.environment_id}") or ""

    def set_shown(self, response: Response, value: str, lifetime: int) -> None:
        """Give the browser what the next page shows once; an empty value takes it."""
        self._set(response, f"deputize-shown-{self.environment_id}", value, lifetime)

    def _name(self, name: str) -> str:
        return f"__Host-{name}" if self.secure else name

    def _read(self, head: Head, name: str) -> str | None:
        """Return the first value of that name.

        It is the one of the longest path (RFC 6265 section 5.4), so not one a neighbour set for `/`.
        """
        for header in head.headers.get_all("cookie"):
            for pair in header.split(";"):
                found, _, value = pair.strip().partition("=")
                if found == self._name(name) and value:
                    return value
        return None

    def _set(self, response: Response, name: str, value: str, lifetime: int | None) -> None:
        attributes = "HttpOnly; SameSite=lax; " + (
            "Path=/; Secure" if self.secure else f"Path=/{self.environment_id}/"
        )
        if lifetime is not None:
            attributes += f"; Max-Age={lifetime}"
        response.headers.add("Set-Cookie", f"{self._name(name)}={value}; {attributes}")


def cookies_of(call: EndpointCall) -> Cookies:
    """Return those of the environment that is called."""
    return Cookies(call.services.secure, call.environment.id)


async def csrf_token(call: EndpointCall, cookie: str, purpose: str) -> str:
    """Compute what a page's form carries as proof that this server showed the page to this browser.

    It is bound to the browser's cookie, and sealed, so that not even who has the cookie can make it.
    `purpose` keeps a value from working on another page; nothing has to be stored.
    """
    return await seal(call.services.store.server_keys, call.environment.id, "form", cookie, purpose)


async def is_own_form(call: EndpointCall, form: Mapping[str, str], cookie: str, purpose: str) -> bool:
    """Return whether a form carries the right token and, where the browser says so, comes from this origin.

    Without a cookie there is no browser that the page was shown to: then it is not.
    """
    return (
        bool(cookie)
        and call.head.headers.get("sec-fetch-site") in {None, "same-origin", "none"}
        and same(form.get("csrf", ""), await csrf_token(call, cookie, purpose))
    )


async def browser_known_as(
    services: Services, environment_id: str, known_users: str, user_id: str
) -> str | None:
    """Return the id under which the user signed on before in a browser with that cookie, or `None`.

    Others who guess the user's password elsewhere do not make such a browser wait. The cookie has an entry a
    user: a random id, and a seal over it and the user that only this environment's servers can make. It
    signs nobody on, and says nothing about which users they are.
    """
    for entry in _known_entries(known_users):
        browser_id, _, sealed = entry.partition(".")
        if same(sealed, await _seal_known(services, environment_id, user_id, browser_id)):
            return browser_id
    return None


async def remember_user(services: Services, environment_id: str, known_users: str, user_id: str) -> str:
    """Compute the cookie's next value, now that the user signed on in that browser."""
    browser_id = await browser_known_as(services, environment_id, known_users, user_id) or services.new_id()
    entry = f"{browser_id}.{await _seal_known(services, environment_id, user_id, browser_id)}"
    others = (other for other in _known_entries(known_users) if other != entry)
    return ":".join([entry, *others][:MAX_KNOWN_USERS])


def _known_entries(known_users: str) -> list[str]:
    return [entry for entry in known_users.split(":")[:MAX_KNOWN_USERS] if entry]


async def _seal_known(services: Services, environment_id: str, user_id: str, browser_id: str) -> str:
    return await seal(services.store.server_keys, environment_id, "known browser", user_id, browser_id)
