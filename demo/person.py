"""The user, whose browser is only HTTP: follows the authority's pages and fills in their forms."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin

import httpx2

from demo.stage import REQUEST_SECONDS, TRUST

MAX_PAGES = 12


@dataclass
class Form:
    """An HTML form: where it is sent, and what it sends if nobody types anything."""

    action: str = ""
    method: str = "get"
    fields: dict[str, str] = field(default_factory=dict[str, str])
    buttons: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def has(self, button: str) -> bool:
        """Whether one of its buttons or fields has that name.

        Every form has the name "".
        """
        return not button or button in self.fields or button in dict(self.buttons)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(values.get("action", ""), values.get("method", "get").lower()))
        elif self.forms and "name" in values and tag in {"input", "button"}:
            name, value = values["name"], values.get("value", "")
            if values.get("type", "submit" if tag == "button" else "text") == "submit":
                self.forms[-1].buttons.append((name, value))
            else:
                self.forms[-1].fields[name] = value


class Person:
    """A user with one browser: cookies last as long as this object."""

    def __init__(self, username: str, password: str) -> None:
        self.username = username
        self.password = password
        self.pages: list[str] = []
        """The heading of every page since the last visit began."""
        self._cookies = httpx2.Cookies()

    def visit(self, url: str, stop_at: str) -> str:
        """Follow `url` through sign-on and consent until the address begins with `stop_at`.

        Returns that address without fetching it.
        """
        self.pages = []
        answer = self._send("GET", url)
        for _ in range(MAX_PAGES):
            location = answer.headers.get("location")
            if location is None:
                answer = self._submit(answer)
                continue
            url = urljoin(str(answer.url), location)
            if url.startswith(stop_at):
                return url
            answer = self._send("GET", url)
        raise RuntimeError(f"the pages did not lead back to the agent: {self.pages}")

    def open(self, url: str) -> httpx2.Response:
        """Open a page and return it."""
        return self._send("GET", url)

    def press(self, url: str, button: str = "") -> httpx2.Response:
        """Open a page, submit its form (the one with that button) and return the page that follows."""
        page = self._send("GET", url)
        return self._submit(page, button)

    def _send(self, method: str, url: str, data: dict[str, str] | None = None) -> httpx2.Response:
        with httpx2.Client(cookies=self._cookies, timeout=REQUEST_SECONDS, verify=TRUST) as browser:
            answer = browser.request(method, url, data=data)
            self._cookies = browser.cookies
            return answer

    def _submit(self, page: httpx2.Response, button: str = "") -> httpx2.Response:
        forms, heading = _Forms(), _Heading()
        forms.feed(page.text)
        heading.feed(page.text)
        self.pages.append(heading.text)
        form = next((form for form in forms.forms if form.method == "post" and form.has(button)), None)
        if page.status_code != 200 or form is None:
            raise RuntimeError(
                f"{page.url} answered {page.status_code} {self.pages[-1]!r} without a form to fill in"
            )
        data = {**form.fields, **dict(form.buttons[:1])}
        data |= {
            name: value
            for name, value in (("username", self.username), ("password", self.password))
            if name in form.fields
        }
        return self._send("POST", urljoin(str(page.url), form.action), data)


class _Heading(HTMLParser):
    text = ""
    _inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - HTMLParser's signature
        self._inside = self._inside or (tag == "h1" and not self.text)

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "h1"

    def handle_data(self, data: str) -> None:
        self.text += data.strip() if self._inside else ""
