"""Agreements and consents: when an agreement is due, in which language it is shown, what a consent covers.

An agreement is a text that users accept; a consent is the record of one acceptance for one agent. It covers
the scopes, by resource and by agent, that the page showed.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from deputize.kernel.errors import DeputizeError
from deputize.oauth.records.directory import Agent, Agreement, AgreementText, Environment, Policy
from deputize.oauth.records.store import Consent, Covers, User

T = TypeVar("T")
AGREEMENT_STEP: Final = "AGREEMENT"
"""`Step.type` of an agreement prompt."""
MAX_LANGUAGES: Final = 16
"""Of an Accept-Language header; what follows is not read."""
_LANGUAGE_RANGE: Final = re.compile(
    r"\s*(?P<tag>[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8}){0,4})\s*(?:;\s*q\s*=\s*(?P<weight>[01](?:\.\d{0,3})?)\s*)?"
)


class AgreementMissing(DeputizeError):
    """A policy prompts for an agreement that the environment does not have: what is due cannot be told."""


def effective_agreements(policy: Policy, agreements: Mapping[str, Agreement]) -> tuple[Agreement, ...]:
    """The agreements that the policy's steps prompt for, in order: enabled ones with an enabled text.

    Raises `AgreementMissing`.
    """
    effective: list[Agreement] = []
    for step in policy.steps:
        if step.type != AGREEMENT_STEP:
            continue
        agreement_id = str(step.settings.get("agreement", ""))
        agreement = agreements.get(agreement_id)
        if agreement is None:
            raise AgreementMissing(
                f"the policy {policy.name!r} prompts for the agreement {agreement_id!r}, which does not exist"
            )
        if agreement.enabled and any(text.enabled for text in agreement.texts):
            effective.append(agreement)
    return tuple(effective)


def due_agreements(
    policy: Policy,
    agreements: Mapping[str, Agreement],
    consents: Iterable[Consent],
    reach: Covers,
    now: float,
) -> tuple[Agreement, ...]:
    """The agreements to prompt for now, given an agent's consents and what its sign-on reaches.

    Raises `AgreementMissing`.
    """
    given = {consent.agreement_id: consent for consent in consents}
    return tuple(
        agreement
        for agreement in effective_agreements(policy, agreements)
        if why_due(given.get(agreement.id), agreement, reach, now)
    )


def why_due(consent: Consent | None, agreement: Agreement, reach: Covers, now: float) -> str:
    """Why `agreement` has to be accepted, given the latest consent to it; "" when it need not be.

    It is due if it was never accepted, or if the consent was withdrawn, expired, is to an older version, or
    does not cover all of `reach`.
    """
    if consent is None:
        return "it was never accepted"
    if consent.withdrawn_at is not None:
        return f"the consent {consent.withdrawal}"
    if consent.version < agreement.version:
        return f"the consent is to version {consent.version}, the agreement has version {agreement.version}"
    if not is_in_force(consent, agreement, now):
        return "the consent expired"
    if not covers_all(consent.covers, reach):
        return "the consent does not cover everything that the request reaches"
    return ""


def is_in_force(consent: Consent | None, agreement: Agreement, now: float) -> bool:
    """Whether `consent` still holds for `agreement` as it is now.

    Today's reconsent interval counts as well as the expiry that was recorded: shortening it takes effect at
    once.
    """
    if consent is None or consent.withdrawn_at is not None or consent.version < agreement.version:
        return False
    today = expiry(agreement, consent.accepted_at)
    return (consent.expires_at is None or now < consent.expires_at) and (today is None or now < today)


def expiry(agreement: Agreement, accepted_at: float) -> float | None:
    """When a consent given at `accepted_at` expires, in seconds since the epoch; `None` means never."""
    every = agreement.settings.reconsent_every
    return None if every is None else accepted_at + every


def new_consent(
    user: User,
    client: Agent,
    agreement: Agreement,
    text: AgreementText,
    covers: Covers,
    *,
    consent_id: str,
    now: float,
) -> Consent:
    """The record of `user` accepting `agreement` for `client`, as worded in `text`, on a page that showed
    `covers`.
    """
    return Consent(
        id=consent_id,
        environment_id=user.environment_id,
        user_id=user.id,
        client_id=client.id,
        agreement_id=agreement.id,
        version=agreement.version,
        revision=text.revision,
        locale=text.locale,
        accepted_at=now,
        expires_at=expiry(agreement, now),
        covers=covers,
    )


def extend_consent(previous: Consent | None, agreement: Agreement, consent: Consent) -> Consent:
    """`consent` under the id of `previous` if that is in force, so that what rests on it goes on.

    Otherwise `consent` keeps its own id, and what rested on `previous` stays ended.
    """
    if previous is None or not is_in_force(previous, agreement, consent.accepted_at):
        return consent
    return replace(consent, id=previous.id, last_used_at=previous.last_used_at)


def choose_text(
    agreement: Agreement, preferred: str | None, browser: Sequence[str], default: str
) -> AgreementText | None:
    """The enabled text in the user's preferred language, else the browser's, else the environment's.

    A regional tag falls back to shorter ones (zh-Hant-TW, zh-Hant, zh), never to another region. Without a
    text in any of these languages the first enabled one is shown; `None` when none is enabled (reference
    section 6).
    """
    texts = {text.locale: text for text in agreement.texts if text.enabled}
    return choose_by_language(texts, (preferred, *browser, default)) or next(iter(texts.values()), None)


def choose_by_language(texts: Mapping[str, T], languages: Iterable[str | None]) -> T | None:
    """Of texts by language tag the one in the first of these `languages` that there is a text in.

    Tags are compared as RFC 4647 section 3.4 looks them up: without regard to case, a regional one falls back
    to shorter ones.
    """
    known = {tag.lower(): text for tag, text in texts.items()}
    for language in languages:
        tag = (language or "").lower()
        while tag:
            if tag in known:
                return known[tag]
            tag = tag.rpartition("-")[0]
    return None


def parse_accept_language(header: str | None) -> tuple[str, ...]:
    """The language tags of an Accept-Language header, the most wanted first (RFC 9110 section 12.5.4).

    Unreadable parts are skipped.
    """
    ranges = [_LANGUAGE_RANGE.fullmatch(part) for part in (header or "")[:512].split(",")[:MAX_LANGUAGES]]
    weighted = [(-float(match["weight"] or "1"), match["tag"]) for match in ranges if match]
    return tuple(tag for weight, tag in sorted(weighted, key=lambda each: each[0]) if weight < 0)


@dataclass(frozen=True, slots=True)
class CoversBuilder:
    """Collects scopes by resource by agent: each scope once, in the order added, without empty entries."""

    agents: dict[str, dict[str, dict[str, None]]] = field(
        default_factory=dict[str, dict[str, dict[str, None]]]
    )

    def add(self, agent_id: str, resource_id: str, scopes: tuple[str, ...]) -> None:
        """Add these scopes, if there are any."""
        if scopes:
            self.agents.setdefault(agent_id, {}).setdefault(resource_id, {}).update(dict.fromkeys(scopes))

    def add_all(self, covers: Covers) -> None:
        """Add everything in `covers`."""
        for agent_id, resources in covers.items():
            for resource_id, scopes in resources.items():
                self.add(agent_id, resource_id, scopes)

    def covers(self) -> Covers:
        """What was added."""
        return {
            agent: {each: tuple(scopes) for each, scopes in resources.items()}
            for agent, resources in self.agents.items()
        }


def covers_all(covers: Covers, wanted: Covers) -> bool:
    """Whether everything in `wanted` is in `covers`."""
    return all(
        set(scopes) <= set(covers.get(agent_id, {}).get(resource_id, ()))
        for agent_id, resources in wanted.items()
        for resource_id, scopes in resources.items()
    )


def join_covers(first: Covers, second: Covers) -> Covers:
    """Everything in either, in the order of the first and then the second."""
    joined = CoversBuilder()
    joined.add_all(first)
    joined.add_all(second)
    return joined.covers()


def subtract_covers(covers: Covers, others: Covers) -> Covers:
    """What is in `covers` and not in `others`."""
    left = CoversBuilder()
    for agent_id, resources in covers.items():
        for resource_id, scopes in resources.items():
            known = others.get(agent_id, {}).get(resource_id, ())
            left.add(agent_id, resource_id, tuple(name for name in scopes if name not in known))
    return left.covers()


def keep_granted(environment: Environment, covers: Covers) -> Covers:
    """What of `covers` the administrator still grants.

    Agents, resources and scopes that are gone could not be shown to anybody. OpenID scopes are always
    granted.
    """
    kept = CoversBuilder()
    for agent_id, resources in covers.items():
        agent = environment.agents.get(agent_id)
        for resource_id, scopes in resources.items() if agent else ():
            if not resource_id:
                kept.add(agent_id, resource_id, scopes)
            elif agent and (resource := environment.resources.get(resource_id)):
                granted = agent.scopes.get(resource_id, frozenset[str]())
                left = tuple(name for name in scopes if name in granted and name in resource.scopes)
                kept.add(agent_id, resource_id, left)
    return kept.covers()
