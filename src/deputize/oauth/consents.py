"""When an agreement is due.

Which of a policy's agreements a user has to accept before an agent may act for them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from deputize.kernel.errors import DeputizeError
from deputize.oauth.covers import covers_all
from deputize.oauth.records.directory import Agent, Agreement, AgreementText, Policy
from deputize.oauth.records.store import Consent, Covers, User

AGREEMENT_STEP = "AGREEMENT"
"""`Step.type` of an agreement prompt."""
_DAY = 86400.0


class AgreementMissing(DeputizeError):
    """A policy's step names an agreement that the environment does not have.

    Nobody can tell what has to be accepted.
    """


def agreement_ids(policy: Policy) -> tuple[str, ...]:
    """The ids of the agreements its steps prompt for, in order."""
    return tuple(step.settings.get("agreement", "") for step in policy.steps if step.type == AGREEMENT_STEP)


def effective_agreements(policy: Policy, agreements: Mapping[str, Agreement]) -> tuple[Agreement, ...]:
    """Those of them that are asked for at all: enabled, with an enabled text. Raises `AgreementMissing`."""
    ids = agreement_ids(policy)
    absent = [each for each in ids if each not in agreements]
    if absent:
        raise AgreementMissing(
            f"the policy {policy.name!r} prompts for the agreement {absent[0]!r}, which does not exist"
        )
    return tuple(
        agreements[each]
        for each in ids
        if agreements[each].enabled and any(text.enabled for text in agreements[each].texts)
    )


def due_agreements(
    policy: Policy,
    agreements: Mapping[str, Agreement],
    consents: Iterable[Consent],
    reach: Covers,
    now: float,
) -> tuple[Agreement, ...]:
    """The agreements to prompt for now, given an agent's consents and what a sign-on of it reaches.

    Due is what was never accepted, was withdrawn, expired, was accepted in an older version, or does not
    cover all of `reach`. Raises `AgreementMissing`.
    """
    given = {consent.agreement_id: consent for consent in consents}
    due: list[Agreement] = []
    for agreement in effective_agreements(policy, agreements):
        consent = given.get(agreement.id)
        if (
            consent is None
            or not is_in_force(consent, agreement, now)
            or not covers_all(consent.covers, reach)
        ):
            due.append(agreement)
    return tuple(due)


def is_in_force(consent: Consent | None, agreement: Agreement, now: float) -> bool:
    """Whether `consent` still holds for `agreement` as it is now.

    The reconsent interval of today counts as well as the expiry recorded then: shortening it must take effect
    at once.
    """
    if consent is None or consent.withdrawn_at is not None or consent.version < agreement.version:
        return False
    expiries = (consent.expires_at, expiry(agreement, consent.accepted_at))
    return all(each is None or now < each for each in expiries)


def expiry(agreement: Agreement, accepted_at: float) -> float | None:
    """When a consent given at `accepted_at` expires, in seconds since the epoch; `None` means never."""
    return None if agreement.reconsent_days is None else accepted_at + agreement.reconsent_days * _DAY


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
    """The record of `user` accepting for `client` the agreement as worded in `text`, on a page that showed
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


def extending(previous: Consent | None, agreement: Agreement, consent: Consent) -> Consent:
    """`consent` under the id of the one it extends, so that what rests on that goes on.

    Under its own if that is not in force.
    """
    if previous is None or not is_in_force(previous, agreement, consent.accepted_at):
        return consent
    return replace(consent, id=previous.id, last_used_at=previous.last_used_at)
