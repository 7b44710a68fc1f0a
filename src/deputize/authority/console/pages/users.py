"""Directory → Users: the people who sign on."""

from typing import Final

from starlette.responses import Response

from deputize.authority.administration import ListQuery, ObjectView
from deputize.authority.console.call import ConsoleCall
from deputize.authority.console.ending import ends_by_disabling, is_disabling, say_what_ends
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
    return show_form(call, FORM.fill(user.entry, call.moments), user)


async def save_user(call: ConsoleCall) -> Response:
    """Create a user, or change the one in the path."""
    user = await call.find("user") if "id" in call.request.path_params else None
    asks = user is not None and is_disabling(call, user)
    where = ("user", FORM, user.id if user else None)
    saved = await (call.save(*where, enabled=True) if asks else call.save(*where))
    if isinstance(saved, FilledForm):
        return show_form(call, saved, user)
    if asks:
        return await call.leave("users", saved.view.id, "disable")
    return await call.leave("users", saved.view.id, flash="users.saved", name=saved.view.name)


async def confirm_removal(call: ConsoleCall) -> Response:
    """Ask whether a user is to go, and say what goes with them."""
    user = await call.find("user")
    removal = await call.administration.remove(
        call.operator, call.environment.id, "user", user.id, dry_run=True
    )
    told = say_what_ends(call, removal.ends, *ENDING)
    return call.confirm("remove", user, cancel=call.path("users", user.id), consequences=told, name=user.name)


async def remove_user(call: ConsoleCall) -> Response:
    """Remove the user."""
    user = await call.find("user")
    await call.administration.remove(call.operator, call.environment.id, "user", user.id)
    return await call.leave("users", flash="users.removed", name=user.name)


async def confirm_disabling(call: ConsoleCall) -> Response:
    """Ask whether a user is to be disabled, and say what ends with that."""
    user = await call.find("user")
    told = await ends_by_disabling(call, "user", user, "sessions", "grants")
    cancel = call.path("users", user.id)
    return call.confirm("disable", user, cancel=cancel, consequences=told, name=user.name)


async def disable_user(call: ConsoleCall) -> Response:
    """Disable the user."""
    user = await call.find("user")
    await call.change("user", {"enabled": False}, object_id=user.id)
    return await call.leave("users", user.id, flash="users.disabled", name=user.name)


async def confirm_reset(call: ConsoleCall) -> Response:
    """Ask whether a user's passkeys and the like are to be forgotten, and say what ends with that."""
    user = await call.find("user")
    where = (call.operator, call.environment.id, user.id)
    ends = (await call.administration.reset_factors(*where, dry_run=True)).ends
    told = say_what_ends(call, ends, "factors", "sessions", "grants")
    return call.confirm("reset", user, cancel=call.path("users", user.id), consequences=told, name=user.name)


async def reset_factors(call: ConsoleCall) -> Response:
    """Forget the user's passkeys, authenticator app and recovery codes."""
    user = await call.find("user")
    await call.administration.reset_factors(call.operator, call.environment.id, user.id)
    return await call.leave("users", user.id, flash="users.reset_done", name=user.name)


async def show_agents(call: ConsoleCall) -> Response:
    """Show which agents act for the user, by which agreement, since when and when last."""
    user = await call.find("user")
    page = await call.administration.consents.list(
        call.operator, call.environment.id, ListQuery(cursor=call.query("cursor") or None), user_id=user.id
    )
    return show_tab(call, "users_agents.html", user, "agents", page=page)


async def confirm_withdrawal(call: ConsoleCall) -> Response:
    """Ask whether an agent is to act for the user no more."""
    user, agent = await call.find("user"), await call.find("agent", call.id("item"))
    cancel = call.path("users", user.id, "agents")
    return call.confirm("withdraw", user, cancel=cancel, name=user.name, agent=agent.name)


async def withdraw(call: ConsoleCall) -> Response:
    """Withdraw in the user's place what they agreed to for an agent."""
    user, agent = await call.find("user"), await call.find("agent", call.id("item"))
    await call.administration.consents.withdraw(call.operator, call.environment.id, user.id, agent.id)
    return await call.leave(
        "users", user.id, "agents", flash="users.withdrawn", name=user.name, agent=agent.name
    )


async def show_sessions(call: ConsoleCall) -> Response:
    """Show where the user is signed on."""
    user = await call.find("user")
    page = await call.administration.sessions.list(
        call.operator, call.environment.id, ListQuery(cursor=call.query("cursor") or None), user_id=user.id
    )
    return show_tab(call, "users_sessions.html", user, "sessions", page=page)


async def confirm_end(call: ConsoleCall) -> Response:
    """Ask whether all sessions of the user are to end."""
    user = await call.find("user")
    cancel = call.path("users", user.id, "sessions")
    where = (call.operator, call.environment.id, user.id)
    ends = (await call.administration.sessions.end_all(*where, dry_run=True)).ends
    told = say_what_ends(call, ends, "sessions", "grants")
    return call.confirm("end", user, cancel=cancel, consequences=told, name=user.name)


async def end_sessions(call: ConsoleCall) -> Response:
    """End all sessions of the user, or the one that was named."""
    user, sessions = await call.find("user"), call.administration.sessions
    if named := call.typed.get("session"):
        await sessions.end(call.operator, call.environment.id, named[0], user_id=user.id)
    else:
        await sessions.end_all(call.operator, call.environment.id, user.id)
    return await call.leave("users", user.id, "sessions", flash="users.ended", name=user.name)


async def unlock(call: ConsoleCall) -> Response:
    """Forget the wrong passwords that were typed for the user."""
    user = await call.find("user")
    await call.administration.unlock(call.operator, call.environment.id, user.id)
    return await call.leave("users", user.id, "sessions", flash="users.unlocked", name=user.name)


def show_form(call: ConsoleCall, form: FilledForm, user: ObjectView | None = None) -> Response:
    """Show a user's form, or that of a new one."""
    title = user.name if user else call.t("users.new")
    return call.show_form(
        "users_form.html", form, title=title, crumbs=crumbs_of(call), user=user, tab="overview"
    )


def show_tab(call: ConsoleCall, template: str, user: ObjectView, tab: str, **values: object) -> Response:
    """Show one of the user's tabs."""
    return call.show(template, title=user.name, crumbs=crumbs_of(call), user=user, tab=tab, **values)


def crumbs_of(call: ConsoleCall) -> list[tuple[str, str]]:
    """Lead back to the list."""
    return [(call.t("users.title"), call.path("users"))]


SECTION = ConsoleSection(
    "users",
    "directory",
    (
        ConsolePage("users", show_users),
        ConsolePage("users/new", show_new_user, save_user),
        ConsolePage("users/{id}", show_user, save_user),
        ConsolePage("users/{id}/remove", confirm_removal, remove_user),
        ConsolePage("users/{id}/disable", confirm_disabling, disable_user),
        ConsolePage("users/{id}/factors", confirm_reset, reset_factors),
        ConsolePage("users/{id}/agents", show_agents),
        ConsolePage("users/{id}/agents/{item}/withdraw", confirm_withdrawal, withdraw),
        ConsolePage("users/{id}/sessions", show_sessions),
        ConsolePage("users/{id}/end-sessions", confirm_end, end_sessions),
        ConsolePage("users/{id}/unlock", None, unlock),
    ),
)
