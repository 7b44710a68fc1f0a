"""When an agreement is due: which of a policy's agreements a user has to accept before an agent may act for them."""

from collections.abc import Iterable, Mapping

from deputize.kernel.errors import DeputizeError
from deputize.oauth.records.directory import Agent, Agreement, AgreementText, Policy
from deputize.oauth.records.store import Consent, User
from deputize.oauth.resources import Target

AGREEMENT_STEP = "AGREEMENT"
"""`Step.type` of an agreement prompt."""
_DAY = 86400.0


class AgreementMissing(DeputizeError):
    """A policy's step names an agreement that the environment does not have: nobody can tell what has to be accepted."""


def agreement_ids(policy: Policy) -> tuple[str, ...]:
    """The ids of the agreements its steps prompt for, in order."""
    return tuple(step.settings.get("agreement", "") for step in policy.steps if step.type == AGREEMENT_STEP)


def effective_agreements(policy: Policy, agreements: Mapping[str, Agreement]) -> tuple[Agreement, ...]:
    """Those of them that are asked for at all: enabled, with an enabled text. Raises `AgreementMissing`."""
    ids = agreement_ids(policy)
    absent = [each for each in ids if each not in agreements]
    if absent:
        raise AgreementMissing(f"the policy {policy.name!r} prompts for the agreement {absent[0]!r}, which does not exist")
    return tuple(agreements[each] for each in ids if agreements[each].enabled and any(text.enabled for text in agreements[each].texts))


def due_agreements(policy: Policy, agreements: Mapping[str, Agreement], consents: Iterable[Consent], now: float) -> tuple[Agreement, ...]:
    """The agreements to prompt for now: never accepted, withdrawn, expired, or accepted in an older version.

    Raises `AgreementMissing`.
    """
    given = {consent.agreement_id: consent for consent in consents}
    return tuple(each for each in effective_agreements(policy, agreements) if not is_in_force(given.get(each.id), each, now))


def is_in_force(consent: Consent | None, agreement: Agreement, now: float) -> bool:
    """Whether `consent` still holds for `agreement` as it is now.

    The reconsent interval of today counts as well as the expiry recorded then: shortening it must take effect at once.
    """
    if consent is None or consent.withdrawn_at is not None or consent.version < agreement.version:
        return False
    expiries = (consent.expires_at, expiry(agreement, consent.accepted_at))
    return all(each is None or now < each for each in expiries)


def expiry(agreement: Agreement, accepted_at: float) -> float | None:
    """When a consent given at `accepted_at` expires, in seconds since the epoch; `None` means never."""
    return None if agreement.reconsent_days is None else accepted_at + agreement.reconsent_days * _DAY


def new_consent(
    user: User, client: Agent, target: Target, agreement: Agreement, text: AgreementText, *, consent_id: str, now: float
) -> Consent:
    """The record of `user` accepting `agreement` as worded in `text` for `client`.

    For now it covers what is asked for and every scope that the client was granted.
    """
    covers = {resource_id: tuple(sorted(scopes)) for resource_id, scopes in client.scopes.items()}
    covers[""] = target.openid_scopes
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
        covers={client.id: covers},
    )
