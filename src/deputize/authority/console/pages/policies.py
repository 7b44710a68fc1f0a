"""Authentication → Policies: what users go through to sign on, step by step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from deputize.authority.administration import EtagMismatch, NoSuchObject, ObjectView
from deputize.authority.console.call import ConsoleCall, Saved
from deputize.authority.console.forms import (
    Choice,
    Choices,
    EntryForm,
    FilledForm,
    Flag,
    FormField,
    Json,
    Options,
)
from deputize.authority.console.items import ItemList
from deputize.authority.console.section import ConsolePage, ConsoleSection
from deputize.authority.directory.objects.policy import find_step
from deputize.authority.signon.steps import STEPS
from deputize.kernel.values import JsonObject, JsonValue
from deputize.oauth.consents import AGREEMENT_STEP
from deputize.oauth.records.directory import Agent, Policy

ITEMS: Final = ItemList("policy", "steps")
MAX_SHOWN: Final = 20
"""Agents that are named on the page of the policy by which their users sign on."""
PROFILE = EntryForm("policies", FormField("name", required=True, maxlength=256))
STEP_FIELDS: Final[Mapping[str, Sequence[FormField]]] = {
    "login": (Flag("login/or_passkey"), Choices("login/or_providers")),
    "passkey": (Choice("passkey/required_of", default="everybody"),),
    "totp": (Choice("totp/required_of", default="everybody"), Flag("totp/or_passkey")),
    "external": (Choice("external/provider", required=True),),
    "agreement_prompt": (Choice("agreement_prompt/agreement", required=True),),
}
"""What can be set of the steps that there are texts for; of those of other packages, whatever they take."""
REQUIRED_OF: Final[Mapping[str, Sequence[str]]] = {
    "passkey": ("everybody", "enrolled", "nobody"),
    "totp": ("everybody", "enrolled"),
}


@dataclass(frozen=True, slots=True)
class StepLine:
    """A step as people read it."""

    kind: str
    title: str
    details: Sequence[str]
    """What is set of it, in words."""
    meaning: str
    """What it asks of users."""
    signs_on: bool
    """Whether a policy may begin with it."""


async def show_policies(call: ConsoleCall) -> Response:
    """List the policies, each with its steps in words."""
    page = await call.list("policy")
    lines = {each.id: describe(call, each) for each in page.items}
    return call.show(
        "policies.html", page=page, lines=lines, default=call.environment.settings.default_policy
    )


async def show_new_policy(call: ConsoleCall) -> Response:
    """Show the form of a new policy."""
    return show_profile(call, PROFILE.fill({}, call.moments))


async def create_policy(call: ConsoleCall) -> Response:
    """Create a policy that begins with a password; its steps are changed on its page."""
    saved = await call.save("policy", PROFILE, steps=[{"login": {}}])
    if isinstance(saved, FilledForm):
        return show_profile(call, saved)
    return await call.leave("policies", saved.view.id, flash="policies.created", name=saved.view.name)


async def show_policy(call: ConsoleCall) -> Response:
    """Show a policy's steps, in their order, and who signs on by it."""
    policy = await call.find("policy")
    return show_profile(call, PROFILE.fill(policy.entry, call.moments), policy)


async def rename_policy(call: ConsoleCall) -> Response:
    """Give the policy in the path another name; agents that name it follow."""
    policy = await call.find("policy")
    saved = await call.save("policy", PROFILE, policy.id)
    if isinstance(saved, FilledForm):
        return show_profile(call, saved, policy)
    return await call.leave("policies", policy.id, flash="policies.saved", name=saved.view.name)


async def confirm_removal(call: ConsoleCall) -> Response:
    """Ask whether a policy is to go."""
    policy = await call.find("policy")
    await call.administration.remove(call.operator, call.environment.id, "policy", policy.id, dry_run=True)
    return call.confirm("remove", policy, cancel=call.path("policies", policy.id), name=policy.name)


async def remove_policy(call: ConsoleCall) -> Response:
    """Remove the policy."""
    policy = await call.find("policy")
    await call.administration.remove(call.operator, call.environment.id, "policy", policy.id)
    return await call.leave("policies", flash="policies.removed", name=policy.name)


async def show_kinds(call: ConsoleCall) -> Response:
    """Show the kinds of step that can be added, and what each asks of users."""
    policy = await call.find("policy")
    kinds = [describe_step(call, {each.name: {}}) for each in STEPS.members]
    return call.show(
        "policies_kinds.html",
        title=call.t("policies.add_step"),
        crumbs=_crumbs(call, policy),
        policy=policy,
        kinds=kinds,
    )


async def show_new_step(call: ConsoleCall) -> Response:
    """Show the settings of a step of the kind in the path."""
    policy, kind = await call.find("policy"), read_kind(call)
    return show_step_form(call, policy, kind, step_form(kind).fill({}, call.moments))


async def show_step(call: ConsoleCall) -> Response:
    """Show the settings of the step in the path."""
    policy = await call.find("policy")
    step = ITEMS.find(policy, call.id("item"))
    kind = next(iter(step))
    return show_step_form(call, policy, kind, step_form(kind).fill(step, call.moments))


async def save_step(call: ConsoleCall) -> Response:
    """Add a step behind all others, or set up the one in the path anew."""
    policy = await call.find("policy")
    key = call.id("item") if "item" in call.request.path_params else None
    kind = read_kind(call) if key is None else next(iter(ITEMS.find(policy, key)))
    form = step_form(kind)
    entry, problems = form.read(call.typed, call.moments)
    saved: Saved | FilledForm = form.refill(call.typed).with_problems(
        {name: call.t(text) for name, text in problems.items()}
    )
    if not problems:
        require_seen(call, policy)
        saved = await ITEMS.save(call, policy, form, {kind: {}, **written_settings(entry)}, key)
    if isinstance(saved, FilledForm):
        return show_step_form(call, policy, kind, saved)
    return await call.leave("policies", policy.id, flash="policies.step_saved")


async def move_step(call: ConsoleCall) -> Response:
    """Move the step in the path before the one above it, or behind the one below."""
    policy = await call.find("policy")
    require_seen(call, policy)
    by = -1 if call.typed.get("to") == ["up"] else 1
    await ITEMS.move(call, policy, call.id("item"), by)
    return await call.leave("policies", policy.id, flash="policies.step_moved")


async def confirm_step_removal(call: ConsoleCall) -> Response:
    """Ask whether a step is to go, and say what that lets happen."""
    policy, item = await call.find("policy"), call.id("item")
    line = describe_step(call, ITEMS.find(policy, item))
    changed = await ITEMS.remove(call, policy, item, dry_run=True)
    return call.confirm(
        "remove_step",
        policy,
        cancel=call.path("policies", policy.id),
        consequences=[line.meaning, *changed.warnings],
        step=line.title,
        name=policy.name,
    )


async def remove_step(call: ConsoleCall) -> Response:
    """Remove the step in the path."""
    policy = await call.find("policy")
    require_seen(call, policy)
    await ITEMS.remove(call, policy, call.id("item"))
    return await call.leave("policies", policy.id, flash="policies.step_removed")


def require_seen(call: ConsoleCall, policy: ObjectView) -> None:
    """Raise `EtagMismatch` where the form was made for other steps: places would mean others by now."""
    if call.seen != policy.etag:
        raise EtagMismatch(policy.etag)


def read_kind(call: ConsoleCall) -> str:
    """Return the kind of step in the path. Raises `NoSuchObject`."""
    kind = call.id("kind")
    if find_step(kind) is None:
        raise NoSuchObject(f"there is no kind of step {kind!r}")
    return kind


def step_form(kind: str) -> EntryForm:
    """Return the form with what can be set of a kind of step."""
    return EntryForm("policies_step", *STEP_FIELDS.get(kind, (Json(kind),)))


def written_settings(entry: Mapping[str, JsonValue]) -> JsonObject:
    """Return a step as the form has it, without what was left empty."""
    return {
        kind: {name: value for name, value in settings.items() if value not in (None, False, [])}
        if isinstance(settings, Mapping)
        else settings
        for kind, settings in entry.items()
        if settings is not None
    }


def describe(call: ConsoleCall, policy: ObjectView) -> Sequence[StepLine]:
    """Return a policy's steps in words, in their order."""
    return [describe_step(call, each) for each in ITEMS.items(policy)]


def describe_step(call: ConsoleCall, step: JsonObject) -> StepLine:
    """Return a step in words; one of another package by what it is called there."""
    texts = call.language.texts
    ((kind, settings),) = step.items()
    details: list[str] = []
    for name, value in settings.items() if isinstance(settings, Mapping) else ():
        label = f"policies_step.{kind}_{name}"
        words = f"{label}_{value}"
        if value is True and label in texts:
            details.append(call.t(label))
        elif words in texts:
            details.append(call.t(words))
        elif label in texts and isinstance(value, str | list):
            shown = value if isinstance(value, str) else ", ".join(map(str, value))
            details.append(f"{call.t(label)}: {shown}")
        elif value is not None and value is not False:
            details.append(f"{name}: {value}")
    known = find_step(kind)
    signs_on = known is not None and known.signs_on
    title = f"policies_step.{kind}_title"
    if title not in texts:
        return StepLine(kind, kind, details, call.t("policies_step.other_text"), signs_on)
    return StepLine(kind, call.t(title), details, call.t(f"policies_step.{kind}_text"), signs_on)


def users_of(call: ConsoleCall, policy: Policy) -> Sequence[Agent]:
    """Return the agents whose users sign on by a policy, by name."""
    default = call.environment.settings.default_policy
    agents = call.environment.agents.values()
    found = (each for each in agents if policy.name in (each.policies or (default,)) and each.redirect_uris)
    return sorted(found, key=lambda each: each.name)


def options_of(call: ConsoleCall, kind: str) -> Mapping[str, Options]:
    """Return what can be chosen in the form of a kind of step, by the name of the field."""
    environment = call.environment
    providers = [(each.name, each.title) for each in environment.settings.identity_providers]
    agreements = sorted(each.name for each in environment.agreements.values() if each.enabled)
    required = [
        (value, call.t(f"policies_step.{kind}_required_of_{value}")) for value in REQUIRED_OF.get(kind, ())
    ]
    return {
        "login/or_providers": providers,
        "external/provider": providers,
        "agreement_prompt/agreement": [(each, each) for each in agreements],
        f"{kind}/required_of": required,
    }


def show_profile(call: ConsoleCall, form: FilledForm, policy: ObjectView | None = None) -> Response:
    """Show a policy with its steps and its form, or the form of a new one."""
    values: dict[str, object] = {}
    if policy is not None:
        stored = next((each for each in call.environment.policies.values() if each.id == policy.id), None)
        agents = users_of(call, stored) if stored else ()
        values = {
            "lines": describe(call, policy),
            "is_default": policy.name == call.environment.settings.default_policy,
            "agents": agents[:MAX_SHOWN],
            "more_agents": max(0, len(agents) - MAX_SHOWN),
            "asks": stored is not None and any(each.type == AGREEMENT_STEP for each in stored.steps),
        }
    return call.show_form(
        "policies_form.html",
        form,
        title=policy.name if policy else call.t("policies.new"),
        crumbs=[(call.t("policies.title"), call.path("policies"))],
        policy=policy,
        **values,
    )


def show_step_form(call: ConsoleCall, policy: ObjectView, kind: str, form: FilledForm) -> Response:
    """Show the settings of a step, and what it asks of users."""
    return call.show_form(
        "policies_step.html",
        form.with_options(**options_of(call, kind)),
        title=describe_step(call, {kind: {}}).title,
        crumbs=_crumbs(call, policy),
        policy=policy,
        meaning=describe_step(call, {kind: {}}).meaning,
        lacks_provider=kind == "external" and not call.environment.settings.identity_providers,
        lacks_agreement=kind == "agreement_prompt"
        and not any(each.enabled for each in call.environment.agreements.values()),
    )


def _crumbs(call: ConsoleCall, policy: ObjectView) -> Sequence[tuple[str, str]]:
    return [
        (call.t("policies.title"), call.path("policies")),
        (policy.name, call.path("policies", policy.id)),
    ]


SECTION = ConsoleSection(
    "policies",
    "authentication",
    (
        ConsolePage("policies", show_policies),
        ConsolePage("policies/new", show_new_policy, create_policy),
        ConsolePage("policies/{id}", show_policy, rename_policy),
        ConsolePage("policies/{id}/remove", confirm_removal, remove_policy),
        ConsolePage("policies/{id}/add", show_kinds),
        ConsolePage("policies/{id}/add/{kind}", show_new_step, save_step),
        ConsolePage("policies/{id}/steps/{item}", show_step, save_step),
        ConsolePage("policies/{id}/steps/{item}/move", None, move_step),
        ConsolePage("policies/{id}/steps/{item}/remove", confirm_step_removal, remove_step),
    ),
)
