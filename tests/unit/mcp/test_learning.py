import pytest

from deputize.gateway.filters.mcp_tool_authorization import McpToolAuthorizationFilter
from deputize.mcp.learning import Proposal
from support.gateway import built
from support.oauth_filters import oauth_heap

TOOLS = [
    {"name": "read_balance", "annotations": {"readOnlyHint": True}},
    {"name": "transfer", "description": "Transfer\n money.", "annotations": {"readOnlyHint": False}},
    {"name": "odd name", "annotations": {"readOnlyHint": "true"}},
]


def rules_of(proposal):
    return proposal.configuration()["config"]["rules"]


def test_what_changes_something_has_a_scope_of_its_own():
    proposal = Proposal("banking")
    proposal.add("tools", TOOLS, "name")
    proposal.add("prompts", [{"name": "greet"}], "name")
    proposal.add("resources", [{"uri": "account://7"}], "uri")
    proposal.add("resources", [{"uriTemplate": "account://{id}"}], "uriTemplate")
    transfer, odd, reading = rules_of(proposal)
    assert transfer == {
        "name": "transfer",
        "comment": "Transfer money.",
        "tools": "transfer",
        "scopes": "banking:transfer",
        "onUse": True,
    }
    assert (odd["tools"], odd["scopes"]) == ("odd name", "banking:odd_name")
    assert {kind: reading[kind] for kind in ("tools", "prompts", "resources", "scopes")} == {
        "tools": ["read_balance"],
        "prompts": ["greet"],
        "resources": ["account://7", "account://{id}"],
        "scopes": "banking:read",
    }


def test_names_that_no_rule_can_name_alone_are_left_out():
    proposal = Proposal("x")
    proposal.add(
        "tools",
        [{"name": "a*"}, {"name": "&{x}"}, {"name": "x" * 257}, {"name": ""}, {"name": 7}, "b"],
        "name",
    )
    assert (rules_of(proposal), len(proposal.left_out)) == ([], 4)


@pytest.mark.parametrize("prefix", ["banking", "", 'a "b" = \\c', "ü" * 300])
def test_a_proposal_can_be_loaded(prefix):
    proposal = Proposal(prefix)
    proposal.add(
        "tools", [*TOOLS, {"name": "y" * 256, "description": "&{x}" * 999}, {"name": "${x}"}], "name"
    )
    assert built(McpToolAuthorizationFilter, dict(proposal.configuration()), oauth_heap())
