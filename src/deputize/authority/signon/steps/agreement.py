"""The Agreement Prompt step: a text the user accepts before an agent acts for them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import structlog

from deputize.authority.services import Services
from deputize.authority.signon.agreement_text import wording
from deputize.authority.signon.languages import Language, direction
from deputize.authority.signon.pages import Page, Problem
from deputize.authority.signon.situation import SignedOn, Situation
from deputize.authority.signon.step import Again, Declined, Done, Outcome, SignOnStep
from deputize.kernel.uris import is_loopback_host
from deputize.oauth.authorization_request import AuthorizationRequest
from deputize.oauth.consents import AgreementMissing, due_agreements, new_consent
from deputize.oauth.errors import ServerError
from deputize.oauth.records.directory import Agreement, AgreementText, Step
from deputize.oauth.records.store import Consent
from deputize.oauth.texts import choose_text

_log = structlog.get_logger("deputize.authority")


def is_due(step: Step, situation: Situation) -> bool:
    """Whether the user has no consent in force to the step's agreement; a disabled agreement is never due.

    Raises `ServerError` when the agreement is gone: nobody can tell what would have to be accepted.
    """
    policy = replace(situation.policy, steps=(step,))
    try:
        return bool(due_agreements(policy, situation.environment.agreements, _consents(situation), situation.now))
    except AgreementMissing as error:
        raise ServerError(str(error)) from error


def page(step: Step, situation: Situation, language: Language, again: Again) -> Page:
    """The agreement's text in the user's language, and what the agent asks for."""
    agreement, signed_on = _agreement(step, situation), _signed_on(situation)
    text = _text(agreement, signed_on, situation)
    values = {
        "agent_name": situation.agent_name,
        "username": signed_on.user.username,
        "user_id": signed_on.user.id,
        "agreement_id": agreement.id,
        "text": text,
        "text_direction": direction(text.locale),
        "wording": wording(text),
        "reconsent_days": _whole(agreement.reconsent_days),
        "scopes": _scopes(situation.request, language) if situation.request else [],
        "returns_to": returns_to(situation.request.redirect_uri if situation.request else ""),
    }
    return Page("agreement.html", values, again.problems, again.status)


async def submit(step: Step, situation: Situation, language: Language, form: Mapping[str, str], services: Services) -> Outcome:
    """Record the consent to exactly the text that was shown to exactly this user."""
    agreement, signed_on = _agreement(step, situation), _signed_on(situation)
    text = _shown_text(agreement, form)
    if text is None or form.get("user") != signed_on.user.id:
        return Again((Problem(language.text("agreement.changed")),))
    if form.get("action") != "accept":
        _log.info("agreement declined", environment=situation.environment.id, agreement=agreement.id, user=signed_on.user.id)
        return Declined()
    if situation.request is None:
        raise ServerError("an agreement is prompted for, but no agent asks for anything")
    client, target = situation.request.client, situation.request.target
    previous = next((each for each in _consents(situation) if each.agreement_id == agreement.id), None)
    consent = new_consent(signed_on.user, client, target, agreement, text, consent_id=services.new_id(), now=situation.now)
    if not await services.store.consents.record_consent(consent, previous):
        return Again((Problem(language.text("agreement.changed")),))
    _log.info("agreement accepted", agreement=agreement.id, version=agreement.version, locale=text.locale, user=signed_on.user.id)
    return Done()


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


def _text(agreement: Agreement, signed_on: SignedOn, situation: Situation) -> AgreementText:
    text = choose_text(agreement, signed_on.user.preferred_language, situation.languages, situation.environment.default_language)
    if text is None:
        raise ServerError(f"the agreement {agreement.name!r} has no enabled text")
    return text


def _shown_text(agreement: Agreement, form: Mapping[str, str]) -> AgreementText | None:
    if form.get("agreement") != agreement.id:
        return None
    return next((text for text in agreement.texts if text.enabled and text.revision == form.get("revision")), None)


def _agreement(step: Step, situation: Situation) -> Agreement:
    return situation.environment.agreements[step.settings["agreement"]]


def _signed_on(situation: Situation) -> SignedOn:
    if situation.signed_on is None:
        raise ServerError("an agreement is prompted for before anybody signed on")
    return situation.signed_on


def _consents(situation: Situation) -> tuple[Consent, ...]:
    return _signed_on(situation).consents_for(situation.request.client.id) if situation.request else ()


def _scopes(request: AuthorizationRequest, language: Language) -> list[dict[str, str]]:
    """What the agent asks for; the words for OpenID scopes are the catalogue's, those for a resource's its administrator's."""
    described = {name: language.texts.get(f"scope.{name}", "") for name in request.target.requested}
    described |= {
        name: scope.description for name, scope in request.target.resource.scopes.items() if name in described and scope.description
    }
    return [{"name": name, "description": text} for name, text in described.items()]


def _whole(days: float | None) -> str:
    return "" if days is None else f"{days:g}"


AGREEMENT = SignOnStep("AGREEMENT", is_due, page, submit)
