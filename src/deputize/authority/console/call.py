"""One request to a page of the console: what its handler reads, and how it answers."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeAlias
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from deputize.authority.administration import (
    Administration,
    Changed,
    EtagMismatch,
    ListPage,
    ListQuery,
    NoSuchObject,
    ObjectKind,
    ObjectView,
    Operator,
)
from deputize.authority.console.forms import EntryForm, FilledForm, Typed
from deputize.authority.console.moments import Moments
from deputize.authority.console.rendering import render
from deputize.authority.console.requests import problems_of
from deputize.authority.console.session import CONSOLE_PATH, Administrator, cookie_attributes, cookie_name
from deputize.authority.environment_file.problems import EnvironmentFileInvalid
from deputize.authority.seals import seal
from deputize.authority.services import Services
from deputize.authority.signon.pages import Language
from deputize.authority.storage import DirectoryConflict
from deputize.kernel.digests import same
from deputize.kernel.segments import read_segment, write_segment
from deputize.kernel.uris import UriError
from deputize.kernel.values import JsonObject, JsonValue
from deputize.oauth.records.directory import Environment

SettableKind: TypeAlias = ObjectKind | Literal["environment"]
"""What has an entry: an object, or the environment itself, whose entry are its settings."""
_TRUTHS = frozenset({"enabled", "introduced", "waiting"})


class Saved(NamedTuple):
    """What a form was saved as."""

    view: ObjectView
    changed: Changed
    """What that did: differences, warnings, and secrets that are readable this once."""


@dataclass(slots=True)
class ConsoleCall:
    """A request to a page, by somebody who may see it."""

    request: Request
    services: Services
    administrator: Administrator
    environment: Environment
    """The one that the page is about."""
    section: str
    """The name of the section that the page belongs to."""
    language: Language
    moments: Moments
    may_change: bool
    """Whether buttons are shown, and forms taken."""
    frame: dict[str, Any] = field(default_factory=dict[str, Any])
    """What the layout shows around every page."""
    typed: Typed = field(default_factory=dict[str, Sequence[str]])
    """The form that was sent."""

    @property
    def operator(self) -> Operator:
        """Whom the service is told that it is called by."""
        return self.administrator.operator

    @property
    def administration(self) -> Administration:
        """What administrators can do."""
        return self.services.administration

    def t(self, name: str, /, **values: object) -> str:
        """Return a text in the reader's language."""
        return self.language.text(name, **values)

    def id(self, name: str = "id") -> str:
        """Return what stands in the path at `{name}`. Raises `NoSuchObject`."""
        try:
            return read_segment(self.request.path_params[name])
        except UriError as error:
            raise NoSuchObject(str(error)) from error

    @property
    def seen(self) -> str:
        """The etag of what the form that was sent was made for; empty where it does not say."""
        return next(iter(self.typed.get("etag", ())), "")

    def query(self, name: str) -> str:
        """Return a parameter of the address; empty without one."""
        return self.request.query_params.get(name, "")

    @property
    def is_filtered(self) -> bool:
        """Whether the address asks for a part of a list, so that an empty one does not mean that all is."""
        return any(value for _, value in self.request.query_params.multi_items())

    def with_query(self, **changes: str) -> str:
        """Return this page's path with its query changed; an empty value leaves a parameter out."""
        query = {**self.request.query_params, **changes}
        return f"?{urlencode({name: value for name, value in query.items() if value})}"

    def path(self, *segments: str, **query: str) -> str:
        """Return the path of a page of this environment: `path("users", user_id)`."""
        whole = "/".join((CONSOLE_PATH, self.environment.id, *map(write_segment, segments)))
        return f"{whole}?{urlencode(query)}" if query else whole

    async def list(self, kind: ObjectKind, *filters: str) -> ListPage[ObjectView]:
        """List what the address asks for: its `search`, its `cursor`, and its `filters`.

        These are members of `ListQuery`; of those that are true or false, the address says `true` or `false`.
        """
        given: dict[str, Any] = {name: self.query(name) for name in filters if self.query(name)}
        given = {name: value == "true" if name in _TRUTHS else value for name, value in given.items()}
        query = ListQuery(cursor=self.query("cursor") or None, search=self.query("search"), **given)
        return await self.administration.list(self.operator, self.environment.id, kind, query)

    async def find(self, kind: SettableKind, object_id: str | None = None) -> ObjectView:
        """Find an object, the one whose id is in the path unless another is named. Raises `NoSuchObject`.

        Of the kind `environment` it is the one that the page is about. Forms of the page are good for what it
        is about as it is found here.
        """
        if kind == "environment":
            wanted = self.environment.id
            found = await self.administration.environments.find(self.operator, wanted)
        else:
            wanted = object_id or self.id()
            found = await self.administration.find(self.operator, self.environment.id, kind, wanted)
        if found is None:
            raise NoSuchObject(f"there is no {kind} {wanted!r}")
        about = self.request.path_params.get("id")
        if about == wanted if about else kind == "environment":
            self.frame["seen"] = found.etag
        return found

    async def change(
        self,
        kind: SettableKind,
        entry: JsonObject,
        *,
        object_id: str | None = None,
        creates: bool | None = None,
        expected: str | None = None,
        dry_run: bool = False,
    ) -> Changed:
        """Change an object, or the environment itself. Raises what the service raises."""
        where = self.operator, self.environment.id
        if kind == "environment":
            environments = self.administration.environments
            return await environments.change(*where, entry, expected=expected, dry_run=dry_run)
        return await self.administration.change(
            *where, kind, entry, object_id=object_id, creates=creates, expected=expected, dry_run=dry_run
        )

    async def save(
        self,
        kind: SettableKind,
        form: EntryForm,
        object_id: str | None = None,
        **more: JsonValue,
    ) -> "Saved | FilledForm":
        """Change the object as the form says, or create one; the form with what is wrong where that fails.

        That is also where the object is another by now than the form was filled from. `more` are members of
        the entry that the form does not have.
        """
        expected = self.seen if object_id is not None else None
        entry, unreadable = form.read(self.typed, self.moments)
        if unreadable:
            return form.refill(self.typed).with_problems(
                {name: self.t(text) for name, text in unreadable.items()}
            )
        try:
            changed = await self.change(
                kind, {**entry, **more}, object_id=object_id, creates=object_id is None, expected=expected
            )
        except EnvironmentFileInvalid as error:
            return form.refill(self.typed).with_problems(problems_of(error))
        except DirectoryConflict as error:
            return form.refill(self.typed).with_problems({"": str(error)})
        except EtagMismatch:
            return form.refill(self.typed).with_problems({"": self.t("console.changed_meanwhile")})
        if changed.view is None:
            raise NoSuchObject(f"the {kind} was removed meanwhile")
        self.frame["seen"] = changed.view.etag
        return Saved(changed.view, changed)

    def show(self, template: str, status: int = 200, /, **values: object) -> Response:
        """Show a page. `title` and `crumbs`, pairs of a text and a path, are the section's unless given."""
        values = {"title": self.t(f"{self.section}.title"), "crumbs": (), **values}
        return render(template, {**self.frame, **values, "path": self.path}, status)

    def confirm(
        self,
        action: str,
        view: ObjectView,
        *,
        cancel: str,
        consequences: Sequence[str] = (),
        fields: Mapping[str, str] | None = None,
        **values: object,
    ) -> Response:
        """Ask before something ends; the form is sent to the same path.

        Its words are the section's texts `ACTION_title`, `ACTION_text` and `ACTION_confirm`, with `values`.
        `consequences` say one by one what will end.
        """
        texts = {
            part: self.t(f"{self.section}.{action}_{part}", **values) for part in ("title", "text", "confirm")
        }
        crumbs = [(self.t(f"{self.section}.title"), self.path(self.section)), (view.name, cancel)]
        return self.show(
            "confirm.html",
            **texts,
            crumbs=crumbs,
            cancel=cancel,
            consequences=consequences,
            fields=fields or {},
        )

    def show_form(self, template: str, form: FilledForm, **values: object) -> Response:
        """Show a page with a form: 422 where something is wrong with it."""
        status = 422 if form.problems else 200
        return self.show(template, status, **{**values, "form": form})

    async def leave(self, *segments: str, flash: str = "", **values: str) -> Response:
        """Go to another page after a change, which then says `flash`, a text's name, with its `values`."""
        response = RedirectResponse(self.path(*segments), 303)
        if flash:
            content = urlsafe_b64encode(json.dumps([flash, values]).encode()).decode().rstrip("=")
            sealed = await seal_flash(self.services, self.administrator, content)
            attributes = cookie_attributes(self.services)
            response.headers.append(
                "Set-Cookie", f"{flash_name(self.services)}={content}.{sealed}; {attributes}"
            )
        return response


def flash_name(services: Services) -> str:
    """Return the name of the cookie that carries what the next page says."""
    return cookie_name(services, "deputize-console-flash")


async def seal_flash(services: Services, administrator: Administrator, content: str) -> str:
    """Compute the seal of what the next page says, so that nobody else can put words there."""
    return await seal(
        services.store.server_keys,
        administrator.session.environment_id,
        "console flash",
        administrator.session.id,
        content,
    )


async def read_flash(call: ConsoleCall) -> tuple[str, str]:
    """Return the name of the text that the page before wanted said, and the text; empty without it."""
    content, _, sealed = call.request.cookies.get(flash_name(call.services), "").partition(".")
    if not content or not same(sealed, await seal_flash(call.services, call.administrator, content)):
        return "", ""
    name, values = json.loads(urlsafe_b64decode(content + "=" * (-len(content) % 4)))
    return name, call.t(name, **values)
