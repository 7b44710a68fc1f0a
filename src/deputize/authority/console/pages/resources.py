"""Applications → Resources: what tokens are issued for, and what the tokens say."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Final, get_args

from starlette.responses import Response

from deputize.authority.administration import ObjectView
from deputize.authority.console.addresses import list_gateway_settings
from deputize.authority.console.call import ConsoleCall
from deputize.authority.console.ending import say_what_ends
from deputize.authority.console.forms import (
    Area,
    Choice,
    EntryForm,
    FilledForm,
    Flag,
    FormField,
    Pairs,
    YesNo,
)
from deputize.authority.console.items import ItemList
from deputize.authority.console.mapping_trial import SITUATIONS, attempt
from deputize.authority.console.secrets import (
    change_secrets,
    forget_shown,
    leave_to_show,
    overlaps,
    take_shown,
)
from deputize.authority.console.section import ConsolePage, ConsoleSection
from deputize.authority.directory.objects import MAPPINGS
from deputize.jose import DEFAULT_ALGORITHM, Algorithm
from deputize.kernel.values import JsonObject

SOURCES: Final = ("mapping", "expression", "value")
"""Members of an attribute, of which it has one."""
PRESETS: Final[Mapping[str, str]] = {
    "preset-sub": "#root.context.requestData.subjectToken.sub",
    "preset-act": (
        "(#root.context.requestData.subjectToken.may_act.sub"
        " == #root.context.requestData.actorToken.client_id)"
        "?#root.context.requestData.subjectToken.may_act:null"
    ),
    "preset-may_act": (
        '(#root.context.requestData.grantType == "client_credentials")'
        '?null:({ "sub": #root.context.appConfig.clientId })'
    ),
}
"""Expressions that delegation needs, as they can be chosen instead of typed."""
ATTRIBUTES: Final = ItemList("resource", "attributes", "name")
SCOPES: Final = ItemList("resource", "scopes", "name")

PROFILE = EntryForm(
    "resources",
    FormField("name", required=True, maxlength=256),
    FormField("audience", maxlength=2048),
    Area("description"),
    Pairs("descriptions"),
    FormField("token_lifetime", default="1 hour"),
    Choice("access_token_signed_response_alg", default=DEFAULT_ALGORITHM),
    YesNo("delegation_required"),
    Flag("may_outlive_subject"),
    Flag("impersonation_allowed"),
)
NEW = EntryForm("resources", *(each for each in PROFILE.fields if each.name != "impersonation_allowed"))
"""Impersonation is allowed afterwards, which is asked about on a page of its own."""
ATTRIBUTE = EntryForm(
    "resources_attribute",
    FormField("name", required=True, maxlength=256),
    Choice("source"),
    Choice("mapping"),
    Area("expression"),
    FormField("value"),
    Flag("required"),
)
SCOPE = EntryForm(
    "resources_scope",
    FormField("name", required=True, maxlength=256),
    FormField("description"),
    Pairs("descriptions"),
    Choice("consent", default="first"),
)


async def show_resources(call: ConsoleCall) -> Response:
    """List the resources."""
    return call.show("resources.html", page=await call.list("resource"))


async def show_new_resource(call: ConsoleCall) -> Response:
    """Show the form of a new resource."""
    return show_profile(call, NEW.fill({}, call.moments))


async def show_resource(call: ConsoleCall) -> Response:
    """Show a resource, to be changed."""
    resource = await call.find("resource")
    return show_profile(call, PROFILE.fill(resource.entry, call.moments), resource)


async def create_resource(call: ConsoleCall) -> Response:
    """Create a resource, and go to where its secret is shown."""
    saved = await call.save("resource", NEW)
    if isinstance(saved, FilledForm):
        return show_profile(call, saved)
    secret = saved.changed.secrets[0].text
    return await leave_to_show(call, "resources", saved.view.id, "secret", secret=secret)


async def save_resource(call: ConsoleCall) -> Response:
    """Change the resource in the path; where that would allow impersonation, ask about it first."""
    resource = await call.find("resource")
    asks = "impersonation_allowed" in call.typed and not resource.entry.get("impersonation_allowed")
    where = ("resource", PROFILE, resource.id)
    saved = await (call.save(*where, impersonation_allowed=False) if asks else call.save(*where))
    if isinstance(saved, FilledForm):
        return show_profile(call, saved, resource)
    if asks:
        return await call.leave("resources", saved.view.id, "impersonation")
    return await call.leave("resources", saved.view.id, flash="resources.saved", name=saved.view.name)


async def confirm_impersonation(call: ConsoleCall) -> Response:
    """Ask whether tokens of a resource may leave out who acts."""
    resource = await call.find("resource")
    cancel = call.path("resources", resource.id)
    return call.confirm("impersonate", resource, cancel=cancel, name=resource.name)


async def allow_impersonation(call: ConsoleCall) -> Response:
    """Allow exchanges for the resource to yield tokens that leave out who acts."""
    resource = await call.find("resource")
    await call.change("resource", {"impersonation_allowed": True}, object_id=resource.id)
    return await call.leave("resources", resource.id, flash="resources.saved", name=resource.name)


async def confirm_removal(call: ConsoleCall) -> Response:
    """Ask whether a resource is to go, and say what ends with it; raises `InUse` for agents that name it."""
    resource = await call.find("resource")
    where = (call.operator, call.environment.id, "resource", resource.id)
    removal = await call.administration.remove(*where, dry_run=True)
    told = say_what_ends(call, removal.ends, "grants")
    agents = (each.title for each in call.environment.agents.values() if each.scopes.get(resource.id))
    told += [call.t("resources.ends_agent", name=name) for name in sorted(agents)]
    cancel = call.path("resources", resource.id)
    return call.confirm("remove", resource, cancel=cancel, consequences=told, name=resource.name)


async def remove_resource(call: ConsoleCall) -> Response:
    """Remove the resource."""
    resource = await call.find("resource")
    await call.administration.remove(call.operator, call.environment.id, "resource", resource.id)
    return await call.leave("resources", flash="resources.removed", name=resource.name)


async def show_attributes(call: ConsoleCall) -> Response:
    """List what the tokens say beside what the server says in each."""
    resource = await call.find("resource")
    return show_tab(call, "resources_attributes.html", resource, "attributes")


async def show_attribute(call: ConsoleCall) -> Response:
    """Show the mapping editor, for the attribute in the path or a new one."""
    resource = await call.find("resource")
    found: JsonObject = {"mapping": "Username"}
    if "item" in call.request.path_params:
        found = ATTRIBUTES.find(resource, call.id("item"))
    source = next(name for name in SOURCES if name in found)
    return show_mapping(call, resource, ATTRIBUTE.fill({**found, "source": source}, call.moments), found)


async def save_attribute(call: ConsoleCall) -> Response:
    """Evaluate the mapping that was put in, or keep it."""
    resource = await call.find("resource")
    entry, problems = ATTRIBUTE.read(call.typed, call.moments)
    source = str(entry.pop("source"))
    if source in PRESETS:
        source, entry["expression"] = "expression", PRESETS[source]
    chosen = {name: value for name, value in entry.items() if name not in SOURCES}
    chosen |= {name: entry.get(name) or "" if name == source else None for name in SOURCES}
    form = ATTRIBUTE.refill(call.typed)
    if "evaluate" in call.typed:
        return show_mapping(call, resource, form, chosen)
    if problems:
        told = {name: call.t(text) for name, text in problems.items()}
        return show_mapping(call, resource, form.with_problems(told), chosen)
    key = call.id("item") if "item" in call.request.path_params else None
    saved = await ATTRIBUTES.save(call, resource, ATTRIBUTE, chosen, key)
    if isinstance(saved, FilledForm):
        return show_mapping(call, resource, saved, chosen)
    name = str(chosen["name"])
    return await call.leave(
        "resources", resource.id, "attributes", flash="resources.attribute_saved", name=name
    )


async def remove_attribute(call: ConsoleCall) -> Response:
    """Remove the attribute in the path."""
    resource, name = await call.find("resource"), call.id("item")
    await ATTRIBUTES.remove(call, resource, name)
    return await call.leave(
        "resources", resource.id, "attributes", flash="resources.attribute_removed", name=name
    )


async def show_scopes(call: ConsoleCall) -> Response:
    """List what agents can be granted on the resource."""
    return show_tab(call, "resources_scopes.html", await call.find("resource"), "scopes")


async def show_scope(call: ConsoleCall) -> Response:
    """Show the form of the scope in the path, or of a new one."""
    resource = await call.find("resource")
    found: JsonObject = {}
    if "item" in call.request.path_params:
        found = SCOPES.find(resource, call.id("item"))
    return show_scope_form(call, resource, SCOPE.fill(found, call.moments))


async def save_scope(call: ConsoleCall) -> Response:
    """Add a scope, or change the one in the path."""
    resource = await call.find("resource")
    entry, problems = SCOPE.read(call.typed, call.moments)
    if problems:
        told = {name: call.t(text) for name, text in problems.items()}
        return show_scope_form(call, resource, SCOPE.refill(call.typed).with_problems(told))
    key = call.id("item") if "item" in call.request.path_params else None
    saved = await SCOPES.save(call, resource, SCOPE, entry, key)
    if isinstance(saved, FilledForm):
        return show_scope_form(call, resource, saved)
    name = str(entry["name"])
    return await call.leave("resources", resource.id, "scopes", flash="resources.scope_saved", name=name)


async def remove_scope(call: ConsoleCall) -> Response:
    """Remove the scope in the path."""
    resource, name = await call.find("resource"), call.id("item")
    await SCOPES.remove(call, resource, name)
    return await call.leave("resources", resource.id, "scopes", flash="resources.scope_removed", name=name)


async def show_secrets(call: ConsoleCall) -> Response:
    """Show the id, and when its secrets came and go."""
    resource = await call.find("resource")
    return show_tab(call, "resources_secrets.html", resource, "secrets", overlaps=overlaps(call))


async def save_secrets(call: ConsoleCall) -> Response:
    """Draw a new secret, or end those before it."""
    return await change_secrets(call, "resource", await call.find("resource"))


async def show_new_secret(call: ConsoleCall) -> Response:
    """Show a new secret, this once, with what a gateway takes of it, and what is done next."""
    resource = await call.find("resource")
    stored = call.environment.resources[resource.id]
    shown = await take_shown(call, "resources", resource.id, "secret")
    lines: Sequence[str] = ()
    if shown and (stored.maps("act") or "://" in stored.audience):
        lines = list_gateway_settings(call, stored, b64encode(str(shown["secret"]).encode()).decode())
    response = show_tab(call, "resources_secret.html", resource, "secrets", shown=shown, lines=lines)
    return forget_shown(call, response)


def show_tab(call: ConsoleCall, template: str, resource: ObjectView, tab: str, **values: object) -> Response:
    """Show one of the resource's tabs."""
    crumbs = [(call.t("resources.title"), call.path("resources"))]
    return call.show(template, title=resource.name, crumbs=crumbs, resource=resource, tab=tab, **values)


def show_profile(call: ConsoleCall, form: FilledForm, resource: ObjectView | None = None) -> Response:
    """Show a resource's form, or that of a new one."""
    form = form.with_options(
        delegation_required=[
            (value, call.t(f"resources.delegation_{value or 'default'}")) for value in ("", "true", "false")
        ],
        access_token_signed_response_alg=[(each, each) for each in get_args(Algorithm)],
    )
    return call.show_form(
        "resources_form.html",
        form,
        title=resource.name if resource else call.t("resources.new"),
        crumbs=[(call.t("resources.title"), call.path("resources"))],
        resource=resource,
        tab="overview",
    )


def show_mapping(
    call: ConsoleCall, resource: ObjectView, form: FilledForm, attribute: JsonObject
) -> Response:
    """Show the mapping editor, with what the mapping yields."""
    stored = call.environment.resources[resource.id]
    form = form.with_options(
        source=[(name, call.t(f"resources_attribute.source_{name}")) for name in (*SOURCES, *PRESETS)],
        mapping=[(name, name) for name in MAPPINGS],
    )
    return call.show_form(
        "resources_attribute.html",
        form,
        title=form.value("name") or call.t("resources_attribute.new"),
        crumbs=_crumbs(call, resource, "attributes"),
        resource=resource,
        trial=attempt(call.environment, stored, attribute, call.typed),
        situations=[
            (each, call.t(f"resources_attribute.situation_{each.rpartition(':')[2]}")) for each in SITUATIONS
        ],
        allows_impersonation=stored.settings.impersonation_allowed,
    )


def show_scope_form(call: ConsoleCall, resource: ObjectView, form: FilledForm) -> Response:
    """Show a scope's form."""
    consents = [(each, call.t(f"resources_scope.consent_{each}")) for each in ("first", "on_use")]
    return call.show_form(
        "resources_scope.html",
        form.with_options(consent=consents),
        title=form.value("name") or call.t("resources_scope.new"),
        crumbs=_crumbs(call, resource, "scopes"),
        resource=resource,
    )


def _crumbs(call: ConsoleCall, resource: ObjectView, tab: str) -> Sequence[tuple[str, str]]:
    return [
        (call.t("resources.title"), call.path("resources")),
        (resource.name, call.path("resources", resource.id)),
        (call.t(f"resources.tab_{tab}"), call.path("resources", resource.id, tab)),
    ]


SECTION = ConsoleSection(
    "resources",
    "applications",
    (
        ConsolePage("resources", show_resources),
        ConsolePage("resources/new", show_new_resource, create_resource),
        ConsolePage("resources/{id}", show_resource, save_resource),
        ConsolePage("resources/{id}/impersonation", confirm_impersonation, allow_impersonation),
        ConsolePage("resources/{id}/remove", confirm_removal, remove_resource),
        ConsolePage("resources/{id}/attributes", show_attributes),
        ConsolePage("resources/{id}/add-attribute", show_attribute, save_attribute),
        ConsolePage("resources/{id}/attributes/{item}", show_attribute, save_attribute),
        ConsolePage("resources/{id}/attributes/{item}/remove", None, remove_attribute),
        ConsolePage("resources/{id}/scopes", show_scopes),
        ConsolePage("resources/{id}/add-scope", show_scope, save_scope),
        ConsolePage("resources/{id}/scopes/{item}", show_scope, save_scope),
        ConsolePage("resources/{id}/scopes/{item}/remove", None, remove_scope),
        ConsolePage("resources/{id}/secrets", show_secrets, save_secrets),
        ConsolePage("resources/{id}/secret", show_new_secret),
    ),
)
