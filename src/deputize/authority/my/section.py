"""What a section of a person's own pages is, and what it shows and does.

Each lives in a file of `sections`, with two files beside it: the template of its page and the texts of that.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from deputize.authority.endpoint import EndpointCall
from deputize.authority.signon.pages import Language, Page, Problem
from deputize.authority.signon.responses import see_other, show
from deputize.authority.signon.step import SignedOn
from deputize.http.messages import Response


@dataclass(frozen=True, slots=True)
class Visit:
    """A person who is signed on, at one section of their own pages.

    Whatever a section shows or does is this person's, in this environment: ids in queries and forms are only
    ever looked for among what is theirs.
    """

    call: EndpointCall
    signed_on: SignedOn
    section: "Section"
    language: Language
    """With the texts of the section."""
    languages: Sequence[str]
    """Language tags in which the person reads, the most wanted first."""
    common: Mapping[str, object]
    """What the frame around every section shows; its forms carry `csrf`."""

    def show(
        self,
        values: Mapping[str, object],
        problems: Sequence[Problem] = (),
        *,
        template: str = "",
        status: int = 200,
    ) -> Response:
        """Show the section's page, or another `template` of its package, with these values."""
        name = f"{self.section.package}/{template or f'{self.section.name}.html'}"
        return show(self.call, Page(name, {**self.common, **values}, problems, status), self.language)

    def done(self, notice: str, **more: str) -> Response:
        """Send the browser to the section's page, which says what was done: its text `done_NOTICE`.

        `more` are further parameters of the page's query.
        """
        query = urlencode({"done": notice, **more})
        return see_other(f"/{self.call.environment.id}/my/{self.section.name}?{query}")


@dataclass(frozen=True, slots=True)
class Section:
    """One of the pages that are a person's own, at `/{environment}/my/NAME`.

    Its page is the template `NAME.html`, which extends `deputize.authority.my/frame.html`; its texts are
    `NAME.toml` with a table a language: the template reads `t("NAME.title")` where the table has `title`,
    which is also what the menu says. Its forms are posted to its own path and carry `csrf`.
    """

    name: str
    """The last segment of its path; its files have this name too."""
    package: str
    """The name of the package that holds its files."""
    show: Callable[[Visit], Awaitable[Response]]
    """Answers GET. Raises `OAuthError`."""
    submit: Callable[[Visit, Mapping[str, str]], Awaitable[Response]] | None = None
    """Takes a form that came from one of its own pages; `None` where it has none."""
