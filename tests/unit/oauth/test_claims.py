import json
from dataclasses import replace
from pathlib import Path

import pytest

from deputize.expressions import MappingExpression
from deputize.oauth.claims import Issue, assemble, explain, is_reserved, mapping_bindings, user_binding
from deputize.oauth.errors import InvalidGrant
from deputize.oauth.records.directory import Attribute
from support.agent_delegation import (
    AGENT,
    AGENT_ID,
    AGENT_RESOURCE,
    ENVIRONMENT,
    LINEAGE,
    NOW,
    TEST,
    USER,
    USER_ID,
    WHO,
    World,
    attribute,
)

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
