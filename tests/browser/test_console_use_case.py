"""The use case's section A as an administrator does it: an empty database, the link that the program prints,
and clicks on what the pages show. Then the sample agent runs against what was clicked.
"""

import pytest
from demo import agent_run, programs
from demo.client import Agent, call_gateway
from demo.person import Person

from support.console_walk import CONSENT, AdministratorAtChromium, set_up, stop_agent

pytestmark = pytest.mark.browser
PROMPT = "What is the daily forecast for Tokyo?"


@pytest.fixture
def administrator(page):
    return AdministratorAtChromium(page)


def test_an_agent_set_up_by_clicks_alone_acts_for_a_user_until_one_button_stops_it(
    empty, administrator, chromium, record_property
):
    stage = empty.stage
    issuer, resource, client = set_up(administrator, stage)
    for name, count in administrator.cost.items():
        record_property(name, count)
    assert administrator.cost["clicks"] <= 70
    assert administrator.cost["pages"] <= 60
    assert administrator.page.violations == []

    programs.start_weather(empty)
    programs.start_gateway(empty, issuer, *resource)
    empty.await_ready()
    agent = Agent(*client, issuer, f"http://localhost:{stage.ports.callback}/callback")
    user = chromium.new_context(locale="en-US").new_page()
    run = agent_run.run(stage, agent, PROMPT, lambda url: sign_on_and_agree(user, url, stage.password))
    assert "forecast_daily" in run.tools
    assert "Tokyo" in run.answer
    assert run.tokens["actor"]["aud"] == ["agent"]
    assert run.tokens["subject"]["acr"] == "Agent-Consent-Login"
    assert run.tokens["subject"]["may_act"] == {"sub": agent.client_id}
    assert (run.tokens["mcp"]["sub"], run.tokens["mcp"]["act"]) == ("demouser", {"sub": agent.client_id})
    assert "may_act" not in run.tokens["mcp"]

    subject = agent.subject_token(Person("demouser", stage.password))
    assert agent.exchange(subject, None).status_code == 400, "nobody said who acts"
    token = agent.exchange(subject, agent.actor_token()).json()["access_token"]
    assert call_gateway(stage, token).status_code == 200
    stop_agent(administrator)
    programs.until(lambda: call_gateway(stage, token).status_code, lambda status: status == 401)
    assert agent.token(grant_type="client_credentials", scope="agent").status_code in {400, 401}


@pytest.mark.parametrize(
    ("scripts", "width"), [(False, 1280), (True, 390)], ids=["without scripts", "on a narrow screen"]
)
def test_everything_can_be_set_up_and_stopped(empty, chromium, scripts, width):
    context = chromium.new_context(
        locale="en-US", java_script_enabled=scripts, viewport={"width": width, "height": 900}
    )
    administrator = AdministratorAtChromium(context.new_page())
    set_up(administrator, empty.stage)
    stop_agent(administrator)
    context.close()


def sign_on_and_agree(page, url, password):
    page.goto(url)
    page.get_by_label("Username").fill("demouser")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign on").click()
    assert page.get_by_text(CONSENT).is_visible()
    page.get_by_role("button", name="Accept").click()
    page.wait_for_load_state()
