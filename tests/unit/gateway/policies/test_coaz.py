from decimal import Decimal

import pytest

from deputize.gateway.policies.coaz import MappingError, make_questions, read_mapping, read_mappings
from support.policies import SERVER, TRANSFER, request

USER = {"type": "identity", "id": "demouser"}
AGENT = {"agent": "assistant"}
CLAIMS = {"sub": "demouser", "client_id": "assistant", "roles": ["a"], "address": {"country": "DE"}}


def questions(declared=None, **members):
    mapping = None if declared is None else read_mapping(declared)
    return make_questions(request(claims=CLAIMS, **members), mapping)


def evaluation(**members):
    return {"evaluation": {"action": {"name": "move"}, "resource": {"type": "account", "id": "1"}} | members}


@pytest.mark.parametrize(
    ("method", "kind", "target"),
    [
        ("tools/call", "tool", "transfer"),
        ("prompts/get", "prompt", "transfer"),
        ("resources/read", "resource", "transfer"),
        ("tasks/cancel", "task", "transfer"),
        ("tools/list", "mcp_server", SERVER),
        ("initialize", "mcp_server", SERVER),
    ],
)
def test_a_method_has_its_default_mapping(method, kind, target):
    assert questions(method=method) == (
        {
            "subject": USER,
            "action": {"name": method},
            "resource": {"type": kind, "id": target},
            "context": AGENT,
        },
    )


def test_an_agent_without_a_name_is_left_out():
    assert questions(agent="")[0]["context"] == {}


@pytest.mark.parametrize("members", [{"method": "server/new"}, {"tool": ""}, {"method": "ping"}])
def test_what_has_no_mapping_is_not_asked_about(members):
    with pytest.raises(MappingError):
        questions(**members)


def test_a_declared_mapping_selects_claims_and_arguments():
    declared = evaluation(
        subject={"type": "customer", "id": "$token.sub", "properties": {"roles": "$token.roles"}},
        resource={
            "type": "account",
            "id": "$params.arguments['from-account']",
            "properties": {"amount": "$params.arguments.amount", "tool": "$params.name"},
        },
        context={
            "country": "$token.address.country",
            "missing": "$token.?none",
            "deep": "$params.arguments.?x.?y",
            "price": "$$50",
            "list": ["$token.?none", 1, True, None, "$params.arguments.count"],
            "agent": "somebody else",
        },
    )
    (asked,) = questions(
        declared,
        arguments={"from-account": "7", "amount": Decimal("12.50"), "count": Decimal("1E+20")},
    )
    assert asked == {
        "subject": {"type": "customer", "id": "demouser", "properties": {"roles": ["a"]}},
        "action": {"name": "move"},
        "resource": {"type": "account", "id": "7", "properties": {"amount": 12.5, "tool": "transfer"}},
        "context": {"country": "DE", "price": "$50", "list": [1, True, None, 10**20], "agent": "assistant"},
    }
    assert questions(declared, method="prompts/get")[0]["resource"] == {"type": "prompt", "id": "transfer"}


def test_several_decisions_share_what_is_common():
    declared = {
        "evaluations": {
            "context": {"why": "copy"},
            "action": {"name": "read"},
            "evaluations": [
                {"resource": {"type": "file", "id": "$params.arguments.to"}},
                {"resource": {"type": "file", "id": "2"}, "action": {"name": "write"}, "context": {}},
            ],
        }
    }
    first, second = questions(declared)
    assert first == {
        "subject": USER,
        "action": {"name": "read"},
        "resource": {"type": "file", "id": "alice"},
        "context": {"why": "copy"} | AGENT,
    }
    assert second == {
        "subject": USER,
        "action": {"name": "write"},
        "resource": {"type": "file", "id": "2"},
        "context": AGENT,
    }


@pytest.mark.parametrize(
    ("declared", "why"),
    [
        (None, "exactly one"),
        ({}, "exactly one"),
        ({"evaluation": {}, "evaluations": {}}, "exactly one"),
        ({"question": {}}, "neither"),
        ({"evaluation": []}, "neither"),
        ({"evaluations": {}}, "no evaluations"),
        ({"evaluations": {"evaluations": []}}, "no evaluations"),
        ({"evaluations": {"evaluations": ["x"]}}, "no object"),
        ({"evaluations": {"evaluations": [{"subject": {}}]}}, "subject of its own"),
        (evaluation(subject={"id": "$params.arguments.user"}), "not that of the token"),
        (evaluation(subject={"id": "admin"}), "not that of the token"),
        (evaluation(subject="$token.sub"), "not that of the token"),
        (evaluation(action=None), "lacks its action"),
        (evaluation(context=[]), "no object"),
        (evaluation(options={}), "none but"),
        (evaluation(context={"x": "$token"}), "more than select"),
        (evaluation(context={"x": "$env.HOME"}), "more than select"),
        (evaluation(context={"x": "$params.arguments.amount > 5 ? 'a' : 'b'"}), "more than select"),
        (evaluation(context={"x": "$token.roles[0]"}), "more than select"),
        (evaluation(context={"x": "$token.roles.exists(r, r == 'a')"}), "more than select"),
        (evaluation(context={"x": "$"}), "more than select"),
        (evaluation(context={"x": "$tokens.a"}), "more than select"),
    ],
)
def test_a_mapping_that_cannot_be_used_says_why(declared, why):
    with pytest.raises(MappingError, match=why):
        read_mapping(declared)


@pytest.mark.parametrize("source", ["$token.none", "$params.arguments.to.x", "$token.roles.x"])
def test_what_is_selected_and_not_there_is_an_error(source):
    with pytest.raises(MappingError, match="not there"):
        questions(evaluation(context={"x": source}))


def test_mappings_are_found_in_the_tools_schemas():
    declared = TRANSFER | {"x-authzen-mapping": evaluation()}
    wrong = TRANSFER | {"x-authzen-mapping": {}}
    found, flaws = read_mappings({"plain": TRANSFER, "declared": declared, "wrong": wrong})
    assert list(found) == ["declared"]
    assert list(flaws) == ["wrong"]
