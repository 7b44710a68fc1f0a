"""The sample agent prints an address; a person opens it in Chromium; the agent goes on.

All programs are the real ones.
"""

import contextlib
import json

import pytest
from demo import agent_run, programs
from demo.client import Agent
from demo.programs import Programs
from demo.stage import EXAMPLE, prepare

pytestmark = pytest.mark.browser
PROMPT = "What is the daily forecast for Tokyo?"
SHORT_INTERVAL = """
environment: Agent Delegation
agreements:
  - name: Agent Consent
    reconsent_every: 1 second
    enabled: true
    languages:
      - { locale: en, title: Agent Consent,
      text: I consent to allow digital assistants created by MyCompany to act on my behalf }
"""


class PersonAtChromium:
    """Signs on and agrees where asked to, and remembers the headings of the pages seen."""

    def __init__(self, page, password):
        self.page, self.password, self.headings = page, password, []

    def follow(self, url):
        self.headings = []
        self.page.goto(url)
        while self.page.locator("form").count():
            self.headings.append(self.page.locator("h1").inner_text())
            if self.page.get_by_label("Username").count():
                self.page.get_by_label("Username").fill("demouser")
                self.page.get_by_label("Password").fill(self.password)
                self.page.get_by_role("button", name="Sign on").click()
            else:
                self.page.get_by_role("button", name="Accept").click()
            self.page.wait_for_load_state()


@pytest.fixture
def stage(tmp_path):
    stage = prepare(tmp_path / "stage")
    programs.apply(stage, EXAMPLE / "environment.yaml")
    return stage


@pytest.fixture
def agent(stage):
    secrets = json.loads((stage.folder / "secrets.json").read_text("utf-8"))
    resource = secrets["resources"]["test"]
    with Programs(stage) as running:
        programs.start_authority(running)
        programs.start_weather(running)
        programs.start_gateway(running, secrets["issuer"], resource["id"], resource["secret"])
        running.await_ready()
        known = secrets["agents"]["MCP Tutorial"]
        yield Agent(
            known["id"],
            known["secret"],
            secrets["issuer"],
            f"http://localhost:{stage.ports.callback}/callback",
        )


def test_sign_on_once_agree_once_and_again_when_the_interval_is_shortened(chromium, stage, agent, tmp_path):
    context = chromium.new_context(locale="en-US")
    person = PersonAtChromium(context.new_page(), stage.password)

    first = agent_run.run(stage, agent, PROMPT, person.follow)
    assert person.headings == ["Sign on", "Let MCP Tutorial act for you?"]
    assert "Tokyo" in first.answer
    assert first.tokens["mcp"]["act"] == {"sub": agent.client_id}

    second = agent_run.run(stage, agent, PROMPT, person.follow)
    assert person.headings == [], "signed on and agreed already, so nothing is asked"
    assert "Tokyo" in second.answer

    (tmp_path / "shorter.yaml").write_text(SHORT_INTERVAL, "utf-8")
    programs.apply(stage, tmp_path / "shorter.yaml")
    programs.until(lambda: _asked_again(context, first.authorize_url), bool)
    context.close()


def _asked_again(context, authorize_url):
    """Whether the agreement shows.

    Otherwise the browser is sent on to the callback, where nobody listens any more.
    """
    page = context.new_page()
    refused = pytest.importorskip("playwright.sync_api").Error
    with contextlib.suppress(refused):
        page.goto(authorize_url)
    asked = page.locator("h1:has-text('act for you?')").count() == 1
    page.close()
    return asked
