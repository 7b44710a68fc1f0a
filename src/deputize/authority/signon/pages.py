"""Pages: their templates and words, the files they load, and the headers that restrict what they may do."""

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

from jinja2 import Environment as Templates
from jinja2 import FunctionLoader, StrictUndefined, TemplateError

from deputize.authority.branding import Brand
from deputize.http.messages import Body, Headers, Response

LOCALES = ("en", "de", "fr", "es", "ja")
ASSETS = {
    "signon.css": "text/css; charset=utf-8",
    "logo.svg": "image/svg+xml",
    "passkeys.js": "text/javascript; charset=utf-8",
}
"""The files that pages load, with their media types."""
ASSETS_PATH = "/assets"
_FOLDER = files("deputize.authority.signon")
_OF_PAGES = (
    (b"Content-Type", b"text/html; charset=utf-8"),
    (b"X-Frame-Options", b"DENY"),
    (b"Referrer-Policy", b"no-referrer"),
    (b"Cache-Control", b"no-store"),
)
_OWN = Brand()
_RIGHT_TO_LEFT = frozenset({"ar", "ckb", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"})


@dataclass(frozen=True, slots=True)
class Language:
    """A language of the pages: its BCP 47 tag and its texts by `section.name`."""

    locale: str
    texts: Mapping[str, str]

    @property
    def direction(self) -> str:
        """`ltr` or `rtl`, the value of the `dir` attribute."""
        return direction(self.locale)

    def text(self, name: str, /, **values: object) -> str:
        """Return the text `name` with its placeholders filled: plain text, which templates escape."""
        return self.texts[name].format(**values)


@cache
def language(locale: str) -> Language:
    """Read the texts of one of `LOCALES`."""
    catalogue = tomllib.loads((_FOLDER / "languages" / f"{locale}.toml").read_text("utf-8"))
    texts = {
        f"{section}.{name}": text for section, entries in catalogue.items() for name, text in entries.items()
    }
    return Language(locale, texts)


@cache
def step_language(locale: str, package: str, step_name: str) -> Language:
    """Add a sign-on step's own texts to those of `LOCALES`, as the section `step_name`.

    What the step does not say in this language it says in English.
    """
    own = read_step_texts(package, step_name)
    texts = {f"{step_name}.{name}": text for name, text in {**own["en"], **own.get(locale, {})}.items()}
    return Language(locale, {**texts, **language(locale).texts})


def read_step_texts(package: str, step_name: str) -> Mapping[str, Mapping[str, str]]:
    """Read the texts of a sign-on step, by language and name, from `STEP_NAME.toml` in its package."""
    return tomllib.loads((files(package) / f"{step_name}.toml").read_text("utf-8"))


def choose_language(languages: Sequence[str]) -> Language:
    """Choose the first of these language tags that pages are written in, else English."""
    wanted = (tag.partition("-")[0].lower() for tag in languages)
    return language(next((locale for locale in wanted if locale in LOCALES), LOCALES[0]))


def direction(locale: str) -> str:
    """Return the writing direction of a language tag, by its primary subtag."""
    return "rtl" if locale.partition("-")[0].lower() in _RIGHT_TO_LEFT else "ltr"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something the user can correct: plain text, and the id of the field it is about."""

    text: str
    field: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """A template and its values."""

    template: str
    """The name of a file in `pages`, or `PACKAGE/FILE` for the template of a sign-on step."""
    values: Mapping[str, object] = field(default_factory=dict[str, object])
    problems: Sequence[Problem] = ()
    status: int = 200


def render(page: Page, language: Language, brand: Brand = _OWN, form_sources: Sequence[str] = ()) -> Response:
    """Render the page as a response.

    `form_sources` are further places that submitting its form may lead to, as CSP sources.
    """
    loaded: set[str] = set()

    def load(name: str) -> str:
        """Return where the page loads one of `ASSETS` from, and note that it does."""
        loaded.add(name)
        return asset_address(name)

    shown = (
        _templates()
        .get_template(page.template)
        .render(
            page.values,
            problems=page.problems,
            language=language,
            t=language.text,
            asset=load,
            brand=brand,
        )
    )
    forms = " ".join(("'self'", *form_sources))
    # Only where a page loads one of our scripts may it run any.
    scripts = "script-src 'self'; " if any(name.endswith(".js") for name in loaded) else ""
    policy = (
        f"default-src 'none'; {scripts}style-src 'self'; img-src 'self'; "
        f"form-action {forms}; base-uri 'none'; frame-ancestors 'none'"
    )
    headers = Headers(_OF_PAGES)
    headers.add("Content-Security-Policy", policy)
    return Response(page.status, headers, Body(shown.encode()))


def find_step_flaw(package: str, step_name: str) -> str:
    """Say what is wrong with the files of another package's sign-on step, as a clause; "" when nothing is."""
    try:
        _templates().get_template(f"{package}/{step_name}.html")
    except (TemplateError, ImportError, UnicodeError) as error:
        return f"its page {step_name}.html cannot be used: {type(error).__name__}: {error}"
    try:
        texts = read_step_texts(package, step_name)
    except (OSError, ValueError) as error:
        return f"its texts {step_name}.toml cannot be read: {type(error).__name__}: {error}"
    if "en" not in texts:
        return f"its texts {step_name}.toml have no table [en]"
    if any(name.startswith(f"{step_name}.") for name in language("en").texts):
        return f"the pages have a section of texts named {step_name!r} already"
    return ""


@cache
def _templates() -> Templates:
    """Make the one template environment, in which every value is escaped, also in pages of other packages."""
    return Templates(
        loader=FunctionLoader(_read_template),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _read_template(name: str) -> str | None:
    package, _, file = name.rpartition("/")
    found = (files(package) if package else _FOLDER / "pages") / file
    return found.read_text("utf-8") if found.is_file() else None


@dataclass(frozen=True, slots=True)
class Asset:
    """A file that pages load; its address changes with its content, so that browsers may keep it."""

    content: bytes
    media_type: str
    version: str


@cache
def asset(name: str) -> Asset:
    """Read one of `ASSETS`."""
    content = (_FOLDER / "assets" / name).read_bytes()
    return Asset(content, ASSETS[name], hashlib.sha256(content).hexdigest()[:12])


def asset_address(name: str) -> str:
    """Return the path that a page loads an asset from."""
    return f"{ASSETS_PATH}/{name}?v={asset(name).version}"
