"""The Agreement Prompt step: a text the user accepts before an agent acts for them, and what it may do."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated

import nh3
import structlog
from markupsafe import Markup, escape
from pydantic import StringConstraints

from deputize.authority.audit import SOURCE
from deputize.authority.services import Services
from deputize.authority.signon.disclosure import Disclosure, agent_description, disclose, returns_to
from deputize.authority.signon.pages import Language, Problem, direction
from deputize.authority.signon.step import (
    Again,
    Declined,
    Done,
    Outcome,
    SignedOn,
    SignOnStep,
    Situation,
    SomebodyElse,
    StepSettings,
)
from deputize.authority.signon.wordings import write_wording
from deputize.kernel.digests import same
from deputize.oauth.authorization_request import AuthorizationRequest
from deputize.oauth.consents import (
    AGREEMENT_STEP,
    AgreementMissing,
    choose_text,
    due_agreements,
    effective_agreements,
    extend_consent,
    is_in_force,
    new_consent,
    why_due,
)
from deputize.oauth.errors import ConsentRequired, ServerError
from deputize.oauth.records.directory import Agreement, AgreementText, Step
from deputize.oauth.records.store import Consent

_log = structlog.get_logger("deputize.authority")
_TAGS = {"i", "b", "em", "strong", "a", "h1", "h2", "h3", "h4", "h5", "h6", "p", "br"}


class AgreementPromptSettings(StepSettings):
    """The agreement that the page shows."""

    agreement: Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]+$")]
    """Name of the agreement that is shown."""


@dataclass(frozen=True, slots=True)
class _Prompt:
    """What the step shows to somebody who is signed on, and what they answer to."""

    request: AuthorizationRequest
    agent_name: str
    agent_description: str
    signed_on: SignedOn
    agreement: Agreement
    previous: Consent | None
    """This user's latest to this agreement for this agent."""
    text: AgreementText
    shown: Disclosure

    def digest(self) -> str:
        """Compute what the form carries of the page it is on: of everything a person would decide by."""
        origin = self.request.client.origin
        return self.shown.digest_for(
            self.signed_on.user.id,
            self.agent_name,
            self.agent_description,
            origin.client_name if origin else "",
            str(self.request.may_be_anybodys),
            self.agreement.id,
            self.text.locale,
            self.text.revision,
        )


def is_due(step: Step, situation: Situation) -> bool:
    """Return whether something that the request reaches is not consented to, or the agent wants to be sure.

    The latter is `prompt=consent`. A disabled agreement is never due. Raises `ServerError` when the agreement
    is gone: nobody can tell what would have to be accepted.
    """
    request, signed_on = _require_request(situation), situation.somebody
    consents = signed_on.consents_for(request.client.id)
    policy, agreements = replace(situation.policy, steps=(step,)), situation.environment.agreements
    try:
        if due_agreements(policy, agreements, consents, situation.reach, situation.now):
            return True
        # A consent is one user's, so that nobody answers for who signs on after them in the same browser.
        answered = {each.agreement_id for each in consents if each.id in situation.notes}
        return "consent" in request.prompt and any(
            each.id not in answered for each in effective_agreements(policy, agreements)
        )
    except AgreementMissing as error:
        raise ServerError(str(error)) from error


def page_values(step: Step, situation: Situation, _again: Again) -> Mapping[str, object]:
    """Collect the text in the user's language, and what the agent asks for, may obtain and has already."""
    prompt = _make_prompt(step, situation)
    agreement, every = prompt.agreement, prompt.agreement.settings.reconsent_every
    _log.info(
        "agreement shown",
        agreement=agreement.name,
        reason=why_due(prompt.previous, agreement, situation.reach, situation.now) or "prompt=consent",
        client_id=prompt.request.client.id,
        user_id=prompt.signed_on.user.id,
        environment=situation.environment.id,
        correlation_id=SOURCE.get().correlation_id,
    )
    return {
        "agent_name": prompt.agent_name,
        "agent_description": prompt.agent_description,
        "stranger": situation.stranger,
        "username": prompt.signed_on.user.username,
        "text": prompt.text,
        "text_direction": direction(prompt.text.locale),
        "wording": to_safe_html(prompt.text),
        "reconsent_days": "" if every is None else f"{every / 86400:g}",
        "shown": prompt.shown,
        "shown_digest": prompt.digest(),
        "my_path": f"/{situation.environment.id}/my",
        "returns_to": returns_to(prompt.request.redirect_uri),
        "may_be_anybodys": prompt.request.may_be_anybodys,
    }


async def submit(
    step: Step, situation: Situation, language: Language, form: Mapping[str, str], services: Services
) -> Outcome:
    """Record the consent of exactly this user to exactly what was shown."""
    if form.get("action") == "switch":
        return SomebodyElse()
    prompt = _make_prompt(step, situation)
    if form.get("action") != "accept":
        _record(services, situation, "agreement declined", prompt)
        return Declined("The user declined the agreement")
    accepted = new_consent(
        prompt.signed_on.user,
        prompt.request.client,
        prompt.agreement,
        prompt.text,
        prompt.shown.covers,
        consent_id=services.new_id(),
        now=situation.now,
    )
    consent = extend_consent(prompt.previous, prompt.agreement, accepted)
    wording = write_wording(
        situation.environment,
        prompt.request.client,
        prompt.agreement,
        prompt.text,
        consent.covers,
        languages=situation.reader_languages,
        language=language,
    )
    if not same(form.get("shown", ""), prompt.digest()) or not await services.store.consents.record_consent(
        consent, prompt.previous, wording
    ):
        return Again([Problem(language.text("agreement_prompt.changed"))])
    _record(services, situation, "agreement accepted", prompt, consent)
    return Done(note=consent.id)


def _require_request(situation: Situation) -> AuthorizationRequest:
    if situation.request is None:
        raise ServerError("an agreement is prompted for although no agent asks for anything")
    return situation.request


def _make_prompt(step: Step, situation: Situation) -> _Prompt:
    request, signed_on = _require_request(situation), situation.somebody
    environment = situation.environment
    agreement = environment.agreements[str(step.settings["agreement"])]
    text = choose_text(
        agreement, situation.preferred_language, situation.languages, environment.settings.default_language
    )
    if text is None:
        raise ServerError(f"the agreement {agreement.name!r} has no enabled text")
    consents = signed_on.consents_for(request.client.id)
    previous = next((each for each in consents if each.agreement_id == agreement.id), None)
    agreed = previous.covers if previous and is_in_force(previous, agreement, situation.now) else None
    languages = situation.reader_languages
    shown = disclose(environment, request.client, request.target, situation.reach, agreed or {}, languages)
    description = agent_description(request.client, languages)
    return _Prompt(request, situation.agent_name, description, signed_on, agreement, previous, text, shown)


def _record(
    services: Services, situation: Situation, name: str, prompt: _Prompt, consent: Consent | None = None
) -> None:
    """Record who said yes or no to what: `covers` is, by agent and resource, every scope the page showed."""
    services.record(
        name,
        situation.environment.id,
        user_id=prompt.signed_on.user.id,
        session_id=prompt.signed_on.session.id,
        client_id=prompt.request.client.id,
        scopes=list(prompt.request.target.requested),
        agreement_id=prompt.agreement.id,
        agreement_version=prompt.agreement.version,
        agreement_revision=consent.revision if consent else None,
        language=consent.locale if consent else None,
        consent_id=consent.id if consent else None,
        covers=consent.covers if consent else None,
    )


def to_safe_html(text: AgreementText) -> Markup:
    """Return the wording as a page may show it.

    HTML is reduced to the few elements agreements may use, plain text is escaped and keeps its lines.
    """
    if text.content_type != "text/html":
        return Markup('<p class="plain">{}</p>').format(escape(text.text))
    cleaned = nh3.clean(
        text.text,
        tags=_TAGS,
        attributes={"a": {"href", "target"}},
        url_schemes={"https", "http", "mailto"},
        link_rel="noopener noreferrer",
    )
    return Markup(cleaned)  # noqa: S704 - nh3 let only the elements above through


AGREEMENT_PROMPT = SignOnStep(
    AGREEMENT_STEP,
    "agreement_prompt",
    "deputize.authority.signon.steps",
    is_due,
    page_values,
    submit,
    settings=AgreementPromptSettings,
    agreement_settings=("agreement",),
    unprompted_error=ConsentRequired,
)
