from deputize.authority.directory.assemble import assemble
from deputize.authority.directory.changes import add_missing_keys, new_environment, rotate_keys
from deputize.authority.storage import DirectoryRows, EnvironmentRow, ObjectRow, Put, SecretRow, SigningKeyRow
from deputize.jose.key_ring import MAX_TOKEN_LIFETIME
from deputize.oauth.records.directory import Scope
from support.records import replace

ENVIRONMENT = EnvironmentRow(
    "e1",
    "Test",
    {"organization_id": "00000000-0000-4000-8000-0000000000c1"},
)
SEED = [
    change.row
    for change in (*new_environment(ENVIRONMENT), *add_missing_keys(ENVIRONMENT.id, (), (), 1000.0))
]
RESOURCE = ObjectRow(
    "r1",
    "e1",
    "resource",
    "test",
    {
        "audience": "https://api.example.com",
        "attributes": [
            {"name": "sub", "mapping": "Username"},
            {"name": "tier", "expression": "user.tier"},
            {"name": "tenant", "value": "acme", "required": True},
        ],
        "scopes": [{"name": "read", "description": "Read"}],
        "delegation_required": True,
    },
)
AGENT = ObjectRow(
    "a1",
    "e1",
    "agent",
    "Agent",
    {"grants": ["client_credentials"], "scopes": {"r1": ["read"], "gone": ["x"]}},
    "a-term-1",
)
AGREEMENT = ObjectRow(
    "g1",
    "e1",
    "agreement",
    "Terms",
    {
        "reconsent_every": "12 hours",
        "languages": [{"locale": "en", "title": "T", "text": "t"}],
    },
    history={"version": 3},
)
POLICY = ObjectRow(
    "p1",
    "e1",
    "policy",
    "P",
    {"steps": [{"login": {}}, {"agreement_prompt": {"agreement": "g1"}}]},
)


BASE_URL = "https://auth.example.com"


def rows(*objects: ObjectRow, secrets: tuple[SecretRow, ...] = ()) -> DirectoryRows:
    keys = tuple(row for row in SEED if isinstance(row, SigningKeyRow))
    seeded = tuple(row for row in SEED if isinstance(row, ObjectRow))
    return DirectoryRows(7, (ENVIRONMENT,), (*seeded, *objects), secrets, keys)


def assembled(*objects: ObjectRow, secrets: tuple[SecretRow, ...] = (), now: float = 1000.0):
    return assemble(rows(*objects, secrets=secrets), "https://auth.example.com", now)


def test_everything_finds_its_place():
    result = assembled(RESOURCE, AGENT, AGREEMENT, POLICY)
    assert (result.problems, result.valid_until, result.directory.version) == ((), None, 7)
    environment = result.directory.environments["e1"]
    assert environment.issuer == "https://auth.example.com/e1/as"
    assert (
        environment.organization_id,
        environment.settings.default_policy,
        environment.settings.default_language,
    ) == (
        "00000000-0000-4000-8000-0000000000c1",
        "Single_Factor",
        "en",
    )
    assert set(environment.policies) == {"Single_Factor", "P"}
    assert environment.policies["P"].steps[1].settings == {"agreement": "g1"}
    assert (environment.agreements["g1"].version, environment.agreements["g1"].settings.reconsent_every) == (
        3,
        43200,
    )
    assert environment.keys.algorithms == ("ES256", "RS256")
    assert environment.resources["r1"].delegation_required


def test_claims_come_from_the_pick_list_expressions_and_constants():
    sub, tier, tenant = assembled(RESOURCE).directory.environments["e1"].resources["r1"].attributes
    assert tier.mapping.evaluate({"user": {"tier": "gold"}}) == "gold"
    assert sub.mapping.evaluate({"user": {"username": "ada"}}) == "ada"
    assert (tenant.mapping.evaluate({}), tenant.required) == ("acme", True)


def test_scopes_say_when_users_are_asked():
    scopes = [
        {"name": "read", "description": "Read"},
        {"name": "transfer", "description": "Transfer money", "consent": "on_use"},
    ]
    resource = replace(RESOURCE, document={**RESOURCE.document, "scopes": scopes})
    read = assembled(resource).directory.environments["e1"].resources["r1"].scopes
    assert read == {"read": Scope("Read", "first"), "transfer": Scope("Transfer money", "on_use")}


def test_scopes_of_resources_that_are_gone_are_left_out():
    assert assembled(RESOURCE, AGENT).directory.environments["e1"].agents["a1"].scopes == {
        "r1": frozenset({"read"})
    }


def test_a_broken_object_is_disabled_and_named_while_the_rest_serves():
    broken = replace(RESOURCE, document={"audience": 5, "nonsense": True})
    result = assembled(broken, AGENT)
    environment = result.directory.environments["e1"]
    assert environment.resources == {}
    assert environment.agents["a1"].scopes == {}
    assert len(result.problems) == 1
    assert result.problems[0].startswith(
        "resource 'test' of environment 'Test' is disabled: stored audience:"
    )


def test_a_mapping_that_does_not_compile_disables_its_resource():
    broken = replace(
        RESOURCE, document={"audience": "a", "attributes": [{"name": "act", "expression": "1 +"}]}
    )
    result = assembled(broken)
    assert result.directory.environments["e1"].resources == {}
    assert "resource 'test'" in result.problems[0]


def test_an_environment_without_readable_keys_is_left_out():
    without = replace(rows(RESOURCE), signing_keys=())
    result = assemble(without, "https://auth.example.com", 1000.0)
    assert result.directory.environments == {}
    assert "environment 'Test' is disabled" in result.problems[0]


def test_only_secrets_valid_now_count_newest_first():
    secrets = (
        SecretRow("s1", "e1", "a1", "expired", 10.0, 1000.0),
        SecretRow("s2", "e1", "a1", "ending", 20.0, 1500.0),
        SecretRow("s3", "e1", "a1", "newest", 30.0),
        SecretRow("s4", "e1", "r1", "other", 40.0, 1400.0),
    )
    result = assembled(RESOURCE, AGENT, secrets=secrets)
    environment = result.directory.environments["e1"]
    assert environment.agents["a1"].secret_digests == ("newest", "ending")
    assert environment.resources["r1"].secret_digests == ("other",)
    assert result.valid_until == 1400.0


def test_a_resource_that_poses_as_the_authority_is_left_out():
    posing = replace(RESOURCE, document={"audience": "https://AUTH.example.com/e1/as"})
    result = assembled(posing)
    assert result.directory.environments["e1"].resources == {}
    assert "its audience is the issuer of an environment" in result.problems[0]


def test_keys_are_read_once_and_anew_when_they_change():
    stored = [row for row in SEED if isinstance(row, SigningKeyRow)]
    before = assemble(rows(), BASE_URL, 2000.0)
    again = assemble(rows(), BASE_URL, 2001.0, before)
    keys = before.directory.environments["e1"].keys
    assert [*map(id, again.directory.environments["e1"].keys.keys)] == [*map(id, keys.keys)]
    changes, ring = rotate_keys("e1", stored, 2000.0, ["ES256"])
    rotated = replace(rows(), signing_keys=tuple(change.row for change in changes))
    after = assemble(rotated, BASE_URL, 2002.0, again).directory.environments["e1"].keys
    assert after == ring
    assert after.find(keys.signing_key("ES256").kid).state == "retired"
    assert after.signing_key("RS256") is keys.signing_key("RS256")


def test_a_retired_key_is_published_until_nothing_it_signed_lives():
    changes, _ = rotate_keys("e1", [row for row in SEED if isinstance(row, SigningKeyRow)], 2000.0)
    retired = replace(rows(), signing_keys=tuple(change.row for change in changes if isinstance(change, Put)))
    end = 2000.0 + MAX_TOKEN_LIFETIME
    before, after = (assemble(retired, "https://auth.example.com", now) for now in (end - 1, end))
    states = [
        [key.state for key in result.directory.environments["e1"].keys.keys] for result in (before, after)
    ]
    alive = ["current", "current", "next", "next"]
    assert states == [[*alive, "retired", "retired"], alive]
    assert (before.valid_until, after.valid_until) == (end, None)


def test_an_agent_is_what_is_stored_of_it():
    agent = assembled(RESOURCE, AGENT).directory.environments["e1"].agents["a1"]
    assert (agent.name, agent.term, agent.grant_types) == (
        "Agent",
        "a-term-1",
        frozenset({"client_credentials"}),
    )


def test_redirect_uris_imply_the_grant_of_codes_and_words_stand_for_grants_on_the_wire():
    document = {"grants": ["token_exchange"], "redirect_uris": ["https://a.example.com/"]}
    agent = assembled(replace(AGENT, document=document)).directory.environments["e1"].agents["a1"]
    assert agent.grant_types == {
        "authorization_code",
        "urn:ietf:params:oauth:grant-type:token-exchange",
    }


def test_a_grant_or_method_of_a_package_that_is_gone_breaks_nothing_else():
    document = {"grants": ["client_credentials", "of_a_package"], "client_auth": "of_a_package"}
    result = assembled(replace(AGENT, document=document))
    assert result.problems == ()
    assert result.directory.environments["e1"].agents["a1"].settings.client_auth == "of_a_package"


def test_what_no_package_provides_is_told_and_the_rest_serves():
    steps = {"steps": [{"login": {}}, {"captcha": {}}]}
    policy, method = replace(POLICY, document=steps), {"client_auth": "tls_client_auth"}
    agent = replace(AGENT, document={**AGENT.document, **method, "grants": ["client_credentials", "ciba"]})
    assembled = assemble(rows(RESOURCE, AGREEMENT, policy, agent), "http://localhost", 1000.0)
    environment = assembled.directory.environments["e1"]
    assert ("P" in environment.policies, "a1" in environment.agents, assembled.problems) == (True, True, ())
    provided = "which no package here provides"
    told = [
        each.removesuffix("; install its package and restart the authority") for each in assembled.missing
    ]
    here = "of environment 'Test' has the"
    method_told = (
        f"agent 'Agent' {here} client authentication method 'tls_client_auth', "
        f"{provided}: its requests are refused"
    )
    assert sorted(told) == [
        method_told,
        f"agent 'Agent' {here} grant 'ciba', {provided}: its requests by it are refused",
        f"policy 'P' {here} step 'captcha', {provided}: sign-ons that come to it fail",
    ]


def test_nothing_is_missing_where_everything_is_provided():
    assert assemble(rows(RESOURCE, AGREEMENT, POLICY, AGENT), "http://localhost", 1000.0).missing == ()


def registering(**template):
    """The environment with a frame for agents that introduce themselves."""
    registration = {"hosts": ["claude.ai"], "agent": {"policies": ["P"], **template}}
    return replace(ENVIRONMENT, document={**ENVIRONMENT.document, "registration": registration})


def test_the_frame_of_introduced_agents_names_what_there_is():
    environment = registering(
        scopes={"test": ["read", "gone"], "absent": ["x"]}, refresh_token_lifetime="1 day", lifetime="2 days"
    )
    found = replace(rows(RESOURCE, AGREEMENT, POLICY), environments=(environment,))
    result = assemble(found, "https://auth.example.com", 1000.0)
    registration = result.directory.environments["e1"].registration
    assert result.problems == ()
    assert registration.settings.hosts == ("claude.ai",)
    assert (registration.settings.dynamic, registration.settings.open) == (False, False)
    assert registration.agent_lifetime == 2 * 86400
    template = registration.template
    assert template.grant_types == {"authorization_code", "refresh_token"}
    assert (template.scopes, template.policies) == ({"r1": frozenset({"read"})}, ("P",))
    assert template.settings.refresh_token_lifetime == 86400
    assert template.settings.refresh_token_rolling_lifetime == 180 * 86400


def test_without_a_consent_nobody_introduces_themselves():
    silent = replace(POLICY, document={"steps": [{"login": {}}]})
    for policies in ((), (silent,)):
        found = replace(rows(RESOURCE, AGREEMENT, *policies), environments=(registering(),))
        result = assemble(found, "https://auth.example.com", 1000.0)
        assert result.directory.environments["e1"].registration is None
        assert "asks for no consent" in result.problems[0]
