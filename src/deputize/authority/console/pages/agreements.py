"""User Experience → Agreements: what people agree to before an agent may act for them."""

from collections.abc import Sequence
from typing import Final

from starlette.responses import Response

from deputize.authority.administration import ObjectView
from deputize.authority.console.call import ConsoleCall
from deputize.authority.console.forms import Area, Choice, EntryForm, FilledForm, Flag, FormField
from deputize.authority.console.items import ItemList
from deputize.authority.console.section import ConsolePage, ConsoleSection
from deputize.authority.console.wording_changes import compare_wordings
from deputize.authority.signon.steps.agreement_prompt import to_safe_html
from deputize.kernel.values import JsonObject
from deputize.oauth.records.directory import AgreementText

KINDS: Final = ("text/plain", "text/html")
LANGUAGES: Final = ItemList("agreement", "languages", "locale")

PROFILE = EntryForm(
    "agreements",
    FormField("name", required=True, maxlength=256),
    Area("description"),
    FormField("reconsent_every", default="never"),
    Flag("enabled", default=True),
)
WITHOUT_TEXT = EntryForm("agreements", *PROFILE.fields[:-1])
"""Of an agreement that cannot be enabled yet."""
LANGUAGE = EntryForm(
    "agreements_language",
    FormField("locale", required=True, maxlength=64),
    FormField("title", required=True, maxlength=256),
    Choice("content_type", default="text/plain"),
    Area("text", required=True, maxlength=32_000, rows=12),
    Flag("enabled", default=True),
)


async def show_agreements(call: ConsoleCall) -> Response:
    """List the agreements."""
    return call.show("agreements.html", page=await call.list("agreement", "enabled"))


async def show_new_agreement(call: ConsoleCall) -> Response:
    """Show the form of a new agreement, which cannot be enabled before it has a text."""
    return show_profile(call, WITHOUT_TEXT.fill({}, call.moments))


async def show_agreement(call: ConsoleCall) -> Response:
    """Show an agreement, to be changed."""
    agreement = await call.find("agreement")
    return show_profile(call, choose_form(call, agreement).fill(agreement.entry, call.moments), agreement)


async def save_agreement(call: ConsoleCall) -> Response:
    """Create an agreement, whose text is then written, or change the one in the path."""
    agreement = await call.find("agreement") if "id" in call.request.path_params else None
    if agreement is None:
        saved = await call.save("agreement", WITHOUT_TEXT, enabled=False)
    else:
        saved = await call.save("agreement", choose_form(call, agreement), agreement.id)
    if isinstance(saved, FilledForm):
        return show_profile(call, saved, agreement)
    name, after = saved.view.name, ["agreements", saved.view.id]
    if agreement is None:
        return await call.leave(*after, "add-language", flash="agreements.created", name=name)
    return await call.leave(*after, flash="agreements.saved", name=name)


async def confirm_removal(call: ConsoleCall) -> Response:
    """Ask whether an agreement is to go, and say how much rests on it."""
    agreement = await call.find("agreement")
    removal = await call.administration.remove(
        call.operator, call.environment.id, "agreement", agreement.id, dry_run=True
    )
    consents = removal.ends.get("consents", 0)
    return call.confirm(
        "remove",
        agreement,
        cancel=call.path("agreements", agreement.id),
        consequences=[call.t("agreements.ends_consents", count=consents)],
        name=agreement.name,
    )


async def remove_agreement(call: ConsoleCall) -> Response:
    """Remove the agreement."""
    agreement = await call.find("agreement")
    await call.administration.remove(call.operator, call.environment.id, "agreement", agreement.id)
    return await call.leave("agreements", flash="agreements.removed", name=agreement.name)


async def show_languages(call: ConsoleCall) -> Response:
    """List the languages, each as people read it."""
    agreement = await call.find("agreement")
    shown = [(each, preview(each)) for each in LANGUAGES.items(agreement)]
    values = {"languages": shown, "as_html": to_safe_html}
    return show_tab(call, "agreements_languages.html", agreement, "languages", **values)


async def show_language(call: ConsoleCall) -> Response:
    """Show the form of the language in the path, or of a new one."""
    agreement = await call.find("agreement")
    found: JsonObject = {
        "locale": "" if LANGUAGES.items(agreement) else call.environment.settings.default_language
    }
    if "item" in call.request.path_params:
        found = LANGUAGES.find(agreement, call.id("item"))
    return await show_wording(call, agreement, LANGUAGE.fill(found, call.moments), found)


async def save_language(call: ConsoleCall) -> Response:
    """Show what the wording looks like and what it changes, or keep it; the first leads to enabling it."""
    agreement = await call.find("agreement")
    entry, problems = LANGUAGE.read(call.typed, call.moments)
    form = LANGUAGE.refill(call.typed)
    if "preview" in call.typed:
        return await show_wording(call, agreement, form, entry)
    if problems:
        told = {name: call.t(text) for name, text in problems.items()}
        return await show_wording(call, agreement, form.with_problems(told), entry)
    key = call.id("item") if "item" in call.request.path_params else None
    saved = await LANGUAGES.save(call, agreement, LANGUAGE, entry, key)
    if isinstance(saved, FilledForm):
        return await show_wording(call, agreement, saved, entry)
    is_disabled = agreement.entry.get("enabled", True) is False
    if is_disabled and not LANGUAGES.items(agreement) and not _lacks_text(call, saved.view):
        return await call.leave("agreements", agreement.id, flash="agreements.written", name=agreement.name)
    before, after = agreement.facts.get("version"), saved.view.facts.get("version")
    flash = "agreements.saved" if before == after else "agreements.saved_version"
    values = {"name": f"{agreement.name} ({entry['locale']})", "version": str(after)}
    return await call.leave("agreements", agreement.id, "languages", flash=flash, **values)


async def remove_language(call: ConsoleCall) -> Response:
    """Remove the language in the path."""
    agreement, locale = await call.find("agreement"), call.id("item")
    await LANGUAGES.remove(call, agreement, locale)
    return await call.leave(
        "agreements", agreement.id, "languages", flash="agreements.saved", name=agreement.name
    )


async def show_versions(call: ConsoleCall) -> Response:
    """Show each wording that was changed, and what the next one of its language made of it."""
    agreement = await call.find("agreement")
    where = (call.operator, call.environment.id, agreement.id)
    earlier = await call.administration.earlier_wordings(*where)
    later = {str(each["locale"]): str(each["text"]) for each in LANGUAGES.items(agreement)}
    changes: list[tuple[object, object]] = []
    for each in reversed(earlier):
        changes.append((each, compare_wordings(each.text, later.get(each.locale, ""))))
        later[each.locale] = each.text
    return show_tab(call, "agreements_versions.html", agreement, "versions", changes=changes)


def choose_form(call: ConsoleCall, agreement: ObjectView) -> EntryForm:
    """Return the form of an agreement: without the box that nobody can tick yet."""
    is_enabled = agreement.entry.get("enabled", True)
    return PROFILE if is_enabled or not _lacks_text(call, agreement) else WITHOUT_TEXT


def preview(language: JsonObject) -> AgreementText:
    """Return a wording as its page shows it."""
    locale, title, kind, text = (
        str(language.get(name) or "") for name in ("locale", "title", "content_type", "text")
    )
    is_tag = locale.isascii() and locale.replace("-", "").isalnum()  # it becomes the language of an element
    return AgreementText(locale if is_tag else "", title, kind or KINDS[0], text, "")


async def show_wording(
    call: ConsoleCall, agreement: ObjectView, form: FilledForm, language: JsonObject
) -> Response:
    """Show a wording's form, how people will see it, what it changes, and whom it has asked again."""
    is_known = "item" in call.request.path_params
    kept: JsonObject = LANGUAGES.find(agreement, call.id("item")) if is_known else {}
    shown, before = preview(language), preview(kept)
    is_changed = is_known and (shown.title, shown.content_type, shown.text) != (
        before.title,
        before.content_type,
        before.text,
    )
    asked_again = 0
    if is_changed:
        listings = call.services.store.listings
        now = call.services.clock.now()
        ends = await listings.ends_with(call.environment.id, "agreement", agreement.id, now)
        asked_again = ends.get("consents", 0)
    return call.show_form(
        "agreements_language.html",
        form.with_options(content_type=[(each, call.t(f"agreements_language.{each}")) for each in KINDS]),
        title=call.id("item") if is_known else call.t("agreements_language.new"),
        crumbs=[
            *_crumbs(call, agreement),
            (call.t("agreements.tab_languages"), call.path("agreements", agreement.id, "languages")),
        ],
        agreement=agreement,
        shown=shown,
        html=to_safe_html(shown),
        changes=compare_wordings(before.text, shown.text) if is_changed else (),
        asked_again=asked_again,
    )


def show_profile(call: ConsoleCall, form: FilledForm, agreement: ObjectView | None = None) -> Response:
    """Show an agreement's form, or that of a new one."""
    return call.show_form(
        "agreements_form.html",
        form,
        title=agreement.name if agreement else call.t("agreements.new"),
        crumbs=_crumbs(call),
        agreement=agreement,
        tab="overview",
        due=_reasons_not_shown(call, agreement) if agreement else (),
    )


def show_tab(call: ConsoleCall, template: str, agreement: ObjectView, tab: str, **values: object) -> Response:
    """Show one of the agreement's tabs."""
    return call.show(
        template, title=agreement.name, crumbs=_crumbs(call), agreement=agreement, tab=tab, **values
    )


def _reasons_not_shown(call: ConsoleCall, agreement: ObjectView) -> Sequence[str]:
    """Return why nobody is shown this agreement (use case §E, "no consent prompt")."""
    environment, default = call.environment, call.environment.settings.default_language
    policies = {
        policy.name
        for policy in environment.policies.values()
        if any(agreement.id in step.settings.values() for step in policy.steps)
    }
    agents = [each for each in environment.agents.values() if not policies.isdisjoint(each.policies)]
    reasons = {
        "is_disabled": agreement.entry.get("enabled", True) is False,
        "no_default_language": _lacks_text(call, agreement),
        "no_policy": not policies,
        "no_agent": bool(policies) and not agents,
    }
    return [call.t(f"agreements.{name}", locale=default) for name, applies in reasons.items() if applies]


def _lacks_text(call: ConsoleCall, agreement: ObjectView) -> bool:
    """Whether it cannot be enabled: no enabled text is in the environment's default language."""
    shown = [each["locale"] for each in LANGUAGES.items(agreement) if each.get("enabled", True)]
    return call.environment.settings.default_language not in shown


def _crumbs(call: ConsoleCall, agreement: ObjectView | None = None) -> list[tuple[str, str]]:
    crumbs = [(call.t("agreements.title"), call.path("agreements"))]
    return [*crumbs, (agreement.name, call.path("agreements", agreement.id))] if agreement else crumbs


SECTION = ConsoleSection(
    "agreements",
    "experience",
    (
        ConsolePage("agreements", show_agreements),
        ConsolePage("agreements/new", show_new_agreement, save_agreement),
        ConsolePage("agreements/{id}", show_agreement, save_agreement),
        ConsolePage("agreements/{id}/remove", confirm_removal, remove_agreement),
        ConsolePage("agreements/{id}/languages", show_languages),
        ConsolePage("agreements/{id}/add-language", show_language, save_language),
        ConsolePage("agreements/{id}/languages/{item}", show_language, save_language),
        ConsolePage("agreements/{id}/languages/{item}/remove", None, remove_language),
        ConsolePage("agreements/{id}/versions", show_versions),
    ),
)
