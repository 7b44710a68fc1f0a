import pytest

from deputize.oauth.consents import (
    MAX_LANGUAGES,
    AgreementMissing,
    choose_text,
    covers_all,
    due_agreements,
    effective_agreements,
    extend_consent,
    join_covers,
    keep_granted,
    new_consent,
    parse_accept_language,
    subtract_covers,
)
from deputize.oauth.records.directory import Policy, Step
from support.agent_delegation import (
    AGENT,
    AGENT_ID,
    AGENT_RESOURCE_ID,
    AGREEMENT,
    AGREEMENT_ID,
    CONSENT,
    ENVIRONMENT,
    NOW,
    OTHER,
    OTHER_ID,
    POLICY,
    TEST_ID,
    TEXT,
    USER,
    with_agent,
)
from support.records import replace

DAY = 86400.0
REACH = {AGENT_ID: {AGENT_RESOURCE_ID: ("agent",)}}


def due(consents=(CONSENT,), agreement=AGREEMENT, now=NOW, policy=POLICY):
    return bool(due_agreements(policy, {agreement.id: agreement}, consents, REACH, now))


def test_never_consented_is_due():
    assert due(())
    assert due((replace(CONSENT, agreement_id="another"),))


def test_consented_is_not_due():
    assert not due()


def test_what_a_consent_does_not_cover_is_due():
    assert due((replace(CONSENT, covers={}),))
    assert due((replace(CONSENT, covers={AGENT_ID: {AGENT_RESOURCE_ID: ("other",)}}),))
    assert due((replace(CONSENT, covers={"another": REACH[AGENT_ID]}),)), "of another agent"


def test_withdrawn_is_due():
    assert due((replace(CONSENT, withdrawn_at=NOW),))


def test_expired_by_the_expiry_recorded_then():
    never = replace(AGREEMENT, reconsent_every=None)
    assert due((replace(CONSENT, expires_at=NOW),), never)
    assert not due((replace(CONSENT, expires_at=NOW + 1),), never)
    assert not due((replace(CONSENT, expires_at=None),), never, NOW + 10000 * DAY)


def test_a_shortened_interval_takes_effect_on_consents_given_before():
    shortened = replace(AGREEMENT, reconsent_every=DAY)
    consent = replace(CONSENT, accepted_at=NOW, expires_at=None)
    assert not due((consent,), shortened, NOW + DAY - 1)
    assert due((consent,), shortened, NOW + DAY)


def test_a_lengthened_interval_does_not_stretch_consents_given_before():
    consent = replace(CONSENT, expires_at=NOW + DAY)
    assert due((consent,), replace(AGREEMENT, reconsent_every=365 * DAY), NOW + DAY)


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
    assert due_agreements(policy, agreements, (), REACH, NOW) == (second, AGREEMENT)
    assert due_agreements(policy, agreements, (CONSENT,), REACH, NOW) == (second,)


def test_a_step_without_its_agreement_is_never_satisfied():
    for policy in (POLICY, Policy("p", "p", (Step("AGREEMENT", {}),))):
        with pytest.raises(AgreementMissing, match="does not exist"):
            due_agreements(policy, {}, (CONSENT,), REACH, NOW)


def test_a_policy_without_agreements_asks_for_nothing():
    assert due_agreements(Policy("p", "p", (Step("LOGIN", {}),)), {}, (), REACH, NOW) == ()


def test_accepting_makes_it_not_due_until_the_interval_has_passed():
    consent = new_consent(USER, AGENT, AGREEMENT, TEXT, REACH, consent_id="c-1", now=NOW)
    assert (consent.id, consent.client_id) == ("c-1", AGENT.id)
    assert (consent.user_id, consent.version, consent.revision, consent.locale) == (USER.id, 1, "r1", "en")
    assert not due((consent,), now=NOW + 180 * DAY - 1)
    assert due((consent,), now=NOW + 180 * DAY)
    never = replace(AGREEMENT, reconsent_every=None)
    assert new_consent(USER, AGENT, never, TEXT, REACH, consent_id="c-1", now=NOW).expires_at is None


def test_a_consent_in_force_is_extended_and_what_ended_is_not():
    later = new_consent(USER, AGENT, AGREEMENT, TEXT, REACH, consent_id="drawn", now=NOW + DAY)
    used = replace(CONSENT, last_used_at=NOW)
    assert extend_consent(used, AGREEMENT, later) == replace(later, id=CONSENT.id, last_used_at=NOW)
    for ended in (
        None,
        replace(used, withdrawn_at=NOW),
        replace(used, expires_at=NOW + DAY),
        replace(used, version=0),
    ):
        assert extend_consent(ended, AGREEMENT, later) == later


def test_covers_are_compared_agent_by_agent():
    small, large = {"a": {"r": ("x",)}}, {"a": {"r": ("y", "x")}, "b": {"r": ("x",)}}
    assert covers_all(large, small)
    assert not covers_all(small, large)
    assert not covers_all({"b": {"r": ("x",)}}, small)
    assert join_covers(small, large) == {"a": {"r": ("x", "y")}, "b": {"r": ("x",)}}
    assert subtract_covers(large, small) == {"a": {"r": ("y",)}, "b": {"r": ("x",)}}
    assert subtract_covers(small, large) == {}


def test_what_the_administrator_took_back_is_no_longer_covered():
    covers = {
        AGENT_ID: {TEST_ID: ("test", "gone"), "gone": ("x",), "": ("openid",)},
        OTHER_ID: {TEST_ID: ("test",)},
        "gone": {TEST_ID: ("test",)},
    }
    environment = with_agent(ENVIRONMENT, replace(OTHER, scopes={}))
    assert keep_granted(environment, covers) == {AGENT_ID: {TEST_ID: ("test",), "": ("openid",)}}


def agreement_in(*locales):
    return replace(AGREEMENT, texts=tuple(replace(TEXT, locale=locale) for locale in locales))


def locale_for(agreement, preferred=None, browser=(), default="en"):
    text = choose_text(agreement, preferred, browser, default)
    return text and text.locale


@pytest.mark.parametrize(
    ("preferred", "browser", "chosen"),
    [
        ("fr", ("de",), "fr"),
        (None, ("de", "fr"), "de"),
        ("fr-CA", (), "fr"),
        ("FR-ca", (), "fr"),
        ("it", ("sv", "de-AT"), "de"),
        ("it", ("sv",), "en"),
        (None, (), "en"),
        ("pt-PT", (), "en"),
        ("pt-BR", (), "pt-BR"),
        ("pt", (), "en"),
        ("zh-Hant-TW", (), "zh-Hant"),
        ("", ("",), "en"),
    ],
)
def test_user_then_browser_then_environment_with_fallback_to_the_bare_language(preferred, browser, chosen):
    assert locale_for(agreement_in("en", "fr", "de", "pt-BR", "zh-Hant"), preferred, browser) == chosen


def test_a_preferred_language_wins_over_an_exact_match_of_the_browser():
    assert locale_for(agreement_in("en", "fr"), "fr-CA", ("en",)) == "fr"


def test_disabled_texts_are_not_shown():
    texts = (replace(TEXT, locale="fr", enabled=False), TEXT)
    assert locale_for(replace(AGREEMENT, texts=texts), "fr") == "en"


def test_any_enabled_text_is_better_than_none():
    assert locale_for(agreement_in("ja"), "fr") == "ja"
    assert locale_for(replace(AGREEMENT, texts=(replace(TEXT, enabled=False),))) is None


@pytest.mark.parametrize(
    ("header", "tags"),
    [
        (None, ()),
        ("", ()),
        ("de", ("de",)),
        ("da, en-GB;q=0.8, en;q=0.7", ("da", "en-GB", "en")),
        ("en;q=0.5,fr;q=0.9,de", ("de", "fr", "en")),
        ("fr;q=0, de", ("de",)),
        ("*, en", ("en",)),
        ("en;q=nonsense, de;q=0.1", ("de",)),
        ("a" * 5000, ()),
        (",".join(["en"] * 100), ("en",) * MAX_LANGUAGES),
    ],
)
def test_accept_language(header, tags):
    assert parse_accept_language(header) == tags
