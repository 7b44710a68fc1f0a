"""The two cookies of a browser: one that ties sign-on pages to it, one that stands for its session."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

_PREFIX = "__Host-"


@dataclass(frozen=True, slots=True)
class Cookies:
    """Names and attributes of the cookies, which depend on whether users reach the authority over https.

    Over https both carry the `__Host-` prefix, so that no other host of the domain can set them (RFC 6265bis section 4.1.3.2).
    `SameSite=Lax` sends them when an agent's link leads here and withholds them from forms of other sites.
    """

    secure: bool

    def browser(self, request: Request) -> str | None:
        """The value that ties flows to this browser, if it has one."""
        return request.cookies.get(self._name("deputize-browser"))

    def set_browser(self, response: Response, value: str) -> None:
        """Give the browser its value; it goes when the browser is closed."""
        self._set(response, self._name("deputize-browser"), value, None)

    def session(self, request: Request, environment_id: str) -> str | None:
        """The value whose digest finds the session of this browser in that environment."""
        return request.cookies.get(self._session_name(environment_id))

    def set_session(self, response: Response, environment_id: str, value: str, lifetime: int) -> None:
        """Give the browser a new session value for `lifetime` seconds."""
        self._set(response, self._session_name(environment_id), value, lifetime)

    def clear_session(self, response: Response, environment_id: str) -> None:
        """Take the session value back."""
        self._set(response, self._session_name(environment_id), "", 0)

    def _session_name(self, environment_id: str) -> str:
        return self._name(f"deputize-session-{environment_id}")

    def _name(self, name: str) -> str:
        return f"{_PREFIX}{name}" if self.secure else name

    def _set(self, response: Response, name: str, value: str, lifetime: int | None) -> None:
        response.set_cookie(name, value, max_age=lifetime, path="/", secure=self.secure, httponly=True, samesite="lax")
