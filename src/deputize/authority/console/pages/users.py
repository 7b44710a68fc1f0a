"""Directory → Users: the people who sign on."""

from typing import Final

from starlette.responses import Response

from deputize.authority.console.call import ConsoleCall
from deputize.authority.console.forms import EntryForm, FilledForm, Flag, FormField, Json, Secret
from deputize.authority.console.section import ConsolePage, ConsoleSection

FORM = EntryForm(
    "users",
    FormField("username", required=True, maxlength=128),
    Secret("password"),
    Flag("must_change_password"),
    FormField("email", type="email", maxlength=320),
    FormField("given_name", maxlength=256),
    FormField("family_name", maxlength=256),
    FormField("preferred_language", maxlength=64),
    Json("attributes"),
    Flag("enabled", default=True),
)
ENDING: Final = ("sessions", "consents", "grants")
"""What ends with a user, of `Changed.ends`."""


async def show_users(call: ConsoleCall) -> Response:
    """List the users."""
    return call.show("users.html", page=await call.list("user", "enabled"))


async def show_new_user(call: ConsoleCall) -> Response:
    """Show the form of a new user."""
    return show_form(call, FORM.fill({}, call.moments))


async def show_user(call: ConsoleCall) -> Response:
    """Show a user, to be changed."""
    user = await call.find("user")
    return show_form(call, FORM.fill(user.entry, call.moments), user.name)


async def save_user(call: ConsoleCall) -> Response:
    """Create a user, or change the one in the path."""
    user_id = call.id() if "id" in call.request.path_params else None
    saved = await call.save("user", FORM, user_id)
    if isinstance(saved, FilledForm):
        return show_form(call, saved, saved.value("username") if user_id else "")
    return await call.leave("users", saved.view.id, flash="users.saved", name=saved.view.name)


async def confirm_removal(call: ConsoleCall) -> Response:
    """Ask whether a user is to go, and say what goes with them."""
    user = await call.find("user")
    removal = await call.administration.remove(
        call.operator, call.environment.id, "user", user.id, dry_run=True
    )
    ends = [call.t(f"users.ends_{what}", count=removal.ends.get(what, 0)) for what in ENDING]
    return call.confirm("remove", user, cancel=call.path("users", user.id), consequences=ends, name=user.name)


async def remove_user(call: ConsoleCall) -> Response:
    """Remove the user."""
    user = await call.find("user")
    await call.administration.remove(call.operator, call.environment.id, "user", user.id)
    return await call.leave("users", flash="users.removed", name=user.name)


def show_form(call: ConsoleCall, form: FilledForm, name: str = "") -> Response:
    """Show a user's form, or that of a new one."""
    crumbs = [(call.t("users.title"), call.path("users"))]
    return call.show_form(
        "users_form.html", form, title=name or call.t("users.new"), crumbs=crumbs, is_new=not name
    )


SECTION = ConsoleSection(
    "users",
    "directory",
    (
        ConsolePage("users", show_users),
        ConsolePage("users/new", show_new_user, save_user),
        ConsolePage("users/{id}", show_user, save_user),
        ConsolePage("users/{id}/remove", confirm_removal, remove_user),
    ),
)
