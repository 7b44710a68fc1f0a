from dataclasses import replace

import pytest

from deputize.oauth.consents import AgreementMissing, due_agreements, effective_agreements, new_consent
from deputize.oauth.records.directory import Policy, Step
from deputize.oauth.resources import Target
from support.agent_delegation import AGENT, AGENT_RESOURCE, AGREEMENT, AGREEMENT_ID, CONSENT, NOW, POLICY, TEXT, USER

DAY = 86400.0


def due(consents=(CONSENT,), agreement=AGREEMENT, now=NOW, policy=POLICY):
    return bool(due_agreements(policy, {agreement.id: agreement}, consents, now))


def test_never_consented_is_due():
    assert due(())
    assert due((replace(CONSENT, agreement_id="another"),))


def test_consented_is_not_due():
    assert not due()


def test_withdrawn_is_due():
    assert due((replace(CONSENT, withdrawn_at=NOW),))


def test_expired_by_the_expiry_recorded_then():
    never = replace(AGREEMENT, reconsent_days=None)
    assert due((replace(CONSENT, expires_at=NOW),), never)
    assert not due((replace(CONSENT, expires_at=NOW + 1),), never)
    assert not due((replace(CONSENT, expires_at=None),), never, NOW + 10000 * DAY)


def test_a_shortened_interval_takes_effect_on_consents_given_before():
    shortened = replace(AGREEMENT, reconsent_days=1.0)
    consent = replace(CONSENT, accepted_at=NOW, expires_at=None)
    assert not due((consent,), shortened, NOW + DAY - 1)
    assert due((consent,), shortened, NOW + DAY)


def test_a_lengthened_interval_does_not_stretch_consents_given_before():
    consent = replace(CONSENT, expires_at=NOW + DAY)
    assert due((consent,), replace(AGREEMENT, reconsent_days=365), NOW + DAY)


def test_an_older_version_is_due():
    assert due((CONSENT,), replace(AGREEMENT, version=2))
    assert not due((replace(CONSENT, version=2),), replace(AGREEMENT, version=2))


def test_disabled_agreements_and_those_without_enabled_text_are_not_asked_for():
    for agreement in (
        replace(AGREEMENT, enabled=False),
        replace(AGREEMENT, texts=()),
        replace(AGREEMENT, texts=(replace(TEXT, enabled=False),)),
    ):
        assert not due((), agreement)
        assert effective_agreements(POLICY, {AGREEMENT_ID: agreement}) == ()


def test_agreements_are_due_in_the_order_of_the_steps():
    second = replace(AGREEMENT, id="second")
    policy = Policy("p", "p", (Step("AGREEMENT", {"agreement": "second"}), *POLICY.steps))
    agreements = {AGREEMENT_ID: AGREEMENT, "second": second}
    assert due_agreements(policy, agreements, (), NOW) == (second, AGREEMENT)
    assert due_agreements(policy, agreements, (CONSENT,), NOW) == (second,)


def test_a_step_without_its_agreement_is_never_satisfied():
    for policy in (POLICY, Policy("p", "p", (Step("AGREEMENT", {}),))):
        with pytest.raises(AgreementMissing, match="does not exist"):
            due_agreements(policy, {}, (CONSENT,), NOW)


def test_a_policy_without_agreements_asks_for_nothing():
    assert due_agreements(Policy("p", "p", (Step("LOGIN", {}),)), {}, (), NOW) == ()


def test_accepting_makes_it_not_due_until_the_interval_has_passed():
    target = Target(AGENT_RESOURCE, ("agent",))
    consent = new_consent(USER, AGENT, target, AGREEMENT, TEXT, consent_id="c-1", now=NOW)
    assert (consent.id, consent.client_id) == ("c-1", AGENT.id)
    assert (consent.user_id, consent.version, consent.revision, consent.locale) == (USER.id, 1, "r1", "en")
    assert not due((consent,), now=NOW + 180 * DAY - 1)
    assert due((consent,), now=NOW + 180 * DAY)
    never = replace(AGREEMENT, reconsent_days=None)
    assert new_consent(USER, AGENT, target, never, TEXT, consent_id="c-1", now=NOW).expires_at is None
