"""The Agreement Prompt step.

A text the user accepts before an agent acts for them, for what the page lists.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from deputize.authority.services import Services
from deputize.authority.signon.agreement_text import wording
from deputize.authority.signon.disclosure import Disclosure, disclose
from deputize.authority.signon.languages import Language, direction
from deputize.authority.signon.pages import Page, Problem
from deputize.authority.signon.situation import SignedOn, Situation
from deputize.authority.signon.step import Again, Declined, Done, Outcome, SignOnStep, SomebodyElse
from deputize.kernel.digests import same
from deputize.kernel.uris import is_loopback_host
from deputize.oauth.authorization_request import AuthorizationRequest
from deputize.oauth.consents import (
    AgreementMissing,
    choose_text,
    due_agreements,
    effective_agreements,
    extend_consent,
    is_in_force,
    new_consent,
)
from deputize.oauth.errors import ServerError
from deputize.oauth.records.directory import Agreement, AgreementText, Step
from deputize.oauth.records.store import Consent


def is_due(step: Step, situation: Situation) -> bool:
    """Whether something that the request reaches is not consented to, or the agent wants to be sure
    (`prompt=consent`).

    A disabled agreement is never due. Raises `ServerError` when the agreement is gone: nobody can tell what
    would have to be accepted.
    """
    asked = _asked(situation)
    policy, agreements = replace(situation.policy, steps=(step,)), situation.environment.agreements
    try:
        if due_agreements(policy, agreements, asked.consents, situation.reach, situation.now):
            return True
        # A consent is one user's, so that nobody answers for who signs on after them in the same browser.
        answered = {each.agreement_id for each in asked.consents if each.id in situation.accepted}
        return "consent" in asked.request.prompt and any(
            each.id not in answered for each in effective_agreements(policy, agreements)
        )
    except AgreementMissing as error:
        raise ServerError(str(error)) from error


def page(step: Step, situation: Situation, _language: Language, again: Again) -> Page:
    """The agreement's text in the user's language, and what the agent asks for, may obtain and was given
    before.
    """
    asked, agreement = _asked(situation), situation.environment.agreements[step.settings["agreement"]]
    text, shown = _text(agreement, situation), _disclosure(agreement, situation)
    values = {
        "agent_name": situation.agent_name,
        "username": asked.signed_on.user.username,
        "text": text,
        "text_direction": direction(text.locale),
        "wording": wording(text),
        "reconsent_days": "" if agreement.reconsent_days is None else f"{agreement.reconsent_days:g}",
        "shown": shown,
        "shown_digest": _digest(shown, agreement, text, asked),
        "account_path": f"/{situation.environment.id}/account",
        "returns_to": returns_to(asked.request.redirect_uri),
    }
    return Page("agreement.html", values, again.problems, again.status)


async def submit(
    step: Step, situation: Situation, language: Language, form: Mapping[str, str], services: Services
) -> Outcome:
    """Record the consent of exactly this user to exactly what was shown."""
    asked, agreement = _asked(situation), situation.environment.agreements[step.settings["agreement"]]
    user, client = asked.signed_on.user, asked.request.client
    if form.get("action") == "switch":
        return SomebodyElse()
    if form.get("action") != "accept":
        _record(services, situation, "agreement declined", agreement)
        return Declined()
    text, shown = _text(agreement, situation), _disclosure(agreement, situation)
    previous = _previous(agreement, asked)
    accepted = new_consent(
        user, client, agreement, text, shown.covers, consent_id=services.new_id(), now=situation.now
    )
    consent = extend_consent(previous, agreement, accepted)
    if not same(form.get("shown", ""), _digest(shown, agreement, text, asked)):
        return Again((Problem(language.text("agreement.changed")),))
    if not await services.store.consents.record_consent(consent, previous):
        return Again((Problem(language.text("agreement.changed")),))
    _record(services, situation, "agreement accepted", agreement, consent)
    return Done(consent_id=consent.id)


def _record(
    services: Services, situation: Situation, name: str, agreement: Agreement, consent: Consent | None = None
) -> None:
    """Who said yes or no to what: `covers` is, by agent and resource, every scope that the page showed."""
    asked = _asked(situation)
    services.record(
        name,
        situation.environment.id,
        user_id=asked.signed_on.user.id,
        session_id=asked.signed_on.session.id,
        client_id=asked.request.client.id,
        scopes=list(asked.request.target.requested),
        agreement_id=agreement.id,
        agreement_version=agreement.version,
        agreement_revision=consent.revision if consent else None,
        language=consent.locale if consent else None,
        consent_id=consent.id if consent else None,
        covers=consent.covers if consent else None,
    )


@dataclass(frozen=True, slots=True)
class ReturnsTo:
    """Where the user goes afterwards, as a person can recognise it."""

    kind: str
    """`device` for a program on the user's own device, `site` for anything else."""
    name: str


def returns_to(redirect_uri: str) -> ReturnsTo:
    """The host of a redirect URI, or its scheme where a program on the device claims that."""
    parts = urlsplit(redirect_uri)
    if parts.scheme not in {"http", "https"}:
        return ReturnsTo("device", f"{parts.scheme}:")
    return ReturnsTo("device" if is_loopback_host(parts.hostname or "") else "site", parts.netloc)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What an agent asks of somebody who is signed on."""

    request: AuthorizationRequest
    signed_on: SignedOn
    consents: tuple[Consent, ...]
    """What this user agreed to for this agent."""


def _asked(situation: Situation) -> _Asked:
    request, signed_on = situation.request, situation.signed_on
    if request is None or signed_on is None:
        raise ServerError(
            "an agreement is prompted for before anybody signed on, or although no agent asks for anything"
        )
    return _Asked(request, signed_on, signed_on.consents_for(request.client.id))


def _previous(agreement: Agreement, asked: _Asked) -> Consent | None:
    return next((each for each in asked.consents if each.agreement_id == agreement.id), None)


def _disclosure(agreement: Agreement, situation: Situation) -> Disclosure:
    asked = _asked(situation)
    previous = _previous(agreement, asked)
    agreed = previous.covers if previous and is_in_force(previous, agreement, situation.now) else None
    return disclose(
        situation.environment, asked.request.client, asked.request.target, situation.reach, agreed or {}
    )


def _digest(shown: Disclosure, agreement: Agreement, text: AgreementText, asked: _Asked) -> str:
    """What the form carries of the page it is on: of everything a person would decide by."""
    return shown.digest_for(
        asked.signed_on.user.id, asked.request.client.name, agreement.id, text.locale, text.revision
    )


def _text(agreement: Agreement, situation: Situation) -> AgreementText:
    text = choose_text(
        agreement, situation.preferred_language, situation.languages, situation.environment.default_language
    )
    if text is None:
        raise ServerError(f"the agreement {agreement.name!r} has no enabled text")
    return text


AGREEMENT = SignOnStep("AGREEMENT", is_due, page, submit)
