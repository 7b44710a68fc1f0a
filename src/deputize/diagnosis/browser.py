"""The browser of a user who signs on without one: keeps cookies, follows redirects, fills in the forms."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final
from urllib.parse import urlencode, urljoin

from deputize.diagnosis.web import NoAnswer, ReadAnswer, Web
from deputize.http.messages import Field
from deputize.kernel.uris import UriError, parse_origin

MAX_PAGES: Final = 12
MAX_COOKIES: Final = 16


@dataclass(slots=True)
class Form:
    """A form of a page: where it is sent, and what it sends."""

    action: str = ""
    fields: dict[str, str] = field(default_factory=dict[str, str])
    buttons: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    @property
    def step(self) -> str:
        """The type of the sign-on step that it is of; empty where it is of none."""
        return self.fields.get("step", "")


@dataclass(slots=True)
class PageSeen:
    """What a browser has come to: a page, or an address outside of the authority."""

    url: str
    answer: ReadAnswer
    leaves_for: str = ""
    """Where the authority sent the browser, which was not followed."""
    forms: list[Form] = field(default_factory=list[Form])
    text: str = ""
    """The words of the page, for errors."""

    @property
    def form(self) -> Form | None:
        """The form of the sign-on step, else the only one with fields of ours."""
        named = (each for each in self.forms if each.step)
        return next(named, None) or next((each for each in self.forms if "csrf" in each.fields), None)


class Browser:
    """Goes nowhere but to the authority's own origin."""

    def __init__(self, web: Web, origin: str) -> None:
        """Send what is typed, and cookies, to `origin` only."""
        self._web = web
        self._origin = parse_origin(origin)
        self._cookies: dict[str, str] = {}

    @property
    def has_session(self) -> bool:
        """Whether the authority gave it any cookie."""
        return bool(self._cookies)

    async def open(self, url: str) -> PageSeen:
        """Open `url`, and follow redirects within the authority. Raises as `Web.ask` does."""
        return await self._go("GET", url, b"")

    async def submit(self, page: PageSeen, values: Mapping[str, str], button: str) -> PageSeen:
        """Fill `values` into the page's form, press the button whose value is `button`, and follow."""
        form = page.form or Form()
        pressed = next(((name, value) for name, value in form.buttons if value == button), None)
        sent = {**form.fields, **values, **(dict([pressed]) if pressed else {})}
        return await self._go("POST", urljoin(page.url, form.action), urlencode(sent).encode())

    async def _go(self, method: str, url: str, body: bytes) -> PageSeen:
        if not self._is_own(url):
            raise NoAnswer("a form of the page leads to another site")
        for _ in range(MAX_PAGES):
            fields: list[Field] = [(b"Accept", b"text/html")]
            if self._cookies:
                pairs = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
                fields.append((b"Cookie", pairs.encode("latin-1")))
            if method == "POST":
                fields += [
                    (b"Content-Type", b"application/x-www-form-urlencoded"),
                    (b"Origin", str(self._origin).encode()),
                ]
            answer = await self._web.ask(method, url, fields, body)
            self._keep(answer)
            location = answer.headers.get("location") if 300 <= answer.status < 400 else None
            if location is None:
                return _read(url, answer)
            target = urljoin(url, location)
            if not self._is_own(target):
                return PageSeen(url, answer, leaves_for=target)
            method, url, body = "GET", target, b""
        raise NoAnswer("the authority's pages lead in a circle")

    def _is_own(self, url: str) -> bool:
        try:
            return parse_origin(url) == self._origin
        except UriError:
            return False

    def _keep(self, answer: ReadAnswer) -> None:
        for value in answer.headers.get_all("set-cookie"):
            pair, _, attributes = value.partition(";")
            name, _, content = pair.strip().partition("=")
            ends = "max-age=0" in attributes.lower().replace(" ", "")
            if ends or not content:
                self._cookies.pop(name, None)
            elif len(self._cookies) < MAX_COOKIES:
                self._cookies[name] = content


def _read(url: str, answer: ReadAnswer) -> PageSeen:
    reader = _Reader()
    reader.feed(answer.content.decode("utf-8", "replace"))
    return PageSeen(url, answer, forms=reader.forms, text=" ".join(reader.words))


class _Reader(HTMLParser):
    """Finds forms and words."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(values.get("action", "")))
        elif self.forms and "name" in values and tag in {"input", "button"}:
            named = values["name"], values.get("value", "")
            if values.get("type", "submit" if tag == "button" else "text") == "submit":
                self.forms[-1].buttons.append(named)
            else:
                self.forms[-1].fields[named[0]] = named[1]

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.words.append(data.strip())
