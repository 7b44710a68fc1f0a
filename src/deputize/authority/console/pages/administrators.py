"""Settings → Administrators: who administers, and links with which more may."""

from dataclasses import replace
from typing import cast

from starlette.responses import Response

from deputize.authority.administration import NoSuchObject
from deputize.authority.administration.administrators import ROLES
from deputize.authority.console.call import ConsoleCall
from deputize.authority.console.ending import is_disabling
from deputize.authority.console.forms import Choices, EntryForm, FilledForm, Flag, FormField
from deputize.authority.console.owners import list_administrators
from deputize.authority.console.requests import problems_of
from deputize.authority.console.secrets import forget_shown, leave_to_show, take_shown
from deputize.authority.console.section import ConsolePage, ConsoleSection
from deputize.authority.console.session import administrators
from deputize.authority.directory.objects import Role
from deputize.authority.environment_file.problems import EnvironmentFileInvalid
from deputize.kernel.values import JsonObject
from deputize.oauth.usernames import MAX_LENGTH

FORM = EntryForm("administrators", Choices("roles"), Flag("enabled", default=True))
INVITATION = EntryForm(
    "administrators",
    FormField("username", required=True, maxlength=MAX_LENGTH),
    Choices("roles", required=True),
)


async def show_administrators(call: ConsoleCall) -> Response:
    """List who has a role, and the invitations that nobody has taken."""
    return call.show(
        "administrators.html",
        users=await list_administrators(call),
        invitations=(await call.administration.administrators.list(call.operator)).items,
    )


async def show_administrator(call: ConsoleCall) -> Response:
    """Show what a user may administer, to be changed."""
    user = await at_home(call).find("user")
    return show_form(call, FORM.fill(user.entry, call.moments), user.name)


async def save_administrator(call: ConsoleCall) -> Response:
    """Change what a user may administer; one administrator stays in any case."""
    there = at_home(call)
    user = await there.find("user")
    asks = is_disabling(call, user)
    saved = await (
        there.save("user", FORM, user.id, enabled=True) if asks else there.save("user", FORM, user.id)
    )
    if isinstance(saved, FilledForm):
        return show_form(call, saved, user.name)
    if asks:
        return await there.leave("users", user.id, "disable")
    return await call.leave("administrators", flash="administrators.saved", name=user.name)


async def show_invitation(call: ConsoleCall) -> Response:
    """Ask what somebody is to be invited to."""
    return show_invitation_form(call, INVITATION.fill({}, call.moments))


async def invite(call: ConsoleCall) -> Response:
    """Make the link with which somebody makes themselves an administrator, and go to where it is shown."""
    entry, problems = INVITATION.read(call.typed, call.moments)
    form = INVITATION.refill(call.typed)
    if problems:
        told = {name: call.t(text) for name, text in problems.items()}
        return show_invitation_form(call, form.with_problems(told))
    roles = cast("list[Role]", entry["roles"])
    if not set(roles) <= set(ROLES):
        return show_invitation_form(call, form.with_problems({"roles": call.t("console.unreadable")}))
    try:
        changed = await call.administration.administrators.create(
            call.operator, str(entry["username"]), roles
        )
    except EnvironmentFileInvalid as error:
        return show_invitation_form(call, form.with_problems(problems_of(error)))
    facts: JsonObject = changed.view.facts if changed.view else {}
    invited = {"name": entry["username"], "roles": entry["roles"], "expires_at": facts.get("expires_at")}
    return await leave_to_show(call, "administrators", "invited", link=changed.secrets[0].text, **invited)


async def show_link(call: ConsoleCall) -> Response:
    """Show the link of an invitation, this once."""
    shown = await take_shown(call, "administrators", "invited")
    title = call.t("administrators.invited")
    response = call.show("administrators_link.html", title=title, crumbs=crumbs_of(call), shown=shown)
    return forget_shown(call, response)


async def confirm_withdrawal(call: ConsoleCall) -> Response:
    """Ask whether a link is to end."""
    found = (await call.administration.administrators.list(call.operator)).items
    invitation = next((each for each in found if each.id == call.id()), None)
    if invitation is None:
        raise NoSuchObject("the invitation was taken or has expired")
    return call.confirm("withdraw", invitation, cancel=call.path("administrators"))


async def withdraw(call: ConsoleCall) -> Response:
    """Let a link admit nobody any more."""
    await call.administration.administrators.withdraw(call.operator, call.id())
    return await call.leave("administrators", flash="administrators.withdrawn")


def at_home(call: ConsoleCall) -> ConsoleCall:
    """Return the call as one about the administrators' own environment, whatever page it came from."""
    home = administrators(call.services)
    if home is None:
        raise NoSuchObject("there is no environment of administrators")
    return replace(call, environment=home)


def show_form(call: ConsoleCall, form: FilledForm, name: str) -> Response:
    """Show the form of what a user may administer."""
    form = form.with_options(roles=role_options(call))
    return call.show_form("administrators_form.html", form, title=name, crumbs=crumbs_of(call))


def show_invitation_form(call: ConsoleCall, form: FilledForm) -> Response:
    """Show the form of an invitation."""
    form, title = form.with_options(roles=role_options(call)), call.t("administrators.invite")
    return call.show_form("administrators_invite.html", form, title=title, crumbs=crumbs_of(call))


def role_options(call: ConsoleCall) -> list[tuple[str, str]]:
    """List the roles with what each may do."""
    return [(role, call.t(f"administrators.may_{role}")) for role in ROLES]


def crumbs_of(call: ConsoleCall) -> list[tuple[str, str]]:
    """Lead back to the list."""
    return [(call.t("administrators.title"), call.path("administrators"))]


SECTION = ConsoleSection(
    "administrators",
    "settings",
    (
        ConsolePage("administrators", show_administrators),
        ConsolePage("administrators/invite", show_invitation, invite),
        ConsolePage("administrators/invited", show_link),
        ConsolePage("administrators/invitations/{id}/withdraw", confirm_withdrawal, withdraw),
        ConsolePage("administrators/{id}", show_administrator, save_administrator),
    ),
)
