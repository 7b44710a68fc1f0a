"""*Why* has an explanation for every refusal that the authority can record, so a new one needs one first."""

import ast
import importlib
import string
from typing import Any, NamedTuple

import pytest

from deputize.authority.activities.search import MCP_MESSAGE, MCP_OUTCOME
from deputize.authority.why import explain_decision, question_of
from deputize.diagnosis import causes, refusals
from deputize.diagnosis.cause import PAGES
from deputize.oauth import errors
from deputize.oauth.resources import TOKEN_EXCHANGE
from support import agent_delegation as use_case
from support.agent_delegation import World
from support.source import SOURCE

SAMPLE = "0f3a"
"""Stands for whatever a reason fills in."""


def wire_errors(root=errors.OAuthError):
    """Every kind of refusal: the errors that a client may be told."""
    yield root
    for each in root.__subclasses__():
        yield from wire_errors(each)


KINDS = {each.__name__: each for each in wire_errors()}


class Place(NamedTuple):
    """Where the program refuses something, and the reason that it then records."""

    where: str
    code: str
    reason: str


def text_of(node: ast.expr) -> str:
    """The text that an expression yields, as far as the source tells it."""
    match node:
        case ast.Constant(value=str() as text):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(text_of(part) for part in parts)
        case _:
            return SAMPLE


def trees(*folders: str):
    for folder in folders:
        for path in sorted((SOURCE / folder).rglob("*.py")):
            yield path.relative_to(SOURCE), ast.parse(path.read_text("utf-8"))


def refusing_places() -> list[Place]:
    found: list[Place] = []
    for path, tree in trees("oauth", "authority"):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in KINDS:
                reason = text_of(node.args[0]) if node.args else SAMPLE
                found.append(Place(f"{path}:{node.lineno}", KINDS[node.func.id].code, reason))
    return found


def recorded_refusals() -> set[str]:
    """The names of the events that may be recorded with a reason."""
    names: set[str] = set()
    for _, tree in trees("authority", "cli"):
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not node.args or not isinstance(node.args[0], ast.Constant):
                continue
            name, given = ast.unparse(node.func), node.args
            place = {"call.record": 1, "services.record": 2, "self.services.record": 2, "self._record": 2}
            at = 4 if name in {"Event", "audit.Event"} else place.get(name)
            named = [each.value for each in node.keywords if each.arg == "reason"]
            reasons = [*given[at : at + 1], *named] if at else []
            if any(ast.unparse(each) != "None" for each in reasons):
                names.add(str(given[0].value))
    return names


PLACES = refusing_places()


def test_the_places_are_found():
    assert len(PLACES) > 150
    assert {
        "sign-on refused",
        "token refused",
        "token inactive",
        "logout notice failed",
    } <= recorded_refusals()


def test_each_kind_of_refusal_has_a_cause():
    for module in ("deputize.authority.app", "deputize.authority.management.app"):
        importlib.import_module(module)
    assert {each.code for each in wire_errors()} == refusals.BY_CODE.keys()


def test_each_record_of_a_refusal_has_a_cause():
    with_a_code, of_gateways = {"token refused"}, {MCP_MESSAGE, MCP_OUTCOME}
    assert recorded_refusals() - with_a_code | of_gateways == refusals.BY_EVENT.keys()


def test_no_words_are_hidden_by_others_or_found_nowhere():
    source = "\n".join(path.read_text("utf-8") for path in SOURCE.rglob("*.py") if path.name != "refusals.py")
    for place, (words, _) in enumerate(refusals.BY_WORDS):
        assert not any(earlier in words for earlier, _ in refusals.BY_WORDS[:place]), words
        assert words.strip() in source, words


def names_in(*texts: str) -> set[str]:
    return {name for text in texts for _, name, _, _ in string.Formatter().parse(text) if name}


async def explain(record: dict[str, Any]):
    world = World()
    return await explain_decision(world.environment, world.ports, question_of(record), world.now)


ASKERS = {
    "known": {"clientId": use_case.AGENT_ID, "userId": use_case.USER_ID, "requestedScope": "test"},
    "claimed": {"claimedClientId": use_case.AGENT_ID, "redirectUri": "https://other.example/callback"},
    "resource": {"claimedClientId": use_case.TEST_ID},
    "nobody": {},
}


@pytest.mark.parametrize("asker", ASKERS)
async def test_every_refusal_is_explained_and_none_would_be_permitted(asker):
    for place in PLACES:
        record = {
            "eventName": "DEPUTIZE-REQUEST-REFUSED",
            "error": place.code,
            "reason": place.reason,
            **ASKERS[asker],
        }
        decision = await explain(record)
        recorded = decision.recorded
        assert not decision.permitted, place
        assert decision.refused_by is not None, place
        assert recorded.cause is not refusals.REFUSED, place
        for step in decision.steps:
            if step.cause:
                missing = names_in(step.cause.cause, step.cause.fix) - step.values.keys()
                assert not missing, (place, step.cause.id)
        if recorded.cause.setting.kind in PAGES:
            assert recorded.setting.name, place


@pytest.mark.parametrize("cause", refusals.REFUSALS, ids=lambda cause: cause.id)
def test_a_cause_has_its_words(cause):
    texts = (cause.symptom, cause.cause, cause.fix)
    assert all(text and not text.endswith(".") for text in texts)
    assert cause.setting
    assert cause.id not in causes.CAUSES
    used = {
        *(each for _, each in refusals.BY_WORDS),
        *refusals.BY_CODE.values(),
        *refusals.BY_EVENT.values(),
    }
    assert cause in used


@pytest.mark.parametrize(
    ("code", "reason", "cause"),
    [
        ("invalid_client", "'x' by client_secret_basic: the secret is wrong", refusals.SECRET_WRONG),
        ("invalid_request", "'test' requires delegation: may_act is missing", refusals.ACTING_REFUSED),
        ("invalid_grant", "there is no such code", refusals.CODE_REFUSED),
        ("access_denied", "the step agreement_prompt was declined", refusals.DECLINED),
        ("", "policy_denied: daily: the budget of the day is used up", refusals.POLICY_DENIED),
        ("", "approval_needed: far: Send it abroad?", refusals.POLICY_DENIED),
        ("something_new", "of nobody's making", refusals.REFUSED),
    ],
)
def test_words_come_before_the_code(code, reason, cause):
    assert refusals.find_cause(reason, code) is cause


async def test_a_wrong_secret_is_what_it_says_whatever_fails_besides():
    record = {
        "eventName": "DEPUTIZE-TOKEN-REFUSED",
        "claimedClientId": use_case.AGENT_ID,
        "error": "invalid_client",
        "reason": f"{use_case.AGENT_ID!r} by client_secret_basic: the secret is wrong",
    }
    for scope in ("agent", "nothing"):
        decision = await explain({**record, "requestedScope": scope})
        assert decision.refused_by is refusals.SECRET_WRONG
        assert decision.recorded.setting[:2] == ("agent", use_case.AGENT_ID)
        assert "MCP Tutorial exists" in decision.recorded.because
    assert decision.failed.cause is causes.SCOPE_NOT_GRANTED


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ("http://localhost:3000/cb", "The nearest is http://localhost:3000/callback, with another path"),
        ("https://localhost:3000/callback", "with another scheme"),
        ("https://127.0.0.1/callback", "with another scheme and host or port"),
        ("https://other.example/elsewhere", "Nothing is like it"),
        ("http://[", "Nothing is like it"),
    ],
)
async def test_a_wrong_redirect_uri_is_told_beside_those_that_are_registered(sent, told):
    decision = await explain(
        {
            "eventName": "DEPUTIZE-REQUEST-REFUSED",
            "claimedClientId": use_case.AGENT_ID,
            "redirectUri": sent,
            "error": "invalid_request",
            "reason": "The redirect_uri is not registered for this client",
        }
    )
    assert decision.refused_by is refusals.REDIRECT_URI_NOT_REGISTERED
    failed = decision.failed
    assert (failed.name, failed.setting.member) == ("redirect-uri", "redirect_uris")
    assert sent in failed.because
    assert "has http://localhost:3000/callback" in failed.because
    assert told in failed.because


async def test_a_redirect_uri_that_was_registered_since_is_in_order():
    record = {
        "eventName": "DEPUTIZE-REQUEST-REFUSED",
        "claimedClientId": use_case.AGENT_ID,
        "redirectUri": use_case.REDIRECT_URI,
        "error": "invalid_request",
        "reason": "The redirect_uri is not registered for this client",
    }
    decision = await explain(record)
    assert ("redirect-uri", "held") in [(each.name, each.outcome) for each in decision.steps]
    assert decision.failed is None


@pytest.mark.parametrize(
    ("record", "steps"),
    [
        (
            {
                "redirectUri": use_case.REDIRECT_URI,
                "requestedScope": "test",
                "claimedClientId": use_case.AGENT_ID,
            },
            ["agent", "redirect-uri", "resource", "scopes", "grants", "sign-on", "policy"],
        ),
        (
            {"grantType": TOKEN_EXCHANGE, "requestedScope": "test", "clientId": use_case.AGENT_ID},
            ["agent", "resource", "scopes"],
        ),
        (
            {"grantType": "client_credentials", "requestedScope": "agent", "clientId": use_case.AGENT_ID},
            ["agent", "resource", "scopes"],
        ),
    ],
    ids=["authorization request", "exchange of an unknown token", "own token"],
)
async def test_of_a_request_only_that_is_decided_again_which_it_was_about(record, steps):
    """No user is known before the sign-on, nor of a token that nobody can read."""
    named = {"eventName": "DEPUTIZE-REQUEST-REFUSED", "error": "invalid_request", "reason": "malformed"}
    decision = await explain({**named, **record})
    assert [each.name for each in decision.steps] == ["recorded", *steps]
    assert decision.failed is None
