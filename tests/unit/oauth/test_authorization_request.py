from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deputize.oauth.authorization_request import (
    MAX_TEXT,
    AuthorizationRefusal,
    AuthorizationRequest,
    choose_policy,
    code_response,
    error_response,
    is_live,
    validate,
)
from deputize.oauth.errors import InvalidRequest, ServerError
from deputize.oauth.grants.authorization_code import challenge_of
from deputize.oauth.records.directory import Policy
from support.agent_delegation import (
    AGENT,
    AGENT_ID,
    AGENT_RESOURCE,
    ENVIRONMENT,
    ISSUER,
    POLICY,
    REDIRECT_URI,
    TEST_AUDIENCE,
    VERIFIER,
    with_agent,
)
from support.records import replace
from support.store_records import SESSION

REQUEST = {
    "response_type": "code",
    "client_id": AGENT_ID,
    "redirect_uri": REDIRECT_URI,
    "state": "s t",
    "code_challenge": challenge_of(VERIFIER),
    "code_challenge_method": "S256",
}


def outcome(environment=ENVIRONMENT, **changes):
    parameters = {name: value for name, value in {**REQUEST, **changes}.items() if value is not None}
    return validate(environment, parameters)


def test_the_use_case_s_request_is_accepted():
    for changes in ({}, {"scope": "agent"}, {"resource": "agent"}, {"scope": "agent", "resource": "agent"}):
        request = outcome(**changes)
        assert isinstance(request, AuthorizationRequest)
        assert (request.client, request.policy, request.target.resource) == (AGENT, POLICY, AGENT_RESOURCE)
        assert (request.state, request.redirect_uri, request.target.scopes) == (
            "s t",
            REDIRECT_URI,
            ("agent",),
        )


def test_the_same_request_gives_the_same_result_again():
    assert outcome() == outcome()


def test_a_free_loopback_port_is_kept_for_the_redirect():
    assert (
        outcome(redirect_uri="http://localhost:51234/callback").redirect_uri
        == "http://localhost:51234/callback"
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": None},
        {"client_id": "unknown"},
        {"redirect_uri": None},
        {"redirect_uri": "https://evil.example/callback"},
        {"redirect_uri": "http://localhost:3000/other"},
    ],
)
def test_what_cannot_be_trusted_is_not_redirected_to(changes):
    refusal = outcome(**changes)
    assert isinstance(refusal, AuthorizationRefusal)
    assert refusal.redirect_uri is None
    assert error_response(refusal, ISSUER) is None


def test_a_disabled_client_is_not_redirected_to():
    refusal = outcome(with_agent(ENVIRONMENT, replace(AGENT, enabled=False)))
    assert (refusal.redirect_uri, refusal.error.code) == (None, "unauthorized_client")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"request": "eyJ"}, "request_not_supported"),
        ({"request_uri": "https://x.example"}, "request_uri_not_supported"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"scope": "admin"}, "invalid_scope"),
        ({"scope": "agent test admin"}, "invalid_scope"),
        ({"scope": "agent", "resource": TEST_AUDIENCE}, "invalid_target"),
        ({"resource": "https://unknown.example"}, "invalid_target"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"prompt": "create"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"max_age": "soon"}, "invalid_request"),
        ({"max_age": "²"}, "invalid_request"),
        ({"nonce": "n" * (MAX_TEXT + 1)}, "invalid_request"),
    ],
)
def test_what_is_wrong_is_told_to_the_client_with_state_and_issuer(changes, code):
    refusal = outcome(**changes)
    assert isinstance(refusal, AuthorizationRefusal)
    uri = error_response(refusal, ISSUER)
    assert uri.startswith(f"{REDIRECT_URI}?")
    query = parse_qs(urlsplit(uri).query)
    assert (query["error"], query["state"], query["iss"]) == ([code], ["s t"], [ISSUER])


def test_a_state_that_is_too_long_is_not_echoed():
    refusal = outcome(state="s" * (MAX_TEXT + 1))
    assert (refusal.redirect_uri, refusal.state) == (REDIRECT_URI, None)
    assert "state" not in parse_qs(urlsplit(error_response(refusal, ISSUER)).query)


def test_a_client_without_the_grant_is_refused():
    refusal = outcome(with_agent(ENVIRONMENT, replace(AGENT, grant_types=frozenset({"client_credentials"}))))
    assert (refusal.error.code, refusal.redirect_uri) == ("unauthorized_client", REDIRECT_URI)


def test_openid_parameters():
    request = outcome(
        scope="openid agent",
        nonce="n",
        prompt="login consent",
        max_age="0",
        login_hint="demo",
        ui_locales="de-AT en",
    )
    assert (request.nonce, request.prompt, request.max_age) == ("n", {"login", "consent"}, 0)
    assert (request.login_hint, request.ui_locales) == ("demo", ("de-AT", "en"))
    assert request.target.requested == ("openid", "agent")


def test_the_policy_is_the_client_s_first_unless_another_of_its_is_wished_for():
    second = Policy("p-2", "Second", ())
    environment = replace(
        ENVIRONMENT,
        policies={**ENVIRONMENT.policies, "Second": second, "Foreign": replace(second, name="Foreign")},
    )
    client = replace(AGENT, policies=(POLICY.name, "Second"))
    assert choose_policy(environment, client) is POLICY
    assert choose_policy(environment, client, "Unknown Second") is second
    assert choose_policy(environment, client, "Foreign") is POLICY
    assert choose_policy(environment, replace(AGENT, policies=())) is POLICY


def test_a_policy_that_does_not_exist_is_the_operator_s_mistake():
    with pytest.raises(ServerError, match="'gone' does not exist"):
        choose_policy(ENVIRONMENT, replace(AGENT, policies=("gone",)))
    assert outcome(with_agent(ENVIRONMENT, replace(AGENT, policies=("gone",)))).error.code == "server_error"


def test_the_answer_keeps_the_query_of_the_redirect_uri():
    assert (
        code_response("https://a.example/cb?x=1", "https://as", "c/1", None)
        == "https://a.example/cb?x=1&code=c%2F1&iss=https%3A%2F%2Fas"
    )
    assert (
        code_response("https://a.example/cb", "https://as", "c", "s&x")
        == "https://a.example/cb?code=c&iss=https%3A%2F%2Fas&state=s%26x"
    )


def test_the_private_detail_does_not_travel():
    refusal = AuthorizationRefusal(ServerError("secret detail"), REDIRECT_URI)
    assert "secret" not in error_response(refusal, ISSUER)
    assert isinstance(outcome(client_id=None).error, InvalidRequest)


LIMITS = replace(ENVIRONMENT, session_lifetime=1000, session_idle_lifetime=100)
BEGUN = replace(SESSION, auth_time=5000, expires_at=6000.0, last_used_at=5000.0)


def test_a_session_lapses_when_it_is_old_or_was_not_used():
    assert is_live(BEGUN, LIMITS, 5099.9)
    assert not is_live(BEGUN, LIMITS, 5100.0)
    used = replace(BEGUN, last_used_at=5950.0)
    assert is_live(used, LIMITS, 5999.9)
    assert not is_live(used, LIMITS, 6000.0)


def test_shorter_limits_count_at_once_and_longer_ones_from_the_next_sign_on():
    used = replace(BEGUN, last_used_at=5490.0)
    assert not is_live(used, replace(LIMITS, session_lifetime=500), 5500.0)
    assert not is_live(replace(BEGUN, last_used_at=6990.0), replace(LIMITS, session_lifetime=9000), 6995.0)


def test_the_limits_that_nobody_set():
    assert (ENVIRONMENT.settings.session_lifetime, ENVIRONMENT.settings.session_idle_lifetime) == (
        12 * 3600,
        2 * 3600,
    )


@given(st.integers(0, 3000), st.floats(0, 3000), st.floats(0, 3000), st.floats(0, 3000))
def test_no_session_lives_longer_than_each_of_its_limits(auth_time, used, expires, now):
    session = replace(SESSION, auth_time=auth_time, last_used_at=used, expires_at=expires)
    assert is_live(session, LIMITS, now) == (now < expires and now < auth_time + 1000 and now < used + 100)
    assert not is_live(replace(session, ended_at=0.0), LIMITS, now)
