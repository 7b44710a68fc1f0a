"""Settings → Environment: what holds for all of an environment, in groups, and its end."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final, NamedTuple, get_args
from urllib.parse import quote

from starlette.responses import Response

from deputize.authority.administration import NoSuchObject, ObjectView
from deputize.authority.branding import LEAST_CONTRAST, Scheme, contrast, palette
from deputize.authority.console.addresses import list_addresses
from deputize.authority.console.call import ConsoleCall
from deputize.authority.console.forms import (
    Choice,
    Choices,
    EntryForm,
    FilledForm,
    Flag,
    FormField,
    Json,
    Number,
    PictureFile,
)
from deputize.authority.console.items import ItemList
from deputize.authority.console.rendering import allow_data_pictures
from deputize.authority.console.requests import problems_of
from deputize.authority.console.section import ConsolePage, ConsoleSection
from deputize.authority.console.session import administrators
from deputize.authority.console.settings import defaults_of, written_out
from deputize.authority.environment_file.problems import EnvironmentFileInvalid
from deputize.kernel.values import JsonObject
from deputize.oauth.records.settings import IdentityProvider, SigningAlgorithm, TrustedIssuer

GROUPS: Final[Mapping[str, EntryForm]] = {
    "general": EntryForm(
        "environment",
        FormField("environment", required=True, maxlength=256),
        Choice("default_policy"),
        FormField("default_language", maxlength=64),
        FormField("activity_retention"),
        FormField("organization_id"),
    ),
    "sign-on": EntryForm(
        "environment",
        FormField("session_lifetime"),
        FormField("session_idle_lifetime"),
        Number("password_policy/min_length"),
        Number("password_policy/max_length"),
        Flag("require_dpop_nonce"),
    ),
    "branding": EntryForm(
        "environment",
        FormField("branding/name", maxlength=256),
        PictureFile("branding/logo"),
        FormField("branding/colour", maxlength=7),
        FormField("branding/dark_colour", maxlength=7),
    ),
}
"""Settings that are changed together, by the tab that shows them."""


class ListedSettings(NamedTuple):
    """A list among the settings, whose items have forms of their own."""

    items: ItemList
    form: EntryForm
    defaults: JsonObject
    """What a form without an item begins with."""


LISTS: Final[Mapping[str, ListedSettings]] = {
    "providers": ListedSettings(
        ItemList("environment", "identity_providers", "name"),
        EntryForm(
            "environment_providers",
            FormField("name", required=True, maxlength=64),
            FormField("title", required=True, maxlength=256),
            FormField("issuer", required=True, maxlength=1024, type="url"),
            FormField("client_id", required=True, maxlength=2048),
            FormField("secret", maxlength=128),
            Choices("algorithms", required=True),
            FormField("subject", maxlength=128),
        ),
        defaults_of(IdentityProvider),
    ),
    "trusted": ListedSettings(
        ItemList("environment", "trusted_issuers", "issuer"),
        EntryForm(
            "environment_trusted",
            FormField("issuer", required=True, maxlength=1024),
            Choices("algorithms", required=True),
            FormField("jwks_uri", maxlength=2048, type="url"),
            Json("jwks", rows=8),
            Choice("users/policy"),
            FormField("users/subject", maxlength=128),
            Flag("users/decides_for_users"),
            Flag("reusable"),
        ),
        defaults_of(TrustedIssuer),
    ),
}
"""The lists, by the tab that shows them."""
TABS: Final = (*GROUPS, *LISTS)
_COLOURS: Final[Sequence[tuple[Scheme, str]]] = (
    ("light", "branding/colour"),
    ("dark", "branding/dark_colour"),
)


class Sample(NamedTuple):
    """How pages would look for one half of those who see them."""

    scheme: Scheme
    colours: Mapping[str, str]
    """By the names of the pages' own style sheet."""
    contrast: str
    """Of the colour to what it stands on, such as `7.1`."""


async def show_group(call: ConsoleCall, tab: str) -> Response:
    """Show settings, to be changed."""
    view = await call.find("environment")
    return show_settings(call, view, tab, GROUPS[tab].fill(written_out(view), call.moments))


async def save_group(call: ConsoleCall, tab: str) -> Response:
    """Change settings, or show what they would look like."""
    view = await call.find("environment")
    form = GROUPS[tab]
    if "preview" in call.typed:
        return await preview(call, view, form)
    saved = await call.save("environment", form, view.id)
    if isinstance(saved, FilledForm):
        return show_settings(call, view, tab, saved)
    if saved.changed.warnings:
        call.frame["flash"] = call.t("environment.saved")
        shown = form.fill(written_out(saved.view), call.moments)
        return show_settings(call, saved.view, tab, shown, saved.changed.warnings)
    return await call.leave(*_place(tab), flash="environment.saved")


async def preview(call: ConsoleCall, view: ObjectView, form: EntryForm) -> Response:
    """Show what pages would look like with what was put in, and what is wrong with that."""
    entry, _ = form.read(call.typed, call.moments)
    filled = form.refill(call.typed)
    try:
        await call.change("environment", entry, dry_run=True)
    except EnvironmentFileInvalid as error:
        filled = filled.with_problems(problems_of(error))
    response = show_settings(call, view, "branding", filled)
    response.status_code = 200  # nothing was asked for that could be refused
    return response


async def export(call: ConsoleCall) -> Response:
    """Hand out the file that makes the environment, as `deputize export` writes it, without any secret."""
    text = await call.administration.environments.export(call.operator, call.environment.id)
    name = quote(f"{call.environment.name}.yaml", safe="")
    disposition = f"attachment; filename=\"environment.yaml\"; filename*=UTF-8''{name}"  # RFC 6266
    headers = {"Content-Disposition": disposition, "Cache-Control": "no-store"}
    return Response(text, media_type="application/yaml", headers=headers)


async def show_list(call: ConsoleCall, tab: str) -> Response:
    """List identity providers, or trusted issuers."""
    view = await call.find("environment")
    return show_tab(call, f"environment_{tab}.html", view, tab, items=LISTS[tab].items.items(view))


async def show_item(call: ConsoleCall, tab: str) -> Response:
    """Show the form of the item in the path, or of a new one."""
    view, listed = await call.find("environment"), LISTS[tab]
    found: JsonObject = {}
    if "item" in call.request.path_params:
        found = listed.items.find(view, call.id("item"))
    return show_item_form(call, view, tab, listed.form.fill({**listed.defaults, **found}, call.moments))


async def save_item(call: ConsoleCall, tab: str) -> Response:
    """Add an item, or change the one in the path."""
    view, listed = await call.find("environment"), LISTS[tab]
    entry, problems = listed.form.read(call.typed, call.moments)
    if problems:
        told = {name: call.t(text) for name, text in problems.items()}
        return show_item_form(call, view, tab, listed.form.refill(call.typed).with_problems(told))
    key = call.id("item") if "item" in call.request.path_params else None
    saved = await listed.items.save(call, view, listed.form, without_unused(entry), key)
    if isinstance(saved, FilledForm):
        return show_item_form(call, view, tab, saved)
    return await call.leave(*_place(tab), flash="environment.saved")


async def confirm_item_removal(call: ConsoleCall, tab: str) -> Response:
    """Ask whether the item in the path is to go. Raises what refuses that."""
    view, item = await call.find("environment"), call.id("item")
    await LISTS[tab].items.remove(call, view, item, dry_run=True)
    return call.confirm(f"remove_{tab}", view, cancel=call.path(*_place(tab)), name=item)


async def remove_item(call: ConsoleCall, tab: str) -> Response:
    """Remove the item in the path."""
    view, item = await call.find("environment"), call.id("item")
    await LISTS[tab].items.remove(call, view, item)
    return await call.leave(*_place(tab), flash="environment.item_removed", name=item)


async def confirm_removal(call: ConsoleCall) -> Response:
    """Ask whether the environment is to go, and say how much goes with it."""
    view = await call.find("environment")
    where = call.operator, view.id
    removal = await call.administration.environments.remove(*where, dry_run=True)
    ends = [
        (name, removal.ends.get(name, 0)) for name in ("agent", "resource", "users", "sessions", "grants")
    ]
    consequences = [call.t(f"environment.ends_{name}", count=count) for name, count in ends]
    return call.confirm(
        "remove",
        view,
        cancel=call.path("environment"),
        consequences=[*consequences, call.t("environment.ends_issuer", issuer=view.facts["issuer"])],
        name=view.name,
    )


async def remove_environment(call: ConsoleCall) -> Response:
    """Remove the environment, and go to the list of those that are left."""
    await call.administration.environments.remove(call.operator, call.environment.id, expected=call.seen)
    home = administrators(call.services)
    if home is None:
        raise NoSuchObject("there is no environment of administrators")
    there = replace(call, environment=home)
    return await there.leave("environments", flash="environment.removed", name=call.environment.name)


def without_unused(entry: JsonObject) -> JsonObject:
    """Return an issuer without `users` where nothing of it was put in: then it says nothing about users."""
    users = entry.get("users")
    is_unused = isinstance(users, Mapping) and not any(users.values())
    return {**entry, "users": None} if is_unused else entry


def show_tab(call: ConsoleCall, template: str, view: ObjectView, tab: str, **values: object) -> Response:
    """Show one of the tabs."""
    return call.show(template, environment_view=view, tabs=TABS, tab=tab, **values)


def show_settings(
    call: ConsoleCall, view: ObjectView, tab: str, form: FilledForm, warnings: Sequence[str] = ()
) -> Response:
    """Show the form of a group of settings, of branding also what it looks like."""
    values: dict[str, object] = {"environment_view": view, "tabs": TABS, "tab": tab, "warnings": warnings}
    values["addresses"] = list_addresses(call)
    if tab != "branding":
        form = form.with_options(default_policy=policy_options(call))
        return call.show_form("environment_group.html", form, **values)
    wrong = form.problems.keys()
    response = call.show_form(
        "environment_branding.html",
        form,
        **values,
        samples=[draw_sample(scheme, "" if name in wrong else form.value(name)) for scheme, name in _COLOURS],
        shown_name=form.value("branding/name").strip() or view.name,
        shown_logo="" if "branding/logo" in wrong else form.value("branding/logo"),
        least_contrast=f"{LEAST_CONTRAST:g}",
    )
    return allow_data_pictures(response)


def draw_sample(scheme: Scheme, colour: str) -> Sample:
    """Return what a page of that scheme looks like with a colour, or with its own where that is none."""
    own = palette(scheme)
    try:
        ratio = contrast(colour.strip(), own["card"])
    except ValueError:
        return Sample(scheme, own, f"{contrast(own['accent'], own['card']):.1f}")
    return Sample(scheme, {**own, "accent": colour.strip()}, f"{ratio:.1f}")


def show_item_form(call: ConsoleCall, view: ObjectView, tab: str, form: FilledForm) -> Response:
    """Show the form of an identity provider or a trusted issuer."""
    key = call.id("item") if "item" in call.request.path_params else ""
    algorithms = [(each, each) for each in get_args(SigningAlgorithm)]
    policies = [("", call.t("environment_trusted.no_users")), *policy_options(call)]
    title = key or call.t(f"environment_{tab}.new")
    return call.show_form(
        "environment_item.html",
        form.with_options(**{"algorithms": algorithms, "users/policy": policies}),
        title=title,
        crumbs=[
            (call.t("environment.title"), call.path("environment")),
            (call.t(f"environment.tab_{tab}"), call.path(*_place(tab))),
        ],
        item=key,
        tab=tab,
        callback=f"{view.facts['issuer']}/callback/",
    )


def policy_options(call: ConsoleCall) -> Sequence[tuple[str, str]]:
    """List the environment's policies, to choose one."""
    names = sorted(each.name for each in call.environment.policies.values())
    return [(name, name) for name in names]


def _place(tab: str) -> Sequence[str]:
    return ("environment",) if tab == "general" else ("environment", tab)


def _pages() -> Sequence[ConsolePage]:
    pages: list[ConsolePage] = []
    for tab in GROUPS:
        path = "/".join(_place(tab))
        pages.append(ConsolePage(path, partial(show_group, tab=tab), partial(save_group, tab=tab)))
    for tab in LISTS:
        path, show, save = f"environment/{tab}", partial(show_item, tab=tab), partial(save_item, tab=tab)
        pages += [
            ConsolePage(path, partial(show_list, tab=tab)),
            ConsolePage(f"environment/add-{tab}", show, save),
            ConsolePage(f"{path}/{{item}}", show, save),
            ConsolePage(
                f"{path}/{{item}}/remove",
                partial(confirm_item_removal, tab=tab),
                partial(remove_item, tab=tab),
            ),
        ]
    return pages


SECTION = ConsoleSection(
    "environment",
    "settings",
    (
        *_pages(),
        ConsolePage("environment/export", export),
        ConsolePage("environment/remove", confirm_removal, remove_environment),
    ),
)
