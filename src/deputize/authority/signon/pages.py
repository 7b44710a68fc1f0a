"""Pages: templates, the headers that fence them in, and the words in the reader's language."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from jinja2 import Environment as Templates
from jinja2 import FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from deputize.authority.signon import assets
from deputize.authority.signon.languages import Language

_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Problem:
    """Something the user can mend: plain text, and the id of the field it is about."""

    text: str
    field: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """What to show: a template's name and its values."""

    template: str
    values: Mapping[str, object] = field(default_factory=dict[str, object])
    problems: Sequence[Problem] = ()
    status: int = 200


def render(
    page: Page, language: Language, environment_name: str = "", form_sources: Sequence[str] = ()
) -> HTMLResponse:
    """The page as a response.

    `form_sources` are further places that submitting its form may lead to, as CSP sources.
    """
    template = _templates().get_template(page.template)
    common = {
        "language": language,
        "t": language.text,
        "asset": assets.address,
        "environment_name": environment_name,
    }
    shown = template.render(page.values, problems=page.problems, **common)
    return HTMLResponse(shown, page.status, _headers(form_sources))


@cache
def _templates() -> Templates:
    loader = FileSystemLoader([_FOLDER / "pages", _FOLDER / "steps"])
    return Templates(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def _headers(form_sources: Sequence[str]) -> dict[str, str]:
    forms = " ".join(("'self'", *form_sources))
    policy = (
        f"default-src 'none'; style-src 'self'; img-src 'self'; form-action {forms}; base-uri "
        f"'none'; frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }
