"""The cookies of a browser.

One ties sign-on pages to it, one stands for its session, one for having signed on here before.
"""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from deputize.authority.endpoint import EndpointCall

_PREFIX = "__Host-"


@dataclass(frozen=True, slots=True)
class Cookies:
    """Names and attributes of one environment's cookies, which depend on whether users reach the authority
    over https.

    Cookies know neither ports nor schemes, so on one host name they come to everybody who listens there (RFC
    6265 section 8.5). Over https all carry the `__Host-` prefix, so that no other host of the domain can set
    them (RFC 6265bis section 4.1.3.2). The prefix is not to be had over http; there the path keeps them to
    the environment's own pages, so that an agent's callback on the same host never sees them.
    `oauth.redirect_uris.receives_cookies` refuses the callbacks that would. `SameSite=Lax` sends them when an
    agent's link leads here and withholds them from forms of other sites.
    """

    secure: bool
    environment_id: str

    def browser(self, request: Request) -> str | None:
        """The value that ties flows to this browser, if it has one."""
        return self._read(request, "deputize-browser")

    def set_browser(self, response: Response, value: str) -> None:
        """Give the browser its value; it goes when the browser is closed."""
        self._set(response, "deputize-browser", value, None)

    def session(self, request: Request) -> str | None:
        """The value whose digest finds the session of this browser in this environment."""
        return self._read(request, self._session_name)

    def set_session(self, response: Response, value: str, lifetime: int) -> None:
        """Give the browser a new session value for `lifetime` seconds."""
        self._set(response, self._session_name, value, lifetime)

    def clear_session(self, response: Response) -> None:
        """Take the session value back."""
        self._set(response, self._session_name, "", 0)

    def known_browsers(self, request: Request) -> str:
        """The value by which `known_browsers` recognises this browser; empty without one."""
        return self._read(request, self._known_name) or ""

    def set_known_browsers(self, response: Response, value: str, lifetime: int) -> None:
        """Give the browser its next value for `lifetime` seconds."""
        self._set(response, self._known_name, value, lifetime)

    @property
    def _known_name(self) -> str:
        return f"deputize-known-{self.environment_id}"

    @property
    def _session_name(self) -> str:
        return f"deputize-session-{self.environment_id}"

    def _name(self, name: str) -> str:
        return f"{_PREFIX}{name}" if self.secure else name

    def _read(self, request: Request, name: str) -> str | None:
        """The first value of that name.

        The one of the longest path (RFC 6265 section 5.4), so not one a neighbour set for `/`.
        """
        for header in request.headers.getlist("cookie"):
            for pair in header.split(";"):
                found, _, value = pair.strip().partition("=")
                if found == self._name(name) and value:
                    return value
        return None

    def _set(self, response: Response, name: str, value: str, lifetime: int | None) -> None:
        path = "/" if self.secure else f"/{self.environment_id}/"
        response.set_cookie(
            self._name(name),
            value,
            max_age=lifetime,
            path=path,
            secure=self.secure,
            httponly=True,
            samesite="lax",
        )


def cookies_of(call: EndpointCall) -> Cookies:
    """Those of the environment that is called."""
    return Cookies(call.services.secure, call.environment.id)
