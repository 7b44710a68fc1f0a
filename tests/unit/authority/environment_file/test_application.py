import re
from pathlib import Path

import pytest

from deputize.authority.directory.assemble import assemble
from deputize.authority.directory.objects import (
    AgentObject,
    AgreementObject,
    EnvironmentObject,
    ResourceObject,
)
from deputize.authority.directory.objects import agent as agent_object
from deputize.authority.environment_file import Application, EnvironmentFileInvalid, apply
from deputize.authority.signon import steps
from deputize.authority.signon.step import StepSettings
from deputize.authority.signon.steps import STEPS
from deputize.authority.storage import DirectoryConflict, Put
from deputize.kernel import durations
from deputize.kernel.digests import digest
from deputize.oauth.client_auth import CLIENT_AUTH_METHODS
from deputize.oauth.grants import GRANTS
from deputize.oauth.records.directory import Step
from support.records import replace

EXAMPLES = Path(__file__).resolve().parents[4] / "examples" / "agent-delegation"
EXAMPLE = (EXAMPLES / "environment.yaml").read_text("utf-8")
FAIL_OPEN = (EXAMPLES / "fail-open.yaml").read_text("utf-8")
GUIDES = EXAMPLES.parents[1] / "docs" / "howto"
RECIPES = [
    recipe
    for name in (
        "environment-file.md",
        "trust-other-issuers.md",
        "let-clients-introduce-themselves.md",
        "connect-your-client.md",
        "add-factors.md",
    )
    for recipe in re.findall(
        r"^```yaml\n(.*?)^```$", (GUIDES / name).read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
]
AGENT = """
environment: Test
resources:
  - name: test
    scopes: [{ name: test }, { name: other }]
agents:
  - name: Agent
    scopes: { test: [test] }
    redirect_uris: ["https://a.example.com/"]
"""
AGREEMENT = """
environment: Test
agreements:
  - name: Terms
    reconsent_every: 180 days
    languages:
      - { locale: en, title: Terms, text: TEXT }
"""


async def test_the_example_sets_up_the_use_case(applying):
    applied = await applying(EXAMPLE, DEMO_PASSWORD="correct horse")
    assert [line for line in applied.lines if line.startswith("+")] == [
        "+ environment Agent Delegation",
        "+ resource test",
        "+ resource agent",
        "+ agreement Agent Consent",
        "+ agreement Stranger Consent",
        "+ policy Agent-Consent-Login",
        "+ policy Stranger-Consent-Login",
        "+ agent MCP Tutorial",
        "+ agent Other Agent",
        "+ user demouser",
    ]
    assert [(issued.owner.name, len(issued.text)) for issued in applied.secrets] == [
        ("test", 64),
        ("agent", 64),
        ("MCP Tutorial", 64),
        ("Other Agent", 64),
    ]
    (warning,) = applied.warnings
    assert warning.startswith("registration is open")


def test_the_guide_has_recipes():
    assert len(RECIPES) > 6


@pytest.mark.parametrize("recipe", RECIPES)
async def test_each_recipe_of_the_guide_applies_to_the_example(applying, recipe):
    await applying(EXAMPLE, DEMO_PASSWORD="correct horse")
    assert (await applying(recipe)).lines != ()


async def test_scopes_say_when_users_are_asked(applying):
    marked = AGENT.replace("{ name: other }", "{ name: other, description: Do more, consent: on_use }")
    await applying(marked)
    stored = (await applying.document("resource", "test"))["scopes"]
    assert {scope["name"]: scope["consent"] for scope in stored} == {"test": "first", "other": "on_use"}
    with pytest.raises(EnvironmentFileInvalid, match="consent"):
        await applying(marked.replace("on_use", "never"))


async def test_a_policy_that_asks_for_no_consent_is_warned_about(applying):
    """By whichever of agent and policy the file names, and not once the policy asks."""
    silent = AGENT + "policies:\n  - name: Silent\n    steps: [{ login: {} }]\n"
    assert any(
        "agent Agent signs users on by the policy Single_Factor" in each
        for each in (await applying(AGENT)).warnings
    )
    named = silent.replace("redirect_uris", "policies: [Silent]\n    redirect_uris")
    assert any(
        "agent Agent signs users on by the policy Silent" in each for each in (await applying(named)).warnings
    )
    policy_alone = "environment: Test\npolicies:\n  - name: Silent\n    steps: [{ login: {} }]\n"
    assert any("policy Silent" in each for each in (await applying(policy_alone)).warnings)
    asking = policy_alone.replace(
        "{ login: {} }", "{ login: {} }, { agreement_prompt: { agreement: Terms } }"
    )
    asking += AGREEMENT.replace("environment: Test\n", "").replace(
        "languages", "enabled: true\n    languages"
    )
    assert (await applying(asking)).warnings == ()
    assert (await applying("environment: Test\nresources: []\n")).warnings == ()


async def test_the_example_holds_the_use_case_word_for_word(applying):
    await applying(EXAMPLE, DEMO_PASSWORD="correct horse")
    test, agent = await applying.document("resource", "test"), await applying.document("resource", "agent")
    assert test["audience"] == "https://ig.example.com:8443/mcp"
    assert [(each["name"], each["expression"]) for each in test["attributes"]] == [
        ("sub", "#root.context.requestData.subjectToken.sub"),
        (
            "act",
            (
                "(#root.context.requestData.subjectToken.may_act.sub == "
                "#root.context.requestData.actorToken.client_id)"
                "?#root.context.requestData.subjectToken.may_act:null"
            ),
        ),
    ]
    subject, may_act = agent["attributes"]
    assert (subject["name"], subject["mapping"]) == ("sub", "Username")
    assert (may_act["name"], may_act["expression"]) == (
        "may_act",
        (
            '(#root.context.requestData.grantType == "client_credentials")?null:({ "sub": '
            "#root.context.appConfig.clientId })"
        ),
    )
    agreement = await applying.document("agreement", "Agent Consent")
    assert agreement["reconsent_every"] == "180 days"
    assert (
        agreement["languages"][0]["text"]
        == "I consent to allow digital assistants created by MyCompany to act on my behalf"
    )
    tutorial = await applying.document("agent", "MCP Tutorial")
    assert tutorial["redirect_uris"] == ["http://localhost:3000/callback"]
    assert tutorial["policies"] == ["Agent-Consent-Login"]
    assert tutorial["grants"] == [
        "client_credentials",
        "refresh_token",
        "urn:ietf:params:oauth:grant-type:token-exchange",
    ]


async def test_applying_again_changes_nothing(applying):
    first = await applying(EXAMPLE, DEMO_PASSWORD="correct horse")
    version = await applying.store.directory_rows.version()
    second = await applying(EXAMPLE, DEMO_PASSWORD="correct horse")
    assert (second.lines, second.secrets) == ((), ())
    assert await applying.store.directory_rows.version() == version
    assert {row.id for row in second.objects} == {row.id for row in first.objects}


async def test_a_partial_file_changes_what_it_names_and_warns_of_failing_open(applying):
    await applying(EXAMPLE, DEMO_PASSWORD="correct horse")
    opened = await applying(FAIL_OPEN)
    assert len(opened.lines) == 1
    assert "delegation_required true -> false" in opened.lines[0]
    assert "impersonation_allowed false -> true" in opened.lines[0]
    assert "resource test allows impersonation" in opened.warnings[0]
    closed = await applying(EXAMPLE, DEMO_PASSWORD="correct horse")
    assert "delegation_required false -> true" in closed.lines[0]
    assert "impersonation_allowed true -> false" in closed.lines[0]
    assert not any("impersonation" in each for each in closed.warnings)


async def test_agents_that_may_act_are_named_and_kept_by_id(applying):
    permitting = EXAMPLE.replace(
        "    policies: [Agent-Consent-Login]\n\n",
        "    policies: [Agent-Consent-Login]\n"
        "    permitted_actors: [Other Agent]\n    delegation_resource: agent\n\n",
        1,
    )
    applied = await applying(permitting, DEMO_PASSWORD="correct horse")
    ids = {row.name: row.id for row in applied.objects}
    stored = await applying.document("agent", "MCP Tutorial")
    assert (stored["permitted_actors"], stored["delegation_resource"]) == ([ids["Other Agent"]], ids["agent"])
    assert (await applying(permitting, DEMO_PASSWORD="correct horse")).lines == ()
    without = await applying("environment: Agent Delegation\nagents: [{ name: MCP Tutorial }]\nprune: true")
    assert "permitted_actors -Other Agent" in str(without.lines)
    assert (await applying.document("agent", "MCP Tutorial"))["permitted_actors"] == []


async def test_a_dry_run_tells_and_does_nothing(applying):
    planned = await applying(AGENT, dry_run=True)
    assert "+ agent Agent" in planned.lines
    rows = await applying.store.directory_rows.load()
    assert (rows.environments, rows.objects) == ((), ())


async def test_what_was_tried_is_applied_only_while_the_directory_is_the_same(applying):
    tried = await applying(AGENT, dry_run=True)
    await applying("environment: Another")
    application = Application(AGENT.encode(), "test.yaml", {}.get, read_version=tried.read_version)
    where = (applying.store, applying.passwords, applying.clock)
    with pytest.raises(DirectoryConflict, match="was changed meanwhile"):
        await apply(application, *where)
    tried = await applying(AGENT, dry_run=True)
    applied = await apply(replace(application, read_version=tried.read_version), *where)
    assert applied.lines == tried.lines


async def test_one_error_refuses_the_whole_file(applying):
    with pytest.raises(EnvironmentFileInvalid):
        await applying(AGENT + "    policies: [Absent]\n")
    assert (await applying.store.directory_rows.load()).environments == ()


async def test_ids_given_are_used_and_kept(applying):
    text = (
        "environment: Test\nid: 9f1c3f0e-5d0a-4a44-8d4e-0f2f3a1b2c3d\nresources: [{ name: a, id: "
        "00000000-0000-4000-8000-000000000001 }]\n"
    )
    applied = await applying(text)
    assert applied.environment.id == "9f1c3f0e-5d0a-4a44-8d4e-0f2f3a1b2c3d"
    (resource,) = (row for row in applied.objects if row.kind == "resource")
    assert resource.id == "00000000-0000-4000-8000-000000000001"


async def test_an_id_renames_its_object(applying):
    first = await applying("environment: Test\nresources: [{ name: a }]\n")
    row = next(row for row in first.objects if row.kind == "resource")
    second = await applying(f"environment: Test\nresources: [{{ name: b, id: {row.id} }}]\n")
    assert second.lines == ("~ resource b: name a -> b",)
    assert (row.id, "b") in [(each.id, each.name) for each in second.objects]


async def test_an_id_cannot_be_taken_over(applying):
    first = await applying("environment: Test\nresources: [{ name: a }]\n")
    row = next(row for row in first.objects if row.kind == "resource")
    with pytest.raises(EnvironmentFileInvalid, match="this is the id of the resource 'a'"):
        await applying(f"environment: Test\nagents: [{{ name: b, id: {row.id} }}]\n")
    with pytest.raises(EnvironmentFileInvalid, match="ids do not change"):
        await applying(
            "environment: Test\nresources: [{ name: a, id: 00000000-0000-4000-8000-000000000001 }]\n"
        )
    with pytest.raises(EnvironmentFileInvalid, match="already has the id"):
        await applying("environment: Test\nid: 00000000-0000-4000-8000-000000000001\n")


async def test_changes_are_shown_member_by_member(applying):
    await applying(AGENT)
    changed = AGENT.replace("https://a.example.com/", "https://b.example.com/").replace(
        "[test] }", "[test, other] }"
    )
    applied = await applying(changed + "    enabled: false\n")
    assert applied.lines == (
        (
            "~ agent Agent: enabled true -> false, redirect_uris +https://b.example.com/ "
            "-https://a.example.com/, scopes.test +other"
        ),
    )


async def test_nothing_is_removed_without_prune(applying):
    await applying(AGENT)
    applied = await applying("environment: Test\nagents: []\n")
    assert applied.lines == ()


async def test_prune_removes_what_is_not_named_of_the_kinds_listed(applying):
    await applying(AGENT)
    applied = await applying("environment: Test\nagents: []\npolicies: []\n", prune=True)
    assert applied.lines == ("- agent Agent",)
    assert {row.name for row in applied.objects} == {"test", "Single_Factor"}
    rows = await applying.store.directory_rows.load()
    assert [row.name for row in rows.objects if row.kind == "policy"] == ["Single_Factor"]


LOSING = """environment: Test
resources:
  - { name: kept, scopes: [{ name: read }] }
  - { name: gone, scopes: [{ name: pay }, { name: see }] }
agents:
  - { name: Agent, scopes: { kept: [read], gone: [pay, see] } }
"""


@pytest.mark.parametrize("agents", ["", "agents: [{ name: Agent }]\n"])
@pytest.mark.parametrize("dry_run", [True, False])
async def test_agents_lose_the_scopes_of_a_resource_that_goes_and_the_lines_say_so(applying, agents, dry_run):
    await applying(LOSING)
    gone = (await applying.row("resource", "gone")).id
    pruning = f"environment: Test\nprune: true\nresources: [{{ name: kept }}]\n{agents}"
    applied = await applying(pruning, dry_run=dry_run)
    assert applied.lines == ("- resource gone", "~ agent Agent: scopes.gone -pay -see")
    assert (gone in (await applying.document("agent", "Agent"))["scopes"]) is dry_run
    if not dry_run:
        assert (await applying(pruning)).lines == ()
        # Nor does a resource that comes back with the same id give them back.
        await applying(
            f"environment: Test\nresources: [{{ name: gone, id: {gone}, scopes: [{{ name: pay }}] }}]\n"
        )
        assert gone not in (await applying.document("agent", "Agent"))["scopes"]


async def test_prune_does_not_pull_the_rug_from_under_what_stays(applying):
    text = (
        AGREEMENT
        + "policies:\n  - { name: P, steps: [{ login: {} }, { agreement_prompt: { agreement: Terms } }] }\n"
    )
    await applying(text + "agents: [{ name: A, policies: [P] }]\ndefault_policy: P\n")
    with pytest.raises(EnvironmentFileInvalid, match="the policy 'P' still prompts"):
        await applying("environment: Test\nagreements: []\nprune: true\n")
    with pytest.raises(EnvironmentFileInvalid, match="the policy 'P' still prompts"):
        await applying("environment: Test\nagreements: [{ name: Terms, enabled: false }]\n")
    with pytest.raises(EnvironmentFileInvalid) as caught:
        await applying("environment: Test\npolicies: []\nprune: true\n")
    assert "there is no policy 'P'" in str(caught.value)
    assert "the agent 'A' still has a policy that this removes" in str(caught.value)


async def test_the_built_in_policy_can_be_changed(applying):
    text = (
        "policies:\n  - { name: Single_Factor, steps: [{ login: {} }, { agreement_prompt: { agreement: "
        "Terms } }] }\n"
    )
    applied = await applying(AGREEMENT + text)
    assert "~ policy Single_Factor: steps +agreement_prompt: { agreement: Terms }" in applied.lines
    assert (await applying(AGREEMENT + text)).lines == ()


async def test_a_changed_text_is_a_new_version_and_revision(applying):
    await applying(AGREEMENT)
    before = await applying.row("agreement", "Terms")
    assert before.history["version"] == 1
    await applying(AGREEMENT.replace("180", "90"))
    assert (await applying.row("agreement", "Terms")).history == before.history
    changed = await applying(AGREEMENT.replace("TEXT", "NEW TEXT"))
    assert changed.lines == (
        (
            "~ agreement Terms: reconsent_every 90 days -> 180 days, languages.en.text TEXT -> NEW TEXT, "
            "version 1 -> 2"
        ),
    )
    after = await applying.row("agreement", "Terms")
    assert after.history["version"] == 2
    assert after.history["revisions"]["en"] != before.history["revisions"]["en"]


async def test_a_language_that_comes_back_with_other_words_is_a_new_version(applying):
    german = "      - { locale: de, title: Bedingungen, text: TEXT }\n"

    async def version(text):
        await applying(text)
        return (await applying.row("agreement", "Terms")).history["version"]

    assert await version(AGREEMENT + german) == 1
    assert await version(AGREEMENT) == 1
    assert await version(AGREEMENT + german) == 1
    assert await version(AGREEMENT) == 1
    assert await version(AGREEMENT + german.replace("TEXT", "ANDERS")) == 2


async def test_another_language_asks_nobody_again(applying):
    await applying(AGREEMENT)
    await applying(AGREEMENT + "      - { locale: de, title: Bedingungen, text: TEXT }\n")
    assert (await applying.row("agreement", "Terms")).history["version"] == 1


async def test_delegation_is_required_by_default_exactly_where_act_is_mapped(applying):
    text = (
        "environment: Test\nresources:\n  - { name: a, attributes: [{ name: act, mapping: Username }] "
        "}\n  - { name: b }\n"
    )
    await applying(text)
    assert await requires_delegation(applying, "a")
    assert not await requires_delegation(applying, "b")
    # Nor does an entry that says no more than what is mapped leave the default behind.
    mapped = await applying(
        "environment: Test\nresources: [{ name: b, attributes: [{ name: act, mapping: Username }] }]\n"
    )
    assert mapped.lines == (
        "~ resource b: attributes +act, delegation_required false (default) -> true (default)",
    )
    assert await requires_delegation(applying, "b")


async def test_only_digests_of_secrets_are_stored(applying):
    applied = await applying(AGENT)
    rows = await applying.store.directory_rows.load()
    assert {row.digest for row in rows.secrets} == {digest(issued.text) for issued in applied.secrets}


async def test_a_given_secret_is_used_and_replaces_the_one_before(applying):
    await applying(AGENT)
    text = AGENT + "    secret: '&{S}'\n"
    applied = await applying(text, S="x" * 32)
    assert applied.lines == ("  the given secret for agent Agent",)
    assert (await applying(text, S="x" * 32)).lines == ()
    applying.clock.instant += 10
    await applying(text, S="y" * 32)
    rows = await applying.store.directory_rows.load()
    valid = [
        row.digest
        for row in rows.secrets
        if row.owner_id == applied.secrets[0].owner.id and row.expires_at is None
    ]
    assert valid == [digest("y" * 32)]


async def test_a_password_is_hashed_once(applying):
    text = "environment: Test\nusers: [{ username: ada, password: '&{P}' }]\n"
    first = await applying(text, P="correct horse")
    user = await applying.store.users.find_user(first.environment.id, "ada")
    assert user.password_hash.startswith("$argon2id$")
    assert (await applying(text, P="correct horse")).lines == ()
    assert (await applying(text, P="battery staple")).lines == ("~ user ada: password set -> changed",)


@pytest.mark.parametrize("length", [14, 65])
async def test_a_password_in_the_file_is_as_long_as_the_policy_has_it(applying, length):
    text = (
        "environment: Test\npassword_policy: { min_length: 15, max_length: 64 }\n"
        "users: [{ username: ada, password: '&{P}' }]\n"
    )
    with pytest.raises(EnvironmentFileInvalid) as caught:
        await applying(text, P="x" * length)
    (problem,) = caught.value.errors
    assert problem.position.pointer == "/users/0/password"
    assert problem.reason == f"passwords of this environment have 15 to 64 characters, and this one {length}"
    assert "x" * length not in str(caught.value)
    await applying(text, P="x" * 15)
    later = "environment: Test\nusers: [{ username: ada, password: '&{P}' }]\n"
    with pytest.raises(EnvironmentFileInvalid, match="15 to 64 characters"):
        await applying(later, P="x" * length)


async def test_a_temporary_password_is_set_and_applying_the_file_again_sets_it_again(applying):
    text = "environment: Test\nusers: [{ username: ada, password: '&{P}', must_change_password: true }]\n"
    (user,) = (await applying(text, P="correct horse")).users
    assert user.must_change_password
    assert (await applying(text, P="correct horse")).lines == ()
    await applying.store.users.change_password(
        await applying.store.users.find_user(user.environment_id, "ada"), "another"
    )
    assert (await applying(text, P="correct horse")).lines == (
        "~ user ada: must_change_password false -> true, password set -> changed",
    )


async def test_a_user_without_a_password_in_the_file_keeps_theirs(applying):
    applied = await applying("environment: Test\nusers: [{ username: ada, password: correct horse }]\n")
    before = await applying.store.users.find_user(applied.environment.id, "ada")
    changed = await applying(
        "environment: Test\nusers: [{ username: ada, email: ada@example.com, attributes: { tier: gold } }]\n"
    )
    after = await applying.store.users.find_user(applied.environment.id, "ada")
    assert changed.lines == ("~ user ada: email unset -> ada@example.com, attributes.tier unset -> gold",)
    assert (after.password_hash, after.email, after.attributes) == (
        before.password_hash,
        "ada@example.com",
        {"tier": "gold"},
    )


async def test_a_given_password_hash_is_stored_as_it_is(applying):
    encoded = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA"
    applied = await applying(f"environment: Test\nusers: [{{ username: ada, password_hash: '{encoded}' }}]\n")
    assert (await applying.store.users.find_user(applied.environment.id, "ada")).password_hash == encoded


async def test_users_are_pruned_only_when_the_file_lists_users(applying):
    applied = await applying("environment: Test\nusers: [{ username: ada }, { username: bob }]\n")
    assert (await applying("environment: Test\n", prune=True)).lines == ()
    assert (await applying("environment: Test\nusers: [{ username: bob }]\n", prune=True)).lines == (
        "- user ada",
    )
    assert await applying.store.users.find_user(applied.environment.id, "ada") is None


async def test_environment_settings_change_and_stay(applying):
    await applying("environment: Test\ndefault_language: de\n")
    assert (await applying("environment: Test\n")).lines == ()
    assert (await applying("environment: Test\ndefault_language: fr\n")).lines == (
        "~ environment Test: default_language de -> fr",
    )


async def test_a_new_default_language_needs_texts_that_speak_it(applying):
    await applying(AGREEMENT)
    with pytest.raises(EnvironmentFileInvalid, match="the agreement 'Terms' has no enabled text in 'de'"):
        await applying("environment: Test\ndefault_language: de\n")
    german = AGREEMENT + "      - { locale: de, title: Bedingungen, text: TEXT }\n"
    assert "default_language en -> de" in (await applying(german + "default_language: de\n")).lines[0]


async def test_two_environments_do_not_touch_each_other(applying):
    first = await applying(AGENT)
    second = await applying(AGENT.replace("Test", "Second", 1), prune=True)
    assert "+ environment Second" in second.lines
    assert not {row.id for row in first.objects} & {row.id for row in second.objects}


async def test_a_broken_stored_object_is_replaced(applying):
    await applying(AGENT)
    rows = await applying.store.directory_rows.load()
    broken = next(row for row in rows.objects if row.name == "test")
    await applying.store.directory_rows.change([Put(replace(broken, document={"nonsense": 1}))], rows.version)
    (replaced,) = (await applying(AGENT)).lines
    assert replaced.startswith("~ resource test: ")
    assert "audience unset -> test" in replaced
    assert (await applying(AGENT)).lines == ()


async def test_somebody_elses_change_meanwhile_is_not_overwritten(applying, monkeypatch):
    await applying(AGENT)
    rows = applying.store.directory_rows
    load = type(rows).load

    async def load_then_someone_else_is_faster(self):
        loaded = await load(self)
        await self.change([], loaded.version)
        return loaded

    monkeypatch.setattr(type(rows), "load", load_then_someone_else_is_faster)
    with pytest.raises(DirectoryConflict):
        await applying(AGENT + "    enabled: false\n")


async def requires_delegation(applying, name):
    return ResourceObject.read(name, await applying.document("resource", name)).requires_delegation


async def test_the_recipe_that_disables_an_agent_at_once_changes_nothing_else(applying):
    await applying(EXAMPLE, DEMO_PASSWORD="correct horse")
    before = await applying.row("agent", "MCP Tutorial")
    recipe = "environment: Agent Delegation\nagents: [{ name: MCP Tutorial, enabled: false }]\n"
    assert (await applying(recipe, dry_run=True)).lines == ("~ agent MCP Tutorial: enabled true -> false",)
    assert await applying.row("agent", "MCP Tutorial") == before
    await applying(recipe)
    after = await applying.row("agent", "MCP Tutorial")
    assert after.term != before.term  # and so everything issued to the agent has ended
    assert after == replace(before, document={**before.document, "enabled": False}, term=after.term)


async def test_a_resource_a_user_an_agreement_and_a_policy_keep_what_is_not_named(applying):
    await applying(EXAMPLE, DEMO_PASSWORD="correct horse")
    resource, policy = (
        await applying.document("resource", "test"),
        await applying.document("policy", "Agent-Consent-Login"),
    )
    agreement = await applying.document("agreement", "Agent Consent")
    applied = await applying("""
environment: Agent Delegation
resources: [{ name: test, description: changed }]
policies: [{ name: Agent-Consent-Login }]
agreements: [{ name: Agent Consent, reconsent_every: 90 days }]
users: [{ username: demouser, email: demo@example.com }]
""")
    assert applied.lines == (
        "~ resource test: description MCP servers behind the gateway -> changed",
        "~ agreement Agent Consent: reconsent_every 180 days -> 90 days",
        "~ user demouser: email unset -> demo@example.com",
    )
    assert await applying.document("resource", "test") == {**resource, "description": "changed"}
    assert await applying.document("policy", "Agent-Consent-Login") == policy
    assert await applying.document("agreement", "Agent Consent") == {
        **agreement,
        "reconsent_every": "90 days",
    }
    user = await applying.store.users.find_user(applied.environment.id, "demouser")
    assert (user.given_name, user.family_name, user.password_hash[:9]) == ("Demo", "User", "$argon2id")


async def test_null_gives_a_member_its_default(applying):
    await applying(EXAMPLE, DEMO_PASSWORD="correct horse")
    applied = await applying("""
environment: Agent Delegation
default_policy: null
resources: [{ name: test, audience: null, token_lifetime: null, id: null, secret: null }]
agents: [{ name: MCP Tutorial, redirect_uris: null, description: null }]
users: [{ username: demouser, given_name: null, password: null }]
""")
    gone = (
        "description The company's assistant -> unset, grants -authorization_code, redirect_uris "
        "-http://localhost:3000/callback"
    )
    assert applied.lines == (
        "~ environment Agent Delegation: default_policy Agent-Consent-Login -> Single_Factor",
        "~ resource test: audience https://ig.example.com:8443/mcp -> test",
        f"~ agent MCP Tutorial: {gone}",
        "~ user demouser: given_name Demo -> unset, password set -> unset",
    )


async def test_a_new_object_needs_what_an_existing_one_has(applying):
    with pytest.raises(EnvironmentFileInvalid, match="a new policy needs steps"):
        await applying("environment: Test\npolicies: [{ name: New }]\n")


async def test_scopes_follow_a_resource_that_gets_another_name(applying):
    applied = await applying(AGENT)
    row = next(row for row in applied.objects if row.kind == "resource")
    text = (
        f"environment: Test\nresources: [{{ name: renamed, id: {row.id} }}]\nagents: [{{ name: Agent, "
        f"description: x }}]\n"
    )
    assert (await applying(text)).lines == (
        "~ resource renamed: name test -> renamed",
        "~ agent Agent: description unset -> x",
    )


async def test_what_is_stored_does_not_keep_anybody_from_disabling_an_agent(applying):
    await applying(AGENT)
    rows = await applying.store.directory_rows.load()
    agent = next(row for row in rows.objects if row.kind == "agent")
    refused_today = replace(
        agent, document={**agent.document, "redirect_uris": ["http://elsewhere.example.com/"]}
    )
    await applying.store.directory_rows.change([Put(refused_today)], rows.version)
    assert (await applying("environment: Test\nagents: [{ name: Agent, enabled: false }]\n")).lines == (
        "~ agent Agent: enabled true -> false",
    )
    with pytest.raises(EnvironmentFileInvalid, match="use https"):
        await applying(
            'environment: Test\nagents: [{ name: Agent, redirect_uris: ["http://elsewhere.example.com/"] }]\n'
        )


async def test_a_name_that_could_be_taken_for_another_user_is_refused_in_a_later_file_too(applying):
    await applying("environment: Test\nusers: [{ username: ada }]")
    with pytest.raises(EnvironmentFileInvalid, match="differs from the user 'ada' in case only"):
        await applying("environment: Test\nusers: [{ username: ADA }]")
    assert (await applying("environment: Test\nusers: [{ username: ada }]")).lines == ()
    assert (await applying("environment: Test\nusers: [{ username: ADA }]", prune=True)).lines == (
        "- user ada",
        "+ user ADA",
    )


async def test_no_user_is_called_like_the_id_of_an_agent_whichever_comes_first(applying):
    agent_id = "00000000-0000-4000-8000-0000000000a1"
    await applying(f"environment: Test\nagents: [{{ name: A, id: {agent_id} }}]")
    with pytest.raises(EnvironmentFileInvalid, match="is the id of the agent 'A'"):
        await applying(f"environment: Test\nusers: [{{ username: {agent_id.upper()} }}]")
    other = agent_id.replace("a1", "a2")
    await applying(f"environment: Test\nusers: [{{ username: {other} }}]")
    with pytest.raises(EnvironmentFileInvalid, match="would have the name of the user"):
        await applying(f"environment: Test\nagents: [{{ name: B, id: {other} }}]")


async def test_session_limits_are_the_environment_s_and_null_gives_the_default(applying):
    async def limits(text):
        await applying(f"environment: Test\n{text}")
        (row,) = (await applying.store.directory_rows.load()).environments
        settings = EnvironmentObject.read(row.name, row.document)
        return settings.session_lifetime, settings.session_idle_lifetime

    assert await limits("") == (43200, 7200)
    assert await limits("session_lifetime: 8 hours\nsession_idle_lifetime: 600") == (28800, 600)
    assert await limits("session_lifetime: null") == (43200, 600)
    assert await limits("") == (43200, 600)
    with pytest.raises(EnvironmentFileInvalid, match="session_lifetime"):
        await limits("session_lifetime: 10 seconds")


@pytest.mark.parametrize(
    "audience",
    [
        "http://localhost:9080/ID/as",
        "https://AUTH.example.com:443/ID/as",
        "https://auth.example.com/x/../ID/as/",
        "/ID/as",
    ],
)
async def test_an_issuer_is_no_audience_in_whatever_environment(applying, audience):
    other = await applying("environment: Other\n")
    with pytest.raises(EnvironmentFileInvalid, match="is the issuer of an environment"):
        await applying(
            f"environment: Test\nresources: [{{ name: a, audience: "
            f"'{audience.replace('ID', other.environment.id)}' }}]\n"
        )
    with pytest.raises(EnvironmentFileInvalid, match="is the issuer of an environment"):
        await applying(
            f"environment: Other\nresources: [{{ name: a, audience: "
            f"'{audience.replace('ID', other.environment.id)}' }}]\n"
        )


async def test_an_environment_does_not_become_what_a_resource_is_called(applying):
    chosen = "9f1c3f0e-5d0a-4a44-8d4e-0f2f3a1b2c3d"
    await applying(
        f"environment: Test\nresources: [{{ name: a, audience: 'https://auth.example.com/{chosen}/as' }}]\n"
    )
    with pytest.raises(EnvironmentFileInvalid, match="has the issuer of this id as its audience"):
        await applying(f"environment: Other\nid: {chosen}\n")


async def test_an_agents_id_is_no_audience(applying):
    applied = await applying(AGENT)
    agent = next(row for row in applied.objects if row.kind == "agent")
    with pytest.raises(EnvironmentFileInvalid, match="is an agent's client id"):
        await applying(f"environment: Test\nresources: [{{ name: x, audience: {agent.id} }}]\n")


async def test_the_base_url_is_remembered(applying):
    assert (await applying(AGENT)).base_url == "http://localhost:9080"
    told = await applying(AGENT, base_url="https://auth.example.com")
    assert told.lines == ("~ environment Test: base_url http://localhost:9080 -> https://auth.example.com",)
    again = await applying(AGENT)
    assert (again.base_url, again.lines) == ("https://auth.example.com", ())
    other = await applying("environment: Other\n", base_url="https://elsewhere.example.com")
    assert other.warnings == (
        (
            "the environment Test was applied for https://auth.example.com, not for "
            "https://elsewhere.example.com: "
            "apply it with the same --base-url"
        ),
    )


async def test_differences_say_what_was_before_and_after_and_no_secrets(applying):
    await applying(AGENT + "users: [{ username: ada, password: correct horse }]\n")
    text = (
        AGENT
        + "    enabled: false\n    secret: '&{S}'\nusers: [{ username: ada, password: battery staple }]\n"
    )
    applied = await applying(text, S="s" * 32)
    secret, agent, user = (difference.record() for difference in sorted(applied.differences, key=str))
    assert (secret["kind"], secret["name"], secret["secret"]) == ("agent", "Agent", "given")
    assert (agent["before"], agent["after"]) == ({"enabled": True}, {"enabled": False})
    assert (user["before"], user["after"]) == ({"password": "set"}, {"password": "changed"})


ID, OTHER_ID = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
KINDS = ("resource", "agreement", "policy", "agent", "user")


def _listing(kind, *named):
    """A file that lists things of a kind, each by (name, id or None)."""
    more = {"policy": ", steps: [login: {}]", "agreement": ", enabled: false"}.get(kind, "")
    member = "policies" if kind == "policy" else f"{kind}s"
    name = "username" if kind == "user" else "name"
    lines = [f"  - {{ {name}: {each}{f', id: {given}' if given else ''}{more} }}" for each, given in named]
    return "\n".join(["environment: Test", f"{member}:", *lines])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("prune", [False, True])
async def test_an_id_stands_for_one_thing_of_a_file(applying, kind, prune):
    with pytest.raises(EnvironmentFileInvalid, match=f"both have the id {ID}"):
        await applying(_listing(kind, ("one", ID), ("two", ID)), prune=prune)
    with pytest.raises(EnvironmentFileInvalid, match="the environment of the same file"):
        await applying(_listing(kind, ("one", ID)).replace("Test", f"Test\nid: {ID}"), prune=prune)
    other = "agent" if kind == "user" else "user"
    with pytest.raises(EnvironmentFileInvalid, match=f"both have the id {ID}"):
        await applying(
            _listing(kind, ("one", ID)) + _listing(other, ("two", ID)).removeprefix("environment: Test"),
            prune=prune,
        )
    await applying(_listing(kind, ("one", ID), ("two", OTHER_ID)), prune=prune)
    with pytest.raises(EnvironmentFileInvalid, match=f"both have the id {ID}"):
        await applying(_listing(kind, ("three", ID), ("one", None)), prune=prune)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dry_run", [True, False])
async def test_a_name_is_taken_until_its_owner_has_another(applying, kind, dry_run):
    """Also in a dry run: what that shows can be applied."""
    await applying(_listing(kind, ("one", ID), ("two", OTHER_ID)))
    for text in (_listing(kind, ("two", ID)), _listing(kind, ("two", ID), ("one", OTHER_ID))):
        with pytest.raises(EnvironmentFileInvalid, match=f"still the name of what has the id {OTHER_ID}"):
            await applying(text, dry_run=dry_run)
    shown = (await applying(_listing(kind, ("two", ID)), prune=True, dry_run=True)).lines
    assert (await applying(_listing(kind, ("two", ID)), prune=True)).lines == shown, (
        "who is removed needs no name"
    )


async def test_a_user_of_another_environment_stays_there(applying):
    await applying(_listing("user", ("one", ID)))
    rows = await applying.store.directory_rows.load()
    (environment,) = rows.environments
    with pytest.raises(EnvironmentFileInvalid, match="the id of a user of another environment"):
        await applying(_listing("user", ("two", ID)).replace("Test", "Another"))
    assert [user.username for user in await applying.store.users.users_of(environment.id)] == ["one"]


async def test_an_agent_whose_callback_would_see_cookies_can_be_disabled(applying):
    agent = "environment: Test\nagents:\n  - { name: Agent, redirect_uris: ['http://localhost/callback'] }"
    await applying(agent, base_url="http://localhost:9080")
    await applying("environment: Test", base_url="https://localhost:9080")
    await applying("environment: Test\nagents: [{ name: Agent, enabled: false }]")
    assert (await applying.document("agent", "Agent"))["enabled"] is False
    with pytest.raises(EnvironmentFileInvalid, match="would receive the session cookies"):
        await applying("environment: Test\nagents: [{ name: Agent, enabled: true }]")


async def test_grants_steps_and_methods_that_packages_add_are_accepted(applying, monkeypatch):
    text = """
environment: Test
policies:
  - { name: Carded, steps: [{ login: {} }, { pass_card: { reader: north, terms: Card Terms } }] }
agreements:
  - name: Card Terms
    languages: [{ locale: en, title: Terms, text: Terms }]
agents:
  - name: Agent
    grants: [pass_card]
    client_auth: pass_card_post
    policies: [Carded]
    redirect_uris: ["https://a.example.com/"]
"""
    with pytest.raises(EnvironmentFileInvalid) as caught:
        await applying(text)
    assert [error.reason for error in caught.value.errors] == [
        "'pass_card' is not known here",
        "no grant has this name",
        "no client authentication method has this name",
    ]
    grant = replace(GRANTS.own[0], grant_type="urn:example:grant-type:pass-card")
    method = replace(CLIENT_AUTH_METHODS.own[0], name="pass_card_post")

    class CardSettings(StepSettings):
        reader: str
        terms: str

    step = replace(
        STEPS.own[0],
        type="PASS_CARD",
        name="pass_card",
        settings=CardSettings,
        agreement_settings=("terms",),
    )
    for module, name, family, member in (
        (agent_object, "GRANTS", GRANTS, grant),
        (agent_object, "CLIENT_AUTH_METHODS", CLIENT_AUTH_METHODS, method),
        (steps, "STEPS", STEPS, step),
    ):
        monkeypatch.setattr(module, name, replace(family, own=(*family.own, member)))
    for wrong, reason in (
        (text.replace("reader", "raeder"), "'raeder' is not known here"),
        (text.replace("terms: Card Terms", "terms: Absent"), "there is no agreement 'Absent'"),
    ):
        with pytest.raises(EnvironmentFileInvalid, match=reason):
            await applying(wrong)
    (warning,) = (await applying(text)).warnings
    assert warning.startswith("agent Agent signs users on by the policy Carded, which asks for no consent")
    assert (await applying(text)).lines == ()
    directory = assemble(await applying.store.directory_rows.load(), "http://localhost", 1000.0).directory
    (environment,) = directory.environments.values()
    (agent,) = environment.agents.values()
    assert (agent.grant_types, agent.settings.client_auth) == (
        {"authorization_code", "urn:example:grant-type:pass-card"},
        "pass_card_post",
    )
    (agreement,) = environment.agreements
    assert environment.policies["Carded"].steps[1] == Step(
        "PASS_CARD", {"reader": "north", "terms": agreement}
    )


async def test_the_dry_run_speaks_the_words_of_the_file(applying):
    await applying(AGREEMENT)
    planned = await applying(AGREEMENT.replace("180 days", "1 minute"), dry_run=True)
    assert planned.lines == ("~ agreement Terms: reconsent_every 180 days -> 1 minute",)
    await applying("environment: Test\nsession_lifetime: 12 hours\n")
    shorter = "environment: Test\nsession_lifetime: 8 hours\n"
    assert (await applying(shorter, dry_run=True)).lines == (
        "~ environment Test: session_lifetime 12 hours -> 8 hours",
    )
    agent = "environment: Test\nagents: [{ name: A, grants: [TOKEN_EXCHANGE] }]"
    await applying("environment: Test\nagents: [{ name: A }]")
    assert (await applying(agent, dry_run=True)).lines == ("~ agent A: grants +token_exchange",)


LONG = "environment: Test\nagreements: [{ name: Terms, enabled: false, reconsent_every: %s }]\n"


async def test_no_duration_is_longer_than_can_be_stored_and_read(applying):
    for every in ("999999999999 days and 1 day", "36500 days and 1 nanosecond"):
        with pytest.raises(EnvironmentFileInvalid, match="is longer than 36500 days, the longest duration"):
            await applying(LONG % every)
    lifetime = "environment: Test\nagents: [{ name: A, refresh_token_lifetime: 3153600001 }]\n"
    with pytest.raises(EnvironmentFileInvalid, match="has to be at most 3153600000"):
        await applying(lifetime)
    await applying(LONG % "36500 days")
    assert (await applying(LONG % "36500 days")).lines == ()


def test_what_was_stored_before_there_was_a_bound_counts_as_the_longest():
    read = AgreementObject.read("Terms", {"enabled": False, "reconsent_every": "1000000000000 days"})
    assert read.reconsent_every == durations.LONGEST
    assert AgentObject.read("A", {"refresh_token_lifetime": "40000 days"}).refresh_token_lifetime == (
        durations.LONGEST
    )


async def test_durations_stored_as_numbers_of_seconds_are_no_difference(applying):
    applied = await applying("environment: Test\nresources: [{ name: a }]\n")
    document = await applying.document("resource", "a")
    rows = applying.store.directory_rows
    environment = replace(
        applied.environment, document={**applied.environment.document, "session_lifetime": 43200}
    )
    resource = replace(await applying.row("resource", "a"), document={**document, "token_lifetime": 3600})
    await rows.change([Put(environment), Put(resource)], await rows.version())
    assert (await applying("environment: Test\nresources: [{ name: a, token_lifetime: 3600 }]\n")).lines == ()


PLACES_FOR_TOKENS = {
    "grants": "agents: [{ name: A, grants: ['&{SEC}'] }]",
    "client_auth": "agents: [{ name: A, client_auth: '&{SEC}' }]",
    "agents' policies": "agents: [{ name: A, policies: ['x&{SEC}'] }]",
    "scopes": "resources: [{ name: R }]\nagents: [{ name: A, scopes: { R: ['&{SEC}'] } }]",
    "redirect_uris": "agents: [{ name: A, redirect_uris: ['http://a.example.com/&{SEC}'] }]",
    "default_policy": "default_policy: '&{SEC}'",
    "durations": "agreements: [{ name: T, enabled: false, reconsent_every: '&{SEC}' }]",
    "steps": "policies: [{ name: P, steps: ['&{SEC}'] }]",
    "steps' agreements": (
        "policies: [{ name: P, steps: [{ login: {} }, { agreement_prompt: { agreement: '&{SEC}' } }] }]"
    ),
    "audiences": "resources: [{ name: R, audience: 'https://r.example.com/#&{SEC}' }]",
    "mappings": "resources: [{ name: R, attributes: [{ name: a, mapping: '&{SEC}' }] }]",
    "expressions": "resources: [{ name: R, attributes: [{ name: a, expression: '&{SEC} &{SEC}' }] }]",
    "beside something broken": "prune: 1\nagents: [1, { name: A, policies: ['&{SEC}'] }]",
}


@pytest.mark.parametrize("place", PLACES_FOR_TOKENS)
@pytest.mark.parametrize(
    "secret", ["hunter2hunter2", 'it\'s "hunter2"', "hunter2\\n\n'é", "1 hunter2", "token_exchanger"]
)
async def test_what_a_token_stands_for_is_not_told_in_errors(applying, place, secret):
    text = f"environment: Test\n{PLACES_FOR_TOKENS[place]}\n"
    for dry_run in (True, False):
        with pytest.raises(EnvironmentFileInvalid) as caught:
            await applying(text, SEC=secret, dry_run=dry_run)
        told = str(caught.value)
        assert "hunter2" not in told
        assert "token_exchanger" not in told


async def test_a_word_that_is_nearly_known_is_told_where_the_file_itself_has_it(applying):
    with pytest.raises(EnvironmentFileInvalid) as caught:
        await applying("environment: Test\nagents: [{ name: A, grants: [tokn_exchange, hunter2hunter2] }]")
    near, far = caught.value.errors
    assert (near.reason, near.fix) == (
        "there is no grant 'tokn_exchange'",
        "did you mean 'token_exchange'?",
    )
    assert far.reason == "no grant has this name"
    assert far.fix.startswith("known are authorization_code, ")


async def test_an_agent_does_not_get_the_grant_of_another_package_that_has_the_same_word(
    applying, monkeypatch
):
    def install(*grant_types):
        added = (replace(GRANTS.own[0], grant_type=each) for each in grant_types)
        family = replace(GRANTS, own=(*GRANTS.own, *added))
        monkeypatch.setattr(agent_object, "GRANTS", family)

    async def serve():
        assembled = assemble(await applying.store.directory_rows.load(), "http://localhost", 1000.0)
        (environment,) = assembled.directory.environments.values()
        (agent,) = environment.agents.values()
        return set(agent.grant_types), assembled.missing

    first, second = "urn:a:pass-card", "urn:b:pass-card"
    text = "environment: Test\nagents: [{ name: A, grants: [pass_card, token_exchange] }]\n"
    exchange = "urn:ietf:params:oauth:grant-type:token-exchange"
    install(first)
    assert "~ agent A" not in (await applying(text)).lines
    assert await serve() == ({first, exchange}, ())
    install(second)
    grant_types, (missing,) = await serve()
    assert grant_types == {first, exchange}
    assert "the grant 'urn:a:pass-card', which no package here provides" in missing
    await applying("environment: Test\nagents: [{ name: A, description: changed }]\n")
    assert (await serve())[0] == {first, exchange}
    changed = (await applying(text)).lines
    assert changed == ("~ agent A: grants +pass_card -urn:a:pass-card",)
    assert await serve() == ({second, exchange}, ())
    assert (await applying(text)).lines == ()


async def test_the_frame_of_introduced_agents_stays_until_it_is_taken_away(applying):
    applied = await applying(EXAMPLE, DEMO_PASSWORD="correct horse")
    environment = await applying(f"environment: {applied.environment.name}")
    assert environment.lines == ()
    assert environment.environment.document["registration"]["open"] is True
    applied = await applying(f"environment: {applied.environment.name}\nregistration: null")
    assert "registration" not in applied.environment.document
    assert applied.lines[0].startswith("~ environment Agent Delegation: registration.")


async def test_the_frame_of_the_guide_applies_to_the_example(applying):
    guide = (GUIDES / "let-clients-introduce-themselves.md").read_text("utf-8")
    await applying(EXAMPLE, DEMO_PASSWORD="correct horse")
    applied = await applying(re.findall(r"^```yaml\n(.*?)^```$", guide, re.DOTALL | re.MULTILINE)[0])
    assert any("registration.hosts" in line for line in applied.lines)
    assert applied.warnings == ()


async def test_a_frame_that_reaches_nothing_is_warned_of(applying):
    template = "      agent: [agent]\n      test: [test]\n    refresh_token_lifetime"
    assert template in EXAMPLE
    lonely = EXAMPLE.replace(template, "      test: [test]\n    refresh_token_lifetime")
    applied = await applying(lonely, DEMO_PASSWORD="correct horse")
    assert "registration: the resource 'test' requires delegation" in applied.warnings[-1]
    mended = await applying(EXAMPLE, DEMO_PASSWORD="correct horse")
    assert not any("requires delegation" in each for each in mended.warnings)


async def test_a_file_that_lets_anybody_in_is_warned_about(applying):
    """Once for each file that says so: those that leave the registration out change nothing of it."""
    opened = await applying(EXAMPLE, DEMO_PASSWORD="correct horse")
    assert any("registration is open" in each for each in opened.warnings)
    assert (await applying("environment: Agent Delegation")).warnings == ()
    by_token = EXAMPLE.replace("  open: true\n", "  initial_access_tokens: true\n")
    assert (await applying(by_token, DEMO_PASSWORD="correct horse")).warnings == ()


async def test_what_was_unset_is_not_shown_as_a_word_of_the_file(applying):
    """`none` is one: it makes an agent a public client."""
    await applying(EXAMPLE, DEMO_PASSWORD="correct horse")
    public = "agents:\n  - { name: Other Agent, client_auth: none, grants: [refresh_token] }\n"
    changed = await applying(f"environment: Agent Delegation\n{public}")
    assert "client_auth unset -> none" in changed.lines[0]


async def test_a_frame_names_what_its_users_sign_on_for(applying):
    def naming(resource):
        return EXAMPLE.replace("    owner:", f"    delegation_resource: {resource}\n    owner:")

    await applying(naming("agent"), DEMO_PASSWORD="correct horse")
    directory = assemble(await applying.store.directory_rows.load(), "http://localhost", 1000.0).directory
    (environment,) = directory.environments.values()
    named = environment.registration.template.settings.delegation_resource
    assert environment.resources[named].name == "agent"
    for wrong in ("test", "absent"):
        with pytest.raises(EnvironmentFileInvalid, match="/registration/agent/delegation_resource"):
            await applying(naming(wrong), DEMO_PASSWORD="correct horse")
