"""Filters that decide by a condition: enforcement, conditional, switch."""

import pytest
from structlog.testing import capture_logs

from deputize.audit.records import RouteIdentity
from deputize.gateway.exchange.conditions import Undecidable
from deputize.gateway.exchange.contexts import RouterContext, read_claims
from deputize.gateway.handlers.chain import Chain
from deputize.http.exchange import Head
from deputize.http.plans import Filter, answer
from deputize.kernel.errors import ConfigurationError
from support.gateway import TYPES, Answering, built, exchange_for, heap_of, registry_for, through

POSTED = "${request.method == 'POST'}"
UNKNOWABLE = "${request.method < 5}"
REFUSING = {"type": "StaticResponseHandler", "config": {"status": 418}}


async def status(members, backend=None, **exchange):
    response = await through(built(Filter, members), exchange_for(**exchange), (backend or Answering()))
    return response.status


@pytest.mark.parametrize(
    ("condition", "expected"),
    [(POSTED, 200), ("${request.method == 'GET'}", 403), (UNKNOWABLE, 403), ("text", 403)],
)
async def test_enforcement_lets_only_true_pass(condition, expected):
    assert (
        await status(
            {"type": "ConditionEnforcementFilter", "config": {"condition": condition}}, method="POST"
        )
        == expected
    )


async def test_enforcement_hands_over_to_its_failure_handler():
    config = {"condition": POSTED, "failureHandler": REFUSING}
    assert await status({"type": "ConditionEnforcementFilter", "config": config}) == 418


@pytest.mark.parametrize(("method", "expected"), [("POST", 403), ("GET", 200)])
async def test_conditional_runs_its_delegate_only_when_true(method, expected):
    delegate = {"type": "ConditionEnforcementFilter", "config": {"condition": "${false}"}}
    assert (
        await status(
            {"type": "ConditionalFilter", "config": {"condition": POSTED, "delegate": delegate}},
            method=method,
        )
        == expected
    )


@pytest.mark.parametrize(("method", "expected"), [("POST", 418), ("GET", 200)])
async def test_switch_diverts_requests(method, expected):
    backend = Answering()
    config = {"onRequest": [{"condition": POSTED, "handler": REFUSING}]}
    assert await status({"type": "SwitchFilter", "config": config}, backend, method=method) == expected
    assert len(backend.asked) == (method == "GET")


@pytest.mark.parametrize(("answered", "expected"), [(500, 418), (200, 200)])
async def test_switch_diverts_answers(answered, expected):
    config = {"onResponse": {"condition": "${response.status.code == 500}", "handler": REFUSING}}
    assert await status({"type": "SwitchFilter", "config": config}, Answering(answered)) == expected


async def test_a_case_without_condition_always_diverts():
    assert await status({"type": "SwitchFilter", "config": {"onRequest": {"handler": REFUSING}}}) == 418


ABSENT_CLAIM = "contexts.oauth2.accessToken.info.role"
DENYING = [
    f"${{{ABSENT_CLAIM} != 'danger'}}",
    f"${{!({ABSENT_CLAIM} == 'danger')}}",
    f"${{not matches({ABSENT_CLAIM}, 'danger')}}",
    f"${{{ABSENT_CLAIM} == 'danger' ? false : true}}",
    "${contexts.mcp.clientPayload.params.name != 'danger'}",
    "${request.headers['X-Role'][0] != 'danger'}",
    "${session.role != 'danger'}",
    "${contexts.ssoToken.value != 'danger'}",
    "${!contexts.ssoToken}",
]


def signed_on():
    exchange = exchange_for()
    exchange.put(read_claims("t", {"sub": "u"}, None))
    return exchange


def enforcing(condition):
    return built(Filter, {"type": "ConditionEnforcementFilter", "config": {"condition": condition}})


@pytest.mark.parametrize("condition", DENYING)
async def test_enforcement_permits_nothing_by_comparing_what_is_missing(condition):
    enforcement = enforcing(condition)
    with capture_logs() as logs:
        statuses = [(await through(enforcement, signed_on(), Answering())).status for _ in range(3)]
    assert statuses == [403, 403, 403]
    refusals = [each for each in logs if each["event"] == "a request is refused"]
    assert [each["error"] for each in refusals] == ["condition_not_met"] * 3
    logs = [each for each in logs if each not in refusals]
    assert len(logs) == 1, "said once"
    assert "compares what is missing" in logs[0]["reason"]
    assert (
        condition.strip("${!}()not ").split()[0].split("[")[0].rpartition("(")[2].rstrip(",")
        in logs[0]["reason"]
    )


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (f"${{{ABSENT_CLAIM} == null}}", 200),
        (f"${{empty {ABSENT_CLAIM}}}", 200),
        (f"${{{ABSENT_CLAIM} != null}}", 403),
        (f"${{{ABSENT_CLAIM} == null || {ABSENT_CLAIM} != 'danger'}}", 200),
        ("${empty session.user}", 200),
        ("${contexts.ssoToken == null}", 200),
    ],
)
async def test_asking_for_what_is_missing_is_exact(condition, expected):
    assert (await through(enforcing(condition), signed_on(), Answering())).status == expected


@pytest.mark.parametrize(("condition", "expected"), [("== 'x'", 200), ("!= 'x'", 403)])
async def test_selecting_takes_an_absent_claim_for_different(condition, expected):
    delegate = {"type": "ConditionEnforcementFilter", "config": {"condition": "${false}"}}
    conditional = built(
        Filter,
        {
            "type": "ConditionalFilter",
            "config": {"condition": f"${{{ABSENT_CLAIM} {condition}}}", "delegate": delegate},
        },
    )
    with capture_logs() as logs:
        statuses = [(await through(conditional, signed_on(), Answering())).status for _ in range(3)]
    assert statuses == [expected] * 3
    assert [each["missing"] for each in logs if "missing" in each] == [ABSENT_CLAIM]


SELECTING = {
    "conditional": lambda condition: {
        "type": "ConditionalFilter",
        "config": {
            "condition": condition,
            "delegate": {"type": "ConditionEnforcementFilter", "config": {"condition": "${false}"}},
        },
    },
    "on request": lambda condition: {
        "type": "SwitchFilter",
        "config": {"onRequest": {"condition": condition, "handler": REFUSING}},
    },
    "on response": lambda condition: {
        "type": "SwitchFilter",
        "config": {"onResponse": {"condition": condition, "handler": REFUSING}},
    },
}


@pytest.mark.parametrize("filter_kind", SELECTING)
@pytest.mark.parametrize(
    "context", ["contexts.mcp.clientPayload.params.name", "contexts.ssoToken.value", "session.user"]
)
@pytest.mark.parametrize("comparison", ["== 'danger'", "!= 'danger'"])
async def test_selecting_by_a_context_that_nothing_left_stops_the_exchange(filter_kind, context, comparison):
    """The delegate may be a check that is skipped, or give rights: neither is safe."""
    backend = Answering()
    with pytest.raises(Undecidable):
        await through(
            built(Filter, SELECTING[filter_kind](f"${{{context} {comparison}}}")), exchange_for(), backend
        )
    assert not backend.asked or filter_kind == "on response"


@pytest.mark.parametrize("filter_kind", SELECTING)
async def test_selecting_by_what_cannot_be_evaluated_stops_the_exchange(filter_kind):
    with pytest.raises(Undecidable):
        await through(built(Filter, SELECTING[filter_kind](UNKNOWABLE)), exchange_for(), Answering())


async def test_a_failure_that_did_not_happen_is_nothing_to_stop_for():
    config = {"onResponse": {"condition": "${contexts.oauth2Failure.error == 'x'}", "handler": REFUSING}}
    assert await status({"type": "SwitchFilter", "config": config}) == 200


@pytest.mark.parametrize(
    ("expression", "fix"),
    [
        ("contexts.mpc.clientPayload.params.name != 'danger'", "did you mean contexts.mcp?"),
        ("contexts['mpc'].clientPayload.params.name != 'danger'", "did you mean contexts.mcp?"),
        ("context.ouath2.accessToken.info.sub != 'x'", "did you mean context.oauth2?"),
        ("reqest.method != 'DELETE'", "did you mean request?"),
        ("request.metod != 'DELETE'", "did you mean request.method?"),
        ("request.uri.paht != '/x'", "did you mean request.uri.path?"),
        ("contexts.oauth2.accesToken.info.sub != 'x'", "did you mean contexts.oauth2.accessToken?"),
        ("contexts.mcp.clientPayLoad.params.name != 'danger'", "did you mean contexts.mcp.clientPayload?"),
        ("contexts.client.remoteAdress != '10.0.0.1'", "did you mean contexts.client.remoteAddress?"),
        ("!contexts.frobnicator", "known here are "),
        ("frobnicator.x", "known here are "),
    ],
)
def test_a_name_that_nothing_declares_is_refused_at_load(expression, fix):
    for config in (
        {"type": "ConditionEnforcementFilter", "config": {"condition": f"${{{expression}}}"}},
        {
            "type": "HeaderFilter",
            "config": {"messageType": "REQUEST", "add": {"X-A": f"a ${{{expression}}}"}},
        },
    ):
        with pytest.raises(ConfigurationError) as raised:
            built(Filter, config)
        assert raised.value.fix.startswith(fix)
        assert "nothing is known as" in raised.value.reason


@pytest.mark.parametrize(
    "name",
    [
        "session.x",
        "exchange.request",
        "contexts.ssoToken.value",
        "contexts.router.matchedUri",
        "request.form",
    ],
)
def test_what_only_the_original_has_is_warned_about(name):
    heap = heap_of()
    built(
        Filter, {"type": "ConditionEnforcementFilter", "config": {"condition": f"${{{name} == 'x'}}"}}, heap
    )
    (warning,) = heap.deployment.warnings
    assert warning.position.pointer == "/handler/config/condition"
    assert "is always missing" in warning.reason


def test_properties_are_names_too():
    heap = heap_of(properties={"stage": "test"})
    built(Filter, {"type": "ConditionEnforcementFilter", "config": {"condition": "${stage == 'test'}"}}, heap)
    assert heap.deployment.warnings == []


class Left:
    binding_name = "left"

    def as_binding(self):
        return {"x": "y"}


def test_an_installed_type_declares_the_contexts_it_leaves():
    class LeavingFilter:
        contexts = (Left,)

    heap = heap_of(registry=registry_for(types={**TYPES, "LeavingFilter": LeavingFilter}))
    built(
        Filter,
        {"type": "ConditionEnforcementFilter", "config": {"condition": "${contexts.left.x == 'y'}"}},
        heap,
    )
    assert heap.deployment.warnings == []


@pytest.mark.parametrize(
    "context",
    [
        RouterContext(RouteIdentity("a", "a"), None, exchange_for().request.target),
        read_claims("t", {}, None),
    ],
)
def test_what_a_context_declares_is_what_it_shows(context):
    def shape(value):
        return {
            name: shape(member) if name != "info" and isinstance(member, dict) else None
            for name, member in value.items()
        }

    assert shape(context.as_binding()) == type(context).binding_shape


async def test_a_port_is_the_calls_own_behind_what_is_prepared_for_each_call():
    """Its plan was made for a call from another port."""
    heap = heap_of()
    conditional = {
        "type": "ConditionalFilter",
        "config": {
            "condition": "${now.epochSeconds > 0}",
            "delegate": {"type": "HeaderFilter", "config": {"messageType": "REQUEST", "remove": "X"}},
        },
    }
    handler = {
        "type": "Chain",
        "config": {
            "filters": [
                conditional,
                {
                    "type": "ConditionEnforcementFilter",
                    "config": {"condition": "${contexts.client.remotePort == 50123}"},
                },
            ],
            "handler": {"type": "StaticResponseHandler", "config": {"status": 200}},
        },
    }
    first, second = exchange_for(), exchange_for()
    second.peer = second.peer._replace(remote_port=50124)
    plan = built(Chain, handler, heap).plan(Head.of(first.request, first.peer))
    assert (await answer(plan, second)).status == 403
    assert (await answer(plan, first)).status == 200
