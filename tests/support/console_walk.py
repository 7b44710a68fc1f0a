"""The use case's section A as an administrator does it in the console, by mouse or by keyboard.

An empty database, the link that the program prints, and what the pages show.
"""

import re
from collections import Counter

from demo import programs

ADMINISTRATOR, PASSWORD = "alice", "nobody else uses these words"
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
        """Choose a section below a heading of the menu, which narrow screens have folded."""
        folded = self.page.get_by_role("navigation", name="Menu").locator("summary")
        if folded.is_visible():
            self.open(folded)
        beside = self.page.get_by_role("navigation", name="Menu").locator(f"h2:text-is('{menu}') + ul")
        self.click(section, within=beside)

    def tab(self, name):
        self.click(name, within=self.page.get_by_role("navigation", name="Parts"))

    def open(self, summary):
        """Unfold something."""
        self.cost["clicks"] += 1
        summary.click()

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


class AdministratorAtKeyboard(AdministratorAtChromium):
    """Has no mouse: reaches things by Tab and Shift+Tab, as somebody who sees where the focus is."""

    MOST = 120
    """Presses of Tab to anything of a page; the menu is passed by the link that skips it."""

    def __init__(self, page):
        super().__init__(page)
        self.page.on("framenavigated", lambda _: setattr(self, "is_new", True))
        self.is_new = True

    def press_key(self, key):
        self.cost["keys"] += 1
        self.page.keyboard.press(key)

    def reach(self, target):
        """Move the focus there; where it goes by it does not pass anything that cannot be seen."""
        target.wait_for()
        if self.is_new and target.evaluate("each => each.closest('main') !== null") and self.can_skip():
            self.press_key("Tab")
            self.press_key("Enter")
        self.is_new = False
        for _ in range(self.MOST):
            if target.evaluate("each => document.activeElement === each"):
                return
            self.press_key("Shift+Tab" if target.evaluate(IS_BEFORE) else "Tab")
            assert self.page.evaluate(IS_SEEN), self.page.evaluate("document.activeElement.outerHTML")
        raise AssertionError(f"nobody reaches {target} by keyboard")

    def can_skip(self):
        """Whether the next Tab gets to the link that skips the menu: nothing has the focus yet."""
        return self.page.locator(".skip").count() and self.page.evaluate(
            "document.activeElement === document.body"
        )

    def click(self, name, role="link", within=None):
        self.cost["clicks"] += 1
        self.reach((within or self.page).get_by_role(role, name=name, exact=True).first)
        with self.page.expect_navigation():
            self.press_key("Enter")

    def open(self, summary):
        self.reach(summary)
        self.press_key("Enter")

    def type(self, **typed):
        self.cost["fields"] += len(typed)
        for label, text in typed.items():
            self.reach(self.field(label.replace("_", " ")))
            self.press_key("Control+a")
            self.page.keyboard.type(text)

    def choose(self, label, option):
        field = self.field(label)
        self.reach(field)
        self.press_key("Home")
        for _ in range(field.locator("option").count()):
            if field.locator("option:checked").inner_text() == option:
                return
            self.press_key("ArrowDown")
        raise AssertionError(f"nobody chooses {option!r} by keyboard")

    def tick(self, box):
        assert not box.is_checked()
        self.reach(box)
        self.press_key("Space")
        assert box.is_checked()


IS_BEFORE = """each => {
    const at = document.activeElement;
    const preceding = Node.DOCUMENT_POSITION_PRECEDING;
    return at !== document.body && Boolean(at.compareDocumentPosition(each) & preceding);
}"""
IS_SEEN = """() => {
    const at = document.activeElement, style = getComputedStyle(at);
    return at === document.body || at.matches(":focus-visible") && style.outlineStyle !== "none";
}"""


def set_up(administrator, stage):
    """Do all of section A; the issuer, the first resource's ID and secret, and the agent's."""
    become_administrator(administrator, stage)
    issuer = begin_environment(administrator)
    resource = add_resources(administrator, f"{stage.gateway_url}/mcp")
    write_agreement(administrator)
    add_policy(administrator)
    client = add_agent(administrator)
    add_user(administrator, stage.password)
    return issuer, resource, client


def become_administrator(administrator, stage):
    """Follow the printed link, and sign on anew through the authority itself."""
    link = re.compile(r"http\S+/console/welcome/\S+")
    printed = programs.until(lambda: link.search(stage.log("authority").read_text("utf-8")), bool)[0]
    administrator.page.goto(printed)
    administrator.type(Username=ADMINISTRATOR, Password=PASSWORD)
    administrator.press("Create my account")
    administrator.open(administrator.page.locator("summary", has_text=ADMINISTRATOR))
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
    administrator.says("The attribute sub is saved.")
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
    administrator.says(f"The attribute {name} is saved.")


def add_scope(administrator, name):
    administrator.tab("Scopes")
    administrator.click("Add scope")
    administrator.type(Scope_name=name)
    administrator.press("Save")
    administrator.says(f"The scope {name} is saved.")


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
    administrator.says("The agreement Agent Consent is saved.")


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
    for grant in ("client credentials", "refresh token", "token exchange"):
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
    administrator.says("The agent MCP Tutorial is saved.")
    return id_and_secret


def add_user(administrator, password):
    """A.6."""
    administrator.menu("Directory", "Users")
    administrator.click("Add User")
    administrator.type(Username="demouser", Password=password)
    administrator.press("Create")
    administrator.says("The user demouser is saved.")


def stop_agent(administrator):
    administrator.menu("AI Agents", "AI Agents")
    administrator.click("MCP Tutorial")
    administrator.click("Stop this agent now")
    administrator.press("Stop it")
    administrator.says("MCP Tutorial is stopped.")
