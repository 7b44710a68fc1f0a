"""Settings → Environments: begin one empty, or bring one in as a file."""

import json
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from starlette.responses import Response

from deputize.authority.console.call import ConsoleCall
from deputize.authority.console.forms import Area, EntryForm, FilledForm, FormField
from deputize.authority.console.requests import problems_of
from deputize.authority.console.secrets import forget_shown, leave_to_show, take_shown
from deputize.authority.console.section import ConsolePage, ConsoleSection
from deputize.authority.environment_file import Application, Applied, EnvironmentFileInvalid
from deputize.authority.seals import seal
from deputize.authority.shown_once import fits
from deputize.authority.storage import DirectoryConflict
from deputize.kernel.digests import same
from deputize.kernel.errors import ConfigurationError
from deputize.kernel.values import JsonObject

NEW = EntryForm("environments", FormField("environment", required=True, maxlength=256))
MAX_FILE: Final = 900_000
"""Characters of a file."""
FILE = EntryForm("environments", Area("file", required=True, maxlength=MAX_FILE, rows=18))
EXAMPLE: Final = """\
environment: Example
resources:
  - name: accounts
    audience: https://mcp.example.com/mcp
    scopes:
      - name: read
        description: Read your accounts
agents:
  - name: Assistant
    scopes:
      accounts: [read]
users:
  - username: maria
    email: maria@example.com
"""
"""What the page shows of the format."""
_FILE_NAME = "environment"
_WIDTH = 160
"""Characters of a line that are shown around what is wrong."""


class Mistake(NamedTuple):
    """What is wrong with a file, and where."""

    error: ConfigurationError
    shown: str
    """The line, and under it a caret below the place; empty where it is not known."""


async def show_environments(call: ConsoleCall) -> Response:
    """List the environments."""
    page = await call.administration.environments.list(call.operator)
    return call.show("environments.html", page=page)


async def show_new(call: ConsoleCall) -> Response:
    """Ask for the name of a new environment."""
    return show_new_form(call, NEW.fill({}, call.moments))


async def create(call: ConsoleCall) -> Response:
    """Make an environment that has nothing yet, and go there."""
    entry, problems = NEW.read(call.typed, call.moments)
    form = NEW.refill(call.typed)
    if problems:
        told = {name: call.t(text) for name, text in problems.items()}
        return show_new_form(call, form.with_problems(told))
    try:
        changed = await call.administration.environments.create(call.operator, entry)
    except EnvironmentFileInvalid as error:
        return show_new_form(call, form.with_problems(problems_of(error)))
    except DirectoryConflict as error:
        return show_new_form(call, form.with_problems({"environment": str(error)}))
    made = call.services.directory.current.environments[changed.view.id] if changed.view else call.environment
    return await replace(call, environment=made).leave(flash="environments.created", name=made.name)


async def show_import(call: ConsoleCall) -> Response:
    """Ask for a file."""
    return show_import_form(call, FILE.fill({}, call.moments))


async def import_file(call: ConsoleCall) -> Response:
    """Say what a file would change; after that was seen, change it."""
    try:
        chosen = read_chosen_file(call)
    except ValueError:
        form = FILE.refill(call.typed).with_problems({"file": call.t("environments.unreadable")})
        return show_import_form(call, form)
    typed = {**call.typed, "file": [chosen]} if chosen else call.typed
    entry, problems = FILE.read(typed, call.moments)
    form = FILE.refill(typed)
    if problems:
        return show_import_form(call, form.with_problems({"file": call.t("console.required")}))
    text = str(entry["file"])
    try:
        return await apply_or_show(call, form, text)
    except EnvironmentFileInvalid as error:
        wrong = form.with_problems({"file": call.t("environments.invalid")})
        mistakes = [Mistake(each, show_place(text, each)) for each in error.errors]
        return show_import_form(call, wrong, mistakes=mistakes)


async def apply_or_show(call: ConsoleCall, form: FilledForm, text: str) -> Response:
    """Apply a file where just that was shown before, else show what it would change.

    Raises `EnvironmentFileInvalid`.
    """
    environments = call.administration.environments
    application = Application(text.encode(), _FILE_NAME, lambda _: None, dry_run=True)
    shown = await environments.apply(call.operator, application)
    sealed = await seal_shown(call, text, shown)
    is_applying = call.typed.get("action") == ["apply"]
    if is_applying and same(next(iter(call.typed.get("shown", ())), ""), sealed):
        seen = replace(application, dry_run=False, read_version=shown.read_version)
        try:
            return await leave_imported(call, await environments.apply(call.operator, seen))
        except DirectoryConflict:  # somebody was faster, in the moment since it was compared
            shown = await environments.apply(call.operator, application)
            sealed = await seal_shown(call, text, shown)
    return show_import_form(call, form, applied=shown, sealed=sealed, is_other=is_applying)


async def seal_shown(call: ConsoleCall, text: str, shown: Applied) -> str:
    """Compute the seal of a file and of what it would change, so that nothing else is applied unseen."""
    changes = [(str(each), each.record().get("before")) for each in shown.differences]
    session = call.administrator.session
    return await seal(
        call.services.store.server_keys,
        session.environment_id,
        "import shown",
        session.id,
        text,
        json.dumps([shown.environment.id, changes, shown.warnings], sort_keys=True),
    )


async def leave_imported(call: ConsoleCall, applied: Applied) -> Response:
    """Go to where it is said what was imported; what is too much for a cookie, this answer itself says."""
    secrets = [{"name": each.owner.name, "id": each.owner.id, "text": each.text} for each in applied.secrets]
    shown: JsonObject = {
        "environment": applied.environment.id,
        "name": applied.environment.name,
        "lines": list(applied.lines),
        "warnings": list(applied.warnings),
        "secrets": secrets,
    }
    if fits(shown):
        return await leave_to_show(call, "environments", "imported", **shown)
    return say_imported(call, shown)


async def show_imported(call: ConsoleCall) -> Response:
    """Say what was imported, with the secrets that came into being, this once."""
    return forget_shown(call, say_imported(call, await take_shown(call, "environments", "imported")))


def say_imported(call: ConsoleCall, shown: JsonObject | None) -> Response:
    """Say what was imported; without that, that it was said already."""
    title = call.t("environments.imported", name=shown["name"]) if shown else call.t("environments.import")
    return call.show("environments_imported.html", title=title, crumbs=crumbs_of(call), shown=shown)


def read_chosen_file(call: ConsoleCall) -> str:
    """Return the text of the file that was chosen; empty without one.

    Raises `ValueError` for one that is too long, or no text.
    """
    address = next((each for each in call.typed.get("upload", ()) if each), "")
    text = b64decode(address.partition(",")[2], validate=True).decode("utf-8-sig")
    if len(text) > MAX_FILE or (address and not text):
        raise ValueError("the file is too long, or empty")
    return text


def show_place(text: str, error: ConfigurationError) -> str:
    """Return the line that an error is about with a caret below the place; empty where it is not known."""
    lines, position = text.splitlines(), error.position
    if position.line is None or not 0 < position.line <= len(lines):
        return ""
    column = (position.column or 1) - 1
    begin = max(0, column - _WIDTH // 2)
    line = lines[position.line - 1][begin : begin + _WIDTH].replace("\t", " ")
    return f"{line}\n{' ' * (column - begin)}^"


def show_new_form(call: ConsoleCall, form: FilledForm) -> Response:
    """Show the form of a new environment."""
    title = call.t("environments.new")
    return call.show_form("environments_new.html", form, title=title, crumbs=crumbs_of(call))


def show_import_form(
    call: ConsoleCall,
    form: FilledForm,
    mistakes: Sequence[Mistake] = (),
    applied: Applied | None = None,
    sealed: str = "",
    *,
    is_other: bool = False,
) -> Response:
    """Show the form of a file, with what is wrong with it or what it would change.

    `is_other`: whether something else was shown before, which is why the file is not applied.
    """
    return call.show_form(
        "environments_import.html",
        form,
        title=call.t("environments.import"),
        crumbs=crumbs_of(call),
        mistakes=mistakes,
        applied=applied,
        sealed=sealed,
        is_other=is_other,
        example=EXAMPLE,
    )


def crumbs_of(call: ConsoleCall) -> list[tuple[str, str]]:
    """Lead back to the list."""
    return [(call.t("environments.title"), call.path("environments"))]


SECTION = ConsoleSection(
    "environments",
    "settings",
    (
        ConsolePage("environments", show_environments),
        ConsolePage("environments/new", show_new, create),
        ConsolePage("environments/import", show_import, import_file),
        ConsolePage("environments/imported", show_imported),
    ),
)
