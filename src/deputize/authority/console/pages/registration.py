"""Settings → Registration: who may introduce themselves as agents, who did, and who waits."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from starlette.responses import Response

from deputize.authority.administration import ListQuery, NoSuchObject, ObjectView
from deputize.authority.administration.views import MAX_LIMIT
from deputize.authority.console.call import ConsoleCall
from deputize.authority.console.forms import (
    Choice,
    Choices,
    EntryForm,
    FilledForm,
    Flag,
    FormField,
    Lines,
    Number,
    ScopeChoices,
)
from deputize.authority.console.requests import problems_of
from deputize.authority.console.secrets import forget_shown, leave_to_show, take_shown
from deputize.authority.console.section import ConsolePage, ConsoleSection
from deputize.authority.console.settings import written_out
from deputize.authority.environment_file.plan import Difference
from deputize.authority.environment_file.problems import EnvironmentFileInvalid
from deputize.kernel import durations
from deputize.kernel.digests import digest
from deputize.kernel.values import JsonObject
from deputize.oauth.grants import GRANTS
from deputize.oauth.records.directory import Environment

SETTINGS: Final = EntryForm(
    "registration",
    Lines("registration/hosts"),
    Flag("registration/dynamic"),
    Flag("registration/initial_access_tokens"),
    Choices("registration/software_statements"),
    Flag("registration/open"),
    Flag("registration/approval_required"),
    Choices("registration/agent/policies", required=True),
    ScopeChoices("registration/agent/scopes"),
    Choices("registration/agent/grants"),
    Choice("registration/agent/delegation_resource"),
    FormField("registration/agent/owner", maxlength=2000),
    FormField("registration/agent/lifetime"),
    FormField("registration/agent/refresh_token_lifetime"),
    FormField("registration/agent/refresh_token_rolling_lifetime"),
    FormField("registration/agent/refresh_token_grace"),
    Number("registration/max_agents"),
    FormField("registration/unused_lifetime"),
    FormField("registration/idle_lifetime"),
)
WAYS: Final = ("hosts", "initial_access_tokens", "software_statements", "open")
"""Settings that each let somebody in."""
MAX_SHOWN: Final = 20
"""Agents that are named before they end."""
INVITATION: Final = EntryForm(
    "registration_invitation",
    Number("uses", required=True, default=1),
    FormField("lifetime", required=True, default="7 days"),
)


async def show_introduced(call: ConsoleCall) -> Response:
    """List who waits for approval, and who introduced themselves besides."""
    where = call.operator, call.environment.id, "agent"
    waiting = ListQuery(limit=MAX_LIMIT, introduced=True, waiting=True)
    others = ListQuery(cursor=call.query("cursor") or None, introduced=True, waiting=False)
    return show_tab(
        call,
        "registration.html",
        "agents",
        waiting=await call.administration.list(*where, waiting),
        page=await call.administration.list(*where, others),
        titles=titles_of(call.environment),
        ways=list_ways(call),
    )


async def show_approval(call: ConsoleCall) -> Response:
    """Show what an agent that waits says of itself, and what it may do when it is approved of."""
    agent, environment = await find_waiting(call), call.environment
    granted: Mapping[str, Collection[str]] = {}
    if environment.registration is not None:
        granted = environment.registration.template.scopes
    return call.show(
        "registration_approve.html",
        title=title_of(call, agent),
        crumbs=crumbs_of(call),
        agent=agent,
        introduced=agent.facts["introduced"],
        scopes={environment.resources[each].name: sorted(names) for each, names in granted.items()},
    )


async def approve(call: ConsoleCall) -> Response:
    """Let an agent that waits act, within what all of them are at most."""
    agent = await find_waiting(call)
    await call.change("agent", {"enabled": True}, object_id=agent.id)
    return await call.leave("registration", flash="registration.approved", name=title_of(call, agent))


async def confirm_refusal(call: ConsoleCall) -> Response:
    """Ask whether an agent that waits is to go."""
    agent = await find_waiting(call)
    name = title_of(call, agent)
    consequences = [call.t("registration.refuse_again"), call.t("registration.refuse_instead")]
    return call.confirm(
        "refuse", agent, cancel=call.path("registration"), consequences=consequences, name=name
    )


async def refuse(call: ConsoleCall) -> Response:
    """Remove an agent that waits."""
    agent = await find_waiting(call)
    await call.administration.remove(call.operator, call.environment.id, "agent", agent.id)
    return await call.leave("registration", flash="registration.refused", name=title_of(call, agent))


async def show_invitations(call: ConsoleCall) -> Response:
    """List the initial access tokens that still admit somebody."""
    found = await call.administration.invitations.list(call.operator, call.environment.id)
    return show_tab(
        call,
        "registration_invitations.html",
        "invitations",
        invitations=found.items,
        takes_tokens=takes_tokens(call.environment),
    )


async def show_new_invitation(call: ConsoleCall) -> Response:
    """Ask how many programs a new token is to admit, and for how long."""
    return show_invitation_form(call, INVITATION.fill({}, call.moments))


async def invite(call: ConsoleCall) -> Response:
    """Make an initial access token, and go to where it is shown."""
    entry, unreadable = INVITATION.read(call.typed, call.moments)
    problems = {name: call.t(text) for name, text in unreadable.items()}
    lifetime: float | None = None
    if "lifetime" not in problems:
        try:
            lifetime = durations.parse(str(entry["lifetime"]))
        except durations.DurationError as error:
            problems["lifetime"] = str(error)
    form = INVITATION.refill(call.typed)
    if problems:
        return show_invitation_form(call, form.with_problems(problems))
    try:
        changed = await call.administration.invitations.create(
            call.operator,
            call.environment.id,
            uses=int(str(entry["uses"])),
            lifetime=float("inf") if lifetime is None else lifetime,
        )
    except EnvironmentFileInvalid as error:
        return show_invitation_form(call, form.with_problems(problems_of(error)))
    token = changed.secrets[0]
    facts: JsonObject = changed.view.facts if changed.view else {}
    invited = {name: facts.get(name) for name in ("uses_left", "expires_at")}
    where = ("registration", "invited")
    return await leave_to_show(call, *where, token=token.text, id=token.owner.id, **invited)


async def show_token(call: ConsoleCall) -> Response:
    """Show a new initial access token, this once."""
    response = call.show(
        "registration_token.html",
        title=call.t("registration_invitation.made"),
        crumbs=crumbs_of(call, "invitations"),
        shown=await take_shown(call, "registration", "invited"),
        endpoint=f"{(await call.find('environment')).facts['issuer']}/register",
    )
    return forget_shown(call, response)


async def confirm_withdrawal(call: ConsoleCall) -> Response:
    """Ask whether a token is to admit nobody any more."""
    found = await call.administration.invitations.list(call.operator, call.environment.id)
    invitation = next((each for each in found.items if each.id == call.id()), None)
    if invitation is None:
        raise NoSuchObject("the token was used up, has expired, or was withdrawn")
    left = str(invitation.facts["uses_left"])
    cancel = call.path("registration", "invitations")
    consequences = [call.t("registration.withdraw_uses", count=left)]
    return call.confirm("withdraw", invitation, cancel=cancel, consequences=consequences)


async def withdraw(call: ConsoleCall) -> Response:
    """Let a token admit nobody any more."""
    await call.administration.invitations.withdraw(call.operator, call.environment.id, call.id())
    return await call.leave("registration", "invitations", flash="registration.withdrawn")


async def show_settings(call: ConsoleCall) -> Response:
    """Show who may introduce themselves and what they are at most, to be changed."""
    view = await call.find("environment")
    return show_settings_form(call, view, SETTINGS.fill(written_out(view), call.moments))


async def save_settings(call: ConsoleCall) -> Response:
    """Change who may introduce themselves; where agents end by that, only after it was said which."""
    view = await call.find("environment")
    entry, unreadable = SETTINGS.read(call.typed, call.moments)
    gone = () if unreadable else await find_ending(call, entry)
    if gone and call.typed.get("sure") != [digest_of(gone)]:
        return show_settings_form(call, view, SETTINGS.refill(call.typed), gone=gone)
    saved = await call.save("environment", SETTINGS, view.id)
    if isinstance(saved, FilledForm):
        return show_settings_form(call, view, saved)
    if saved.changed.warnings:
        call.frame["flash"] = call.t("registration.saved")
        shown = SETTINGS.fill(written_out(saved.view), call.moments)
        return show_settings_form(call, saved.view, shown, warnings=saved.changed.warnings)
    return await call.leave("registration", flash="registration.saved")


async def confirm_closing(call: ConsoleCall) -> Response:
    """Ask whether nobody is to introduce themselves any more, and say which agents end."""
    view = await call.find("environment")
    gone = await find_ending(call, {"registration": None})
    consequences = [call.t("registration.close_agents", count=len(gone)), *gone[:MAX_SHOWN]]
    return call.confirm(
        "close",
        view,
        cancel=call.path("registration"),
        consequences=consequences,
    )


async def close(call: ConsoleCall) -> Response:
    """Let nobody introduce themselves any more: those who did end."""
    await call.change("environment", {"registration": None}, expected=call.seen)
    return await call.leave("registration", flash="registration.closed")


async def find_waiting(call: ConsoleCall) -> ObjectView:
    """Find the agent in the path, which waits. Raises `NoSuchObject`."""
    agent = await call.find("agent")
    if not agent.facts.get("waiting"):
        raise NoSuchObject(f"the agent {agent.name!r} does not wait for approval")
    return agent


async def find_ending(call: ConsoleCall, entry: JsonObject) -> Sequence[str]:
    """Return the names of the agents that would end by a change of the settings.

    There are none where the change would be refused, as it will be when it is made.
    """
    try:
        changed = await call.change("environment", entry, dry_run=True)
    except EnvironmentFileInvalid:
        return ()
    titles = titles_of(call.environment)
    ending = (each for each in changed.differences if isinstance(each, Difference) and each.after is None)
    return sorted(titles.get(each.id, each.name) for each in ending if each.kind == "agent")


def digest_of(names: Sequence[str]) -> str:
    """Return what the box says under the names that whoever ticks it has read."""
    return digest("\n".join(names))


def titles_of(environment: Environment) -> Mapping[str, str]:
    """Return what users read as the names of the agents that introduced themselves, by id."""
    return {each.id: each.title for each in environment.agents.values() if each.origin}


def title_of(call: ConsoleCall, agent: ObjectView) -> str:
    """Return what users read as the name of an agent that introduced itself."""
    return titles_of(call.environment).get(agent.id, agent.name)


def takes_tokens(environment: Environment) -> bool:
    """Return whether programs may register with an initial access token."""
    settings = environment.registration and environment.registration.settings
    return settings is not None and settings.dynamic and settings.initial_access_tokens


def list_ways(call: ConsoleCall) -> Sequence[str]:
    """Say in words who may introduce themselves; nothing where nobody may."""
    if call.environment.registration is None:
        return ()
    settings = call.environment.registration.settings
    ways = [call.t("registration.way_hosts", hosts=", ".join(settings.hosts))] if settings.hosts else []
    if settings.dynamic:
        given = settings.model_dump(include=set(WAYS))
        ways += [call.t(f"registration.way_{way}") for way in WAYS[1:] if given[way]]
    return ways or [call.t("registration.way_none")]


def show_tab(call: ConsoleCall, template: str, tab: str, **values: object) -> Response:
    """Show one of the tabs."""
    has_settings = call.environment.registration is not None
    return call.show(template, tab=tab, has_settings=has_settings, **values)


def show_invitation_form(call: ConsoleCall, form: FilledForm) -> Response:
    """Show the form of a new initial access token."""
    title, crumbs = call.t("registration_invitation.title"), crumbs_of(call, "invitations")
    return call.show_form("registration_invite.html", form, title=title, crumbs=crumbs)


def show_settings_form(
    call: ConsoleCall,
    view: ObjectView,
    form: FilledForm,
    gone: Sequence[str] = (),
    warnings: Sequence[str] = (),
) -> Response:
    """Show the settings, with which agents would end by what was put in."""
    environment = call.environment
    policies, chosen = {each.name for each in environment.policies.values()}, "registration/agent/policies"
    first = [each for each in form.values[chosen] if each in policies]
    resources = sorted(environment.resources.values(), key=lambda each: each.name)
    options = {
        "registration/software_statements": [
            (each.issuer, each.issuer) for each in environment.settings.trusted_issuers
        ],
        chosen: [(each, each) for each in (*first, *sorted(policies.difference(first)))],
        "registration/agent/scopes": [
            (f"{each.name} {name}", " · ".join(filter(None, (each.name, name, scope.description))))
            for each in resources
            for name, scope in each.scopes.items()
        ],
        "registration/agent/grants": [
            (each.grant_type, each.word.replace("_", " "))
            for each in sorted(GRANTS.members, key=lambda each: each.word)
            if each.word != "authorization_code"
        ],
        "registration/agent/delegation_resource": [
            ("", call.t("agents.delegation_default")),
            *((each.name, each.name) for each in resources),
        ],
    }
    return call.show_form(
        "registration_settings.html",
        form.with_options(**options),
        environment_view=view,
        tab="settings",
        has_settings=environment.registration is not None,
        gone=gone,
        shown=gone[:MAX_SHOWN],
        sure=digest_of(gone),
        warnings=warnings,
    )


def crumbs_of(call: ConsoleCall, tab: str = "") -> Sequence[tuple[str, str]]:
    """Lead back to the section, and to one of its tabs."""
    crumbs = [(call.t("registration.title"), call.path("registration"))]
    return [*crumbs, (call.t(f"registration.tab_{tab}"), call.path("registration", tab))] if tab else crumbs


SECTION = ConsoleSection(
    "registration",
    "settings",
    (
        ConsolePage("registration", show_introduced),
        ConsolePage("registration/agents/{id}/approve", show_approval, approve),
        ConsolePage("registration/agents/{id}/refuse", confirm_refusal, refuse),
        ConsolePage("registration/invitations", show_invitations),
        ConsolePage("registration/invite", show_new_invitation, invite),
        ConsolePage("registration/invited", show_token),
        ConsolePage("registration/invitations/{id}/withdraw", confirm_withdrawal, withdraw),
        ConsolePage("registration/settings", show_settings, save_settings),
        ConsolePage("registration/close", confirm_closing, close),
    ),
)
