"""The use case's route file and tokens, unchanged."""

import json
from pathlib import Path

import pytest

from deputize.expressions import TokenError, substitute
from deputize.expressions.gateway import compile_condition
from deputize.expressions.mapping import compile_mapping

USE_CASE = Path(__file__).resolve().parents[4] / "shared" / "use-case"
pytestmark = pytest.mark.skipif(not USE_CASE.is_dir(), reason="the use case's files are not here")

ACT = (
    "(#root.context.requestData.subjectToken.may_act.sub == #root.context.requestData.actorToken.client_id)"
    "?#root.context.requestData.subjectToken.may_act:null"
)


def read(name):
    return json.loads((USE_CASE / name).read_text())


def test_the_condition_of_the_route_selects_the_path():
    condition = compile_condition(read("config/routes/mcp.json")["condition"])
    assert condition.template.names == {"request"}
    assert condition.decide({"request": {"uri": {"path": "/mcp"}}}) is True
    assert condition.decide({"request": {"uri": {"path": "/"}}}) is False


def test_the_tokens_of_the_route_are_replaced():
    route = read("config/routes/mcp.json")
    known = {**route["properties"], "ig.instance.dir": "/var/gateway"}
    replaced = substitute(route, known.get)
    assert replaced["baseURI"] == "http://localhost:8000"
    assert (
        replaced["handler"]["config"]["filters"][2]["config"]["resourceId"]
        == "https://ig.example.com:8443/mcp"
    )
    assert "&{" not in json.dumps(replaced)


def test_a_token_nobody_defines_is_named_with_its_place():
    route = read("config/routes/mcp.json")
    with pytest.raises(TokenError) as caught:
        substitute(route, route["properties"].get)
    assert caught.value.pointer == "/heap/1/config/eventHandlers/0/config/logDirectory"


def test_the_tokens_of_the_use_case_yield_the_act_of_the_use_case():
    data = {"subjectToken": read("subject-token.json"), "actorToken": read("actor-token.json")}
    bindings = {"context": {"requestData": data}}
    mapping = compile_mapping(ACT)
    assert mapping.evaluate(bindings) == read("mcp-token.json")["act"]
    assert mapping.explain(bindings) == ()
    assert (
        compile_mapping("#root.context.requestData.subjectToken.sub").evaluate(bindings)
        == read("mcp-token.json")["sub"]
    )
