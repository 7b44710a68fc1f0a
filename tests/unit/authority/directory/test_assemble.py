from dataclasses import replace

from deputize.authority.directory.assemble import assemble
from deputize.authority.directory.changes import new_environment, rotate_keys
from deputize.authority.directory.documents import EnvironmentDocument
from deputize.authority.storage import DirectoryRows, EnvironmentRow, ObjectRow, Put, SecretRow, SigningKeyRow
from deputize.jose.key_ring import MAX_TOKEN_LIFETIME
from deputize.oauth.records.directory import Scope

ENVIRONMENT = EnvironmentRow(
    "e1",
    "Test",
    EnvironmentDocument(organization_id="o1", default_policy="Single_Factor").model_dump(mode="json"),
)
SEED = [change.row for change in new_environment(ENVIRONMENT, 1000.0)]
RESOURCE = ObjectRow(
    "r1",
    "e1",
    "resource",
    "test",
    {
        "audience": "https://api.example.com",
        "attributes": [
            {"name": "sub", "value": "${user.username}"},
            {"name": "tenant", "value": "acme", "required": True},
        ],
        "scopes": {"read": "Read"},
        "delegation_required": True,
    },
)
AGENT = ObjectRow(
    "a1",
    "e1",
    "agent",
    "Agent",
    {"grant_types": ["client_credentials"], "scopes": {"r1": ["read"], "gone": ["x"]}},
)
AGREEMENT = ObjectRow(
    "g1",
    "e1",
    "agreement",
    "Terms",
    {
        "reconsent_days": 0.5,
        "version": 3,
        "texts": [{"locale": "en", "title": "T", "content_type": "text/plain", "text": "t", "revision": "r"}],
    },
)
POLICY = ObjectRow(
    "p1",
    "e1",
    "policy",
    "P",
    {"steps": [{"type": "LOGIN"}, {"type": "AGREEMENT", "settings": {"agreement": "g1"}}]},
)


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
    assert (environment.organization_id, environment.default_policy, environment.default_language) == (
        "o1",
        "Single_Factor",
        "en",
    )
    assert set(environment.policies) == {"Single_Factor", "P"}
    assert environment.policies["P"].steps[1].settings == {"agreement": "g1"}
    assert (environment.agreements["g1"].version, environment.agreements["g1"].reconsent_days) == (3, 0.5)
    assert environment.keys.current.algorithm == "ES256"
    assert environment.resources["r1"].delegation_required


def test_values_are_expressions_or_constants_as_the_management_api_writes_them():
    sub, tenant = assembled(RESOURCE).directory.environments["e1"].resources["r1"].attributes
    assert sub.mapping.evaluate({"user": {"username": "ada"}}) == "ada"
    assert (tenant.mapping.evaluate({}), tenant.required) == ("acme", True)


def test_scopes_say_when_users_are_asked_and_stored_ones_from_before_are_asked_for_at_first():
    scopes = {"read": "Read", "transfer": {"description": "Transfer money", "consent": "on_use"}}
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
    broken = replace(RESOURCE, document={"audience": "a", "attributes": [{"name": "act", "value": "${1 +}"}]})
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


def test_a_retired_key_is_published_until_nothing_it_signed_lives():
    changes, _ = rotate_keys("e1", [row for row in SEED if isinstance(row, SigningKeyRow)], 2000.0)
    retired = replace(rows(), signing_keys=tuple(change.row for change in changes if isinstance(change, Put)))
    end = 2000.0 + MAX_TOKEN_LIFETIME
    before, after = (assemble(retired, "https://auth.example.com", now) for now in (end - 1, end))
    states = [
        [key.state for key in result.directory.environments["e1"].keys.keys] for result in (before, after)
    ]
    assert states == [["current", "next", "retired"], ["current", "next"]]
    assert (before.valid_until, after.valid_until) == (end, None)


def test_the_method_that_every_agent_was_stored_with_does_not_bind_but_a_chosen_one_does():
    stored = {"client_secret_basic": None, "client_secret_post": "client_secret_post"}
    for method, bound in stored.items():
        result = assembled(
            RESOURCE, replace(AGENT, document={**AGENT.document, "client_auth_method": method})
        )
        assert result.directory.environments["e1"].agents["a1"].client_auth == bound
