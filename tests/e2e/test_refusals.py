"""What an agent must not get, tried against the running programs."""

import json
from base64 import urlsafe_b64decode

import pytest
from demo import programs
from demo.client import EXCHANGE, call_gateway

pytestmark = pytest.mark.slow


@pytest.fixture
def mcp_token(stack):
    def issue(agent=None, person=None, scope="test"):
        agent, person = agent or stack.agent(), person or stack.person()
        return (
            agent.exchange(agent.subject_token(person), agent.actor_token(), scope)
            .raise_for_status()
            .json()["access_token"]
        )

    return issue


def assert_refused(answer, error="invalid_request"):
    assert answer.status_code == 400
    assert answer.json()["error"] == error
    assert "access_token" not in answer.text


def test_what_is_refused_below_is_otherwise_let_through(stack, mcp_token):
    assert call_gateway(stack.stage, mcp_token()).status_code == 200


def test_another_agents_exchange(stack):
    other = stack.agent("Other Agent")
    assert_refused(other.exchange(stack.agent().subject_token(stack.person()), other.actor_token()))


def test_another_agents_actor_token(stack):
    agent, other = stack.agent(), stack.agent("Other Agent")
    assert_refused(agent.exchange(agent.subject_token(stack.person()), other.actor_token()))


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_tampered_subject_token(stack, part):
    agent = stack.agent()
    parts = agent.subject_token(stack.person()).split(".")
    middle = len(parts[part]) // 2
    parts[part] = (
        parts[part][:middle] + ("A" if parts[part][middle] != "A" else "B") + parts[part][middle + 1 :]
    )
    assert_refused(agent.exchange(".".join(parts), agent.actor_token()))


def test_signed_off(stack, mcp_token):
    agent, person = stack.agent(), stack.person("leaver")
    subject = agent.subject_token(person)
    token = mcp_token(agent, person)
    assert call_gateway(stack.stage, token).status_code == 200
    person.press(f"{agent.issuer}/signoff")
    assert_refused(agent.exchange(subject, agent.actor_token()))
    assert call_gateway(stack.stage, token).status_code == 401


def test_consent_withdrawn(stack, mcp_token):
    agent, person = stack.agent(), stack.person("doubter")
    subject = agent.subject_token(person)
    token = mcp_token(agent, person)
    person.press(f"{agent.issuer.removesuffix('/as')}/my/agents", "agent")
    assert_refused(agent.exchange(subject, agent.actor_token()))
    assert call_gateway(stack.stage, token).status_code == 401


def test_a_disabled_agent(stack, mcp_token, tmp_path):
    agent = stack.agent("Doomed Agent")
    subject, actor, token = agent.subject_token(stack.person()), agent.actor_token(), mcp_token(agent)
    (tmp_path / "disable.yaml").write_text(
        "environment: End To End\nagents:\n  - name: Doomed Agent\n    enabled: false\n", "utf-8"
    )
    programs.apply(stack.stage, tmp_path / "disable.yaml")
    answer = programs.until(lambda: agent.exchange(subject, actor), lambda answer: answer.status_code != 200)
    assert answer.status_code == 401
    assert answer.json()["error"] == "invalid_client"
    assert call_gateway(stack.stage, token).status_code == 401


def test_no_actor_where_delegation_is_required(stack):
    agent = stack.agent()
    assert_refused(agent.exchange(agent.subject_token(stack.person()), None))


def test_a_person_who_is_sent_for_what_requires_delegation_yields_a_token_that_says_who_acts(stack):
    token = stack.agent().subject_token(stack.person(), scope="test")
    claims = json.loads(urlsafe_b64decode(token.split(".")[1] + "=="))
    assert claims["act"] == {"sub": stack.agent().client_id}
    assert "may_act" not in claims


def test_the_wrong_audience_at_the_gateway(stack):
    answer = call_gateway(stack.stage, stack.agent().subject_token(stack.person()))
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert "resource_metadata=" in answer.headers["www-authenticate"]


def test_no_token_at_the_gateway(stack):
    answer = call_gateway(stack.stage, None)
    metadata = f"{stack.stage.gateway_url}/.well-known/oauth-protected-resource/mcp"
    assert answer.status_code == 401
    assert f'resource_metadata="{metadata}"' in answer.headers["www-authenticate"]
    assert "error=" not in answer.headers["www-authenticate"]


def test_a_missing_scope_at_the_gateway(stack, mcp_token):
    answer = call_gateway(stack.stage, mcp_token(scope="other"))
    assert answer.status_code == 403
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
    assert 'scope="test"' in answer.headers["www-authenticate"]


def test_a_scope_that_was_not_granted(stack):
    agent = stack.agent()
    assert_refused(
        agent.exchange(agent.subject_token(stack.person()), agent.actor_token(), scope="admin"),
        "invalid_scope",
    )


def test_garbage_is_refused_and_nothing_falls_over(stack):
    agent = stack.agent()
    for token in ("", "x", "a.b.c", "e30.e30.", "." * 5000):
        answer = agent.token(
            grant_type=EXCHANGE,
            subject_token=token,
            subject_token_type="urn:ietf:params:oauth:token-type:access_token",
        )
        assert answer.status_code == 400
        assert not token or call_gateway(stack.stage, token).status_code in {400, 401}
