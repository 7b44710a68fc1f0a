"""The use case's section A as an administrator does it: an empty database, the link that the program prints,
and clicks on what the pages show. Then the sample agent runs against what was clicked.
"""

import re
from collections import Counter

import pytest
from demo import agent_run, programs
from demo.client import Agent, call_gateway
from demo.person import Person
from demo.programs import Programs
from demo.stage import prepare

pytestmark = pytest.mark.browser
ADMINISTRATOR, PASSWORD = "alice", "nobody else uses these words"
PROMPT = "What is the daily forecast for Tokyo?"
ACT = (
    "(#root.context.requestData.subjectToken.may_act.sub == #root.context.requestData.actorToken.client_id)"
    "?#root.context.requestData.subjectToken.may_act:null"
)
MAY_ACT = (
    '(#root.context.requestData.grantType == "client_credentials")?null:'
    '({ "sub": #root.context.appConfig.clientId })'
)
CONSENT = "I consent to allow digital assistants created by MyCompany to act on my behalf"


class AdministratorAtChromium:
    """Finds things by what the pages call them, and counts what it costs: pages, clicks, fields."""

    def __init__(self, page):
        self.page, self.cost = page, Counter()
        page.on("framenavigated", lambda _: self.cost.update(pages=1))

    def click(self, name, role="link", within=None):
        """Click the first thing of that name: an empty list offers at two places to add something."""
        self.cost["clicks"] += 1
        (within or self.page).get_by_role(role, name=name, exact=True).first.click()
        self.page.wait_for_load_state()

    def press(self, name):
        self.click(name, "button")

    def menu(self, menu, section):
        """Choose a section below a heading of the menu."""
        beside = self.page.get_by_role("navigation", name="Menu").locator(f"h2:text-is('{menu}') + ul")
        self.click(section, within=beside)

    def tab(self, name):
        self.click(name, within=self.page.get_by_role("navigation", name="Parts"))

    def field(self, label):
        return self.page.get_by_label(re.compile(rf"^\s*{re.escape(label)}( \(optional\))?\s*$"))

    def type(self, **typed):
        """Fill fields in; underscores stand for the spaces of their labels."""
        self.cost["fields"] += len(typed)
        for label, text in typed.items():
            self.field(label.replace("_", " ")).fill(text)

    def choose(self, label, option):
        self.cost["clicks"] += 1
        self.field(label).select_option(option)

    def tick(self, box):
        self.cost["clicks"] += 1
        assert not box.is_checked()
        box.check()

    def says(self, sentence):
        assert sentence in self.page.get_by_role("status").first.inner_text()

    def secret(self):
        """Copy the id and the secret that are shown this once."""
        shown = self.page.get_by_role("region", name=re.compile("^The secret of")).get_by_role("code")
        return shown.nth(0).inner_text(), shown.nth(1).inner_text()


@pytest.fixture
def empty(tmp_path):
    """The authority over nothing, and what starts the others beside it."""
    stage = prepare(tmp_path / "stage")
    with Programs(stage) as running:
        programs.start_authority(running)
        running.await_ready()
        yield running


@pytest.fixture
def administrator(page):
    return AdministratorAtChromium(page)


def test_an_agent_set_up_by_clicks_alone_acts_for_a_user_until_one_button_stops_it(
    empty, administrator, chromium, record_property
):
    stage = empty.stage
    become_administrator(administrator, stage)
    issuer = begin_environment(administrator)
    resource = add_resources(administrator, f"{stage.gateway_url}/mcp")
    write_agreement(administrator)
    add_policy(administrator)
    client = add_agent(administrator)
    add_user(administrator, stage.password)
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


def become_administrator(administrator, stage):
    """Follow the printed link, and sign on anew through the authority itself."""
    link = re.compile(r"http\S+/console/welcome/\S+")
    printed = programs.until(lambda: link.search(stage.log("authority").read_text("utf-8")), bool)[0]
    administrator.page.goto(printed)
    administrator.type(Username=ADMINISTRATOR, Password=PASSWORD)
    administrator.press("Create my account")
    administrator.page.locator("summary", has_text=ADMINISTRATOR).click()
    administrator.click("Sign off")
    administrator.press("Sign off")
    administrator.page.goto(f"{stage.authority_url}/console")
    administrator.type(Username=ADMINISTRATOR, Password=PASSWORD)
    administrator.press("Sign on")


def begin_environment(administrator):
    """Make an empty environment, and return its issuer, which its list shows."""
    administrator.click("Add Environment")
    administrator.type(Name="Agent Delegation")
    administrator.press("Create")
    administrator.says("Agent Delegation is created.")
    administrator.menu("Settings", "Environments")
    row = administrator.page.get_by_role("row", name=re.compile("Agent Delegation"))
    return row.get_by_role("code").inner_text()


def add_resources(administrator, audience):
    """A.1 and A.2: `test` and `agent`; return the ID and secret of the first, which the gateway needs."""
    administrator.menu("Applications", "Resources")
    administrator.click("Add Resource")
    administrator.type(Resource_name="test", Audience=audience)
    administrator.press("Create")
    id_and_secret = administrator.secret()
    administrator.click("Next: attributes")
    add_expression(administrator, "sub", "#root.context.requestData.subjectToken.sub")
    add_expression(administrator, "act", ACT)
    add_scope(administrator, "test")

    administrator.menu("Applications", "Resources")
    administrator.click("Add Resource")
    administrator.type(Resource_name="agent", Audience="agent")
    administrator.press("Create")
    administrator.click("Next: attributes")
    begin_attribute(administrator, "sub")
    administrator.choose("Mapping", "Username")
    administrator.press("Save")
    administrator.says("sub is saved.")
    add_expression(administrator, "may_act", MAY_ACT)
    add_scope(administrator, "agent")
    return id_and_secret


def begin_attribute(administrator, name):
    administrator.click("Add attribute")
    administrator.type(Attribute=name)


def add_expression(administrator, name, expression):
    begin_attribute(administrator, name)
    administrator.choose("Its value is", "an advanced expression")
    administrator.type(Expression=expression)
    administrator.press("Save")
    administrator.says(f"{name} is saved.")


def add_scope(administrator, name):
    administrator.tab("Scopes")
    administrator.click("Add scope")
    administrator.type(Scope_name=name)
    administrator.press("Save")
    administrator.says(f"{name} is saved.")


def write_agreement(administrator):
    """A.3: enabled, in English, asked again every 180 days."""
    administrator.menu("User Experience", "Agreements")
    administrator.click("Add Agreement")
    administrator.type(
        Agreement_name="Agent Consent",
        Description="What a user accepts before an agent may act for them",
        Ask_again_every="180 days",
    )
    administrator.press("Create")
    administrator.type(Heading="Agent Consent", Text=CONSENT)
    assert administrator.field("Language").input_value() == "en"
    assert administrator.field("Enabled").is_checked()
    administrator.press("Save")
    administrator.says("Now tick Enabled and save")
    administrator.tick(administrator.field("Enabled"))
    administrator.press("Save")
    administrator.says("Agent Consent is saved.")


def add_policy(administrator):
    """A.4: the step Login, which each policy begins with, then the agreement."""
    administrator.menu("Authentication", "Policies")
    administrator.click("Add Policy")
    administrator.type(Policy_name="Agent-Consent-Login")
    administrator.press("Create")
    administrator.click("Add step")
    administrator.click("Agreement Prompt")
    administrator.choose("Agreement", "Agent Consent")
    administrator.press("Save")
    steps = administrator.page.get_by_role("region", name="Steps").get_by_role("heading", level=3)
    assert steps.all_inner_texts() == ["Login", "Agreement Prompt"]


def add_agent(administrator):
    """A.5: `MCP Tutorial`; return its client ID and secret."""
    administrator.menu("AI Agents", "AI Agents")
    administrator.click("Add Agent")
    administrator.type(Agent_name="MCP Tutorial", Redirect_URIs="http://localhost:3000/callback")
    administrator.tick(administrator.field("refresh token"))
    for grant in ("client credentials", "token exchange"):
        assert administrator.field(grant).is_checked()
    administrator.press("Create")
    id_and_secret = administrator.secret()
    administrator.click("Next: resources")
    for resource in ("agent", "test"):
        group = administrator.page.get_by_role("group", name=re.compile(f"^{resource} "))
        administrator.tick(group.get_by_role("checkbox"))
    administrator.press("Save")
    administrator.tab("Policies")
    administrator.choose("Policy", "Agent-Consent-Login")
    administrator.press("Add policy")
    administrator.says("MCP Tutorial is saved.")
    return id_and_secret


def add_user(administrator, password):
    """A.6."""
    administrator.menu("Directory", "Users")
    administrator.click("Add User")
    administrator.type(Username="demouser", Password=password)
    administrator.press("Create")
    administrator.says("demouser is saved.")


def sign_on_and_agree(page, url, password):
    page.goto(url)
    page.get_by_label("Username").fill("demouser")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign on").click()
    assert page.get_by_text(CONSENT).is_visible()
    page.get_by_role("button", name="Accept").click()
    page.wait_for_load_state()


def stop_agent(administrator):
    administrator.menu("AI Agents", "AI Agents")
    administrator.click("MCP Tutorial")
    administrator.click("Stop this agent now")
    administrator.press("Stop it")
    administrator.says("MCP Tutorial is stopped.")
