import json
from base64 import urlsafe_b64decode
from pathlib import Path

import pytest

from deputize.expressions.mapping import MappingExpression
from deputize.jose import KeyInvalid, verify
from deputize.oauth.access_tokens import (
    Issue,
    assemble,
    explain,
    is_reserved,
    issue_access_token,
    mapping_bindings,
    user_binding,
)
from deputize.oauth.errors import ExchangeRefused, InvalidGrant
from deputize.oauth.records.directory import Attribute
from support.agent_delegation import (
    AGENT,
    AGENT_ID,
    AGENT_RESOURCE,
    ENVIRONMENT,
    ISSUER,
    KEYS,
    LINEAGE,
    NOW,
    OTHER_ID,
    TEST,
    USER,
    USER_ID,
    WHO,
    World,
    attribute,
)
from support.records import replace

EXCHANGE = Issue(
    ENVIRONMENT,
    AGENT,
    TEST,
    ("test",),
    "exchange",
    NOW,
    int(NOW) + 600,
    LINEAGE,
    authentication=WHO,
    subject={"sub": "demouser", "may_act": {"sub": AGENT_ID}},
    actor={"client_id": AGENT_ID},
)


def refusal(issue):
    refused = InvalidGrant if issue.subject is None else ExchangeRefused
    with pytest.raises(refused) as caught:
        issue_access_token(issue)
    assert caught.value.description == refused.public
    return caught.value.detail


def test_signs_what_it_says():
    access = issue_access_token(EXCHANGE)
    assert verify(access.token, KEYS, ISSUER, NOW) == access.claims
    assert access.claims["act"] == {"sub": AGENT_ID}
    assert (access.claims["jti"], access.lifetime) == (LINEAGE.jti, 600)


@pytest.mark.parametrize(
    ("settings", "algorithm"), [({}, "ES256"), ({"access_token_signed_response_alg": "RS256"}, "RS256")]
)
def test_is_signed_by_the_resource_s_algorithm_and_es256_by_default(settings, algorithm):
    token = issue_access_token(replace(EXCHANGE, resource=replace(TEST, **settings))).token
    header = json.loads(urlsafe_b64decode(token.partition(".")[0] + "=="))
    assert (header["alg"], header["kid"]) == (algorithm, KEYS.signing_key(algorithm).kid)
    assert verify(token, KEYS, ISSUER, NOW)


def test_without_a_key_for_its_algorithm_nothing_is_signed_by_another():
    eddsa = replace(TEST, access_token_signed_response_alg="EdDSA")
    with pytest.raises(KeyInvalid, match="deputize keys rotate --algorithm EdDSA"):
        issue_access_token(replace(EXCHANGE, resource=eddsa))


def test_a_resource_that_requires_delegation_gets_no_token_without_act_and_the_log_learns_why():
    detail = refusal(replace(EXCHANGE, subject={"sub": "demouser"}))
    assert "'test' requires delegation" in detail
    assert "left is missing" in detail
    signing_on = replace(
        EXCHANGE, resource=replace(AGENT_RESOURCE, delegation_required=True), subject=None, actor=None
    )
    assert "requires delegation: 'agent' has no mapping for act" in refusal(signing_on)


FAIL_OPEN = replace(TEST, delegation_required=False)
MINE = {"sub": "demouser", "client_id": AGENT_ID}


def test_without_the_requirement_a_mapping_that_yields_nothing_still_gives_no_token_about_a_user():
    detail = refusal(replace(EXCHANGE, resource=FAIL_OPEN, subject=MINE))
    assert "'test' does not allow impersonation" in detail
    assert "left is missing" in detail


def test_a_resource_that_allows_impersonation_gets_the_compatible_token_and_it_is_noted():
    access = issue_access_token(
        replace(EXCHANGE, resource=replace(FAIL_OPEN, impersonation_allowed=True), subject=MINE)
    )
    assert "act" not in access.claims
    assert "act yields nothing" in access.notes[0]


@pytest.mark.parametrize("actor", [None, {"client_id": AGENT_ID}])
def test_a_resource_that_maps_no_act_gets_the_client_as_its_actor(actor):
    plain = replace(AGENT_RESOURCE, attributes=())
    for required in (True, False):
        exchange = replace(EXCHANGE, resource=replace(plain, delegation_required=required), actor=actor)
        assert issue_access_token(replace(exchange, subject=MINE)).claims["act"] == {"sub": AGENT_ID}
        before = {**MINE, "act": {"sub": OTHER_ID}}
        assert issue_access_token(replace(exchange, subject=before)).claims["act"] == {
            "sub": AGENT_ID,
            "act": {"sub": OTHER_ID},
        }
        assert "belongs to another client" in refusal(
            replace(exchange, subject={"sub": "demouser", "client_id": OTHER_ID})
        )


def test_nobody_acts_where_no_user_is_behind_the_token_or_nothing_was_exchanged():
    plain = replace(AGENT_RESOURCE, attributes=())
    assert (
        "act"
        not in issue_access_token(replace(EXCHANGE, resource=plain, authentication=None, subject=MINE)).claims
    )
    assert "act" not in issue_access_token(replace(EXCHANGE, resource=plain, subject=None, actor=None)).claims


def test_nor_where_impersonation_is_allowed_by_name():
    plain = replace(AGENT_RESOURCE, attributes=(), impersonation_allowed=True)
    assert "act" not in issue_access_token(replace(EXCHANGE, resource=plain, subject=MINE)).claims


@pytest.mark.parametrize(
    "expression", [f"{{'sub': '{OTHER_ID}'}}", "'text'", "{'x': 1}", "#root.context.requestData.subjectToken"]
)
def test_a_mapping_cannot_name_another_actor(expression):
    refusal(replace(EXCHANGE, resource=replace(TEST, attributes=(attribute("act", expression),))))


def test_no_grant_without_actor_token_carries_act():
    literal = replace(AGENT_RESOURCE, attributes=(attribute("act", f"{{'sub': '{AGENT_ID}'}}"),))
    assert "nobody proved to be the actor" in refusal(
        replace(EXCHANGE, resource=literal, subject=None, actor=None)
    )
    assert "nobody proved to be the actor" in refusal(replace(EXCHANGE, resource=literal, actor=None))


USE_CASE = Path(__file__).resolve().parents[4] / "shared" / "use-case"

MACHINE = Issue(
    ENVIRONMENT, AGENT, AGENT_RESOURCE, ("agent",), "client_credentials", NOW, int(NOW) + 3600, LINEAGE
)
PERSONAL = replace(MACHINE, grant_type="authorization_code", authentication=WHO, user=USER)


def issue_with(*attributes, issue=PERSONAL):
    return replace(issue, resource=replace(AGENT_RESOURCE, attributes=attributes))


def claims_of(*attributes, issue=PERSONAL):
    return assemble(issue_with(*attributes, issue=issue)).claims


def kinds(claims):
    """Member names to JSON types, one level into objects and arrays."""
    return {
        name: {inner: type(value).__name__ for inner, value in member.items()}
        if isinstance(member, dict)
        else type(member).__name__
        for name, member in claims.items()
    }


@pytest.mark.skipif(not USE_CASE.is_dir(), reason="the use case's files are not beside the repository")
async def test_tokens_have_exactly_the_members_and_types_of_the_use_case():
    world = World()
    subject = await world.sign_on()
    actor = await world.ask({"grant_type": "client_credentials", "scope": "agent"})
    mcp = await world.exchange(subject.access_token, actor.access_token)
    for name, token in (("subject", subject), ("actor", actor), ("mcp", mcp)):
        example = json.loads((USE_CASE / f"{name}-token.json").read_text())
        assert kinds(token.claims) == kinds(example), name
        assert list(token.claims) == list(example), name
        for same in (
            "acr",
            "aud",
            "client_id",
            "env",
            "org",
            "scope",
            "sub",
            "may_act",
            "act",
            "sid",
            "p1.userId",
            "auth_time",
        ):
            assert token.claims.get(same) == example.get(same), (name, same)
    assert mcp.claims["exp"] == subject.claims["exp"]
    assert actor.claims["p1.rid"] == actor.claims["jti"]


def test_numbers_are_integers_and_the_audience_a_list():
    claims = assemble(replace(PERSONAL, now=NOW + 0.7)).claims
    assert type(claims["iat"]) is int
    assert claims["iat"] == int(NOW)
    assert claims["aud"] == ["agent"]


def test_machine_tokens_have_no_user_claims():
    claims = assemble(MACHINE).claims
    assert not {"sub", "sid", "acr", "auth_time", "p1.userId", "may_act"} & claims.keys()


@pytest.mark.parametrize("attributes", [(), (attribute("sub", "user.id"),), (attribute("sub", " user.id "),)])
def test_the_default_sub_is_the_user_id_said_once(attributes):
    claims = claims_of(*attributes)
    assert claims["sub"] == USER_ID
    assert "p1.userId" not in claims


def test_a_mapped_sub_comes_with_the_user_id():
    claims = claims_of(attribute("sub", "user.username"))
    assert (claims["sub"], claims["p1.userId"]) == ("demouser", USER_ID)


def test_a_mapped_sub_without_value_falls_back_to_the_user_id():
    claims = claims_of(attribute("sub", "user.nickname"))
    assert (claims["sub"], claims["p1.userId"]) == (USER_ID, USER_ID)
    assert "sub" not in claims_of(attribute("sub", "user.nickname"), issue=MACHINE)


@pytest.mark.parametrize("issue", [MACHINE, PERSONAL])
@pytest.mark.parametrize("name", ["sub", "act", "department"])
def test_a_required_claim_without_value_refuses_the_token_in_the_original_s_words(issue, name):
    with pytest.raises(InvalidGrant) as caught:
        claims_of(attribute(name, "user.nickname", required=True), issue=issue)
    assert (
        caught.value.description
        == f"{name} is configured as required for the Access token but does not have a value"
    )
    assert "`user" in caught.value.detail


def test_a_required_claim_with_value_is_just_there():
    assert claims_of(attribute("department", "'sales'", required=True))["department"] == "sales"


@pytest.mark.parametrize(
    "name",
    [
        "aud",
        "client_id",
        "env",
        "exp",
        "iat",
        "iss",
        "jti",
        "org",
        "scope",
        "sid",
        "acr",
        "auth_time",
        "p1.userId",
        "p1.rid",
        "nbf",
        "cnf",
    ],
)
def test_reserved_claims_cannot_be_mapped(name):
    assert is_reserved(name)
    assembled = assemble(issue_with(Attribute(name, MappingExpression.literal("forged"))))
    assert "forged" not in json.dumps(assembled.claims)
    assert assembled.notes == (f"the mapping for {name} is ignored: the claim is reserved",)


@pytest.mark.parametrize("name", ["sub", "act", "may_act", "department", "p1"])
def test_other_claims_are_free(name):
    assert not is_reserved(name)


def test_top_level_null_is_dropped_and_inner_null_is_kept():
    claims = claims_of(attribute("gone", "null"), attribute("kept", "{'a': null}"))
    assert "gone" not in claims
    assert claims["kept"] == {"a": None}


def test_a_failing_mapping_is_left_out_and_noted():
    assembled = assemble(issue_with(attribute("odd", "1 + null")))
    assert "odd" not in assembled.claims
    assert assembled.notes[0].startswith("the mapping for odd failed")


def test_an_absent_act_is_noted_with_its_reason():
    assembled = assemble(replace(PERSONAL, resource=TEST))
    assert "act" not in assembled.claims
    assert "may_act.sub == #root.context.requestData.actorToken.client_id` is false" in assembled.notes[0]


def test_why_a_claim_would_be_absent():
    assert explain(PERSONAL, "act") == "'agent' has no mapping for act"
    assert "yields nothing: its value is null" in explain(issue_with(attribute("act", "null")), "act")


def test_mapped_claims_are_bounded():
    with pytest.raises(InvalidGrant, match="larger than 16384"):
        claims_of(*(Attribute(f"c{n}", MappingExpression.literal("x" * 8000)) for n in range(3)))


def test_what_mappings_can_read():
    bindings = mapping_bindings(
        replace(PERSONAL, subject={"sub": "s"}, actor={"client_id": "a"}, requested_scope="agent")
    )
    assert bindings["context"] == {
        "requestData": {
            "grantType": "authorization_code",
            "subjectToken": {"sub": "s"},
            "actorToken": {"client_id": "a"},
            "scope": "agent",
        },
        "appConfig": {
            "clientId": AGENT_ID,
            "envId": ENVIRONMENT.id,
            "orgId": ENVIRONMENT.organization_id,
            "tokenEndpointAuthMethod": None,
        },
    }
    assert mapping_bindings(MACHINE)["context"]["requestData"] == {"grantType": "client_credentials"}
    assert mapping_bindings(MACHINE)["user"] == {}


def test_the_user_as_mappings_see_one():
    user = replace(
        USER,
        attributes={"department": "sales", "username": "forged", "enabled": False},
        preferred_language="de",
    )
    binding = user_binding(user)
    assert binding["name"] == {"given": "Demo", "family": "User", "formatted": "Demo User"}
    assert (binding["username"], binding["department"], binding["preferredLanguage"], binding["enabled"]) == (
        "demouser",
        "sales",
        "de",
        True,
    )
    assert "password_hash" not in binding
    assert (
        not {"email", "name", "preferredLanguage"}
        & user_binding(replace(USER, email=None, given_name=None, family_name=None)).keys()
    )
    assert user_binding(replace(USER, given_name=None))["name"] == {"family": "User", "formatted": "User"}
