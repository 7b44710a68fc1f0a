"""What is listed can be called, what is not cannot, and no other spelling of a name gets further than it.

Through the filters of a route, for whatever rules, lists and scopes.
"""

import asyncio
import json
import posixpath
import re
import unicodedata
from urllib.parse import unquote

from hypothesis import given, settings
from hypothesis import strategies as st

from deputize.gateway.filters.mcp_protection import McpProtectionFilter
from deputize.gateway.filters.mcp_tool_authorization import McpToolAuthorizationFilter
from deputize.gateway.filters.mcp_validation import McpValidationFilter
from deputize.gateway.handlers.chain import Chain
from deputize.http.plans import as_filter, as_handler
from deputize.mcp.listings import filter_result
from deputize.mcp.operations import McpOperation, OperationRule, OperationRules
from deputize.mcp.pins import ApprovedTools
from support.examples import examples
from support.gateway import Answering, ask, built
from support.mcp_messages import LEGACY_VERSION
from support.oauth_filters import CLAIMS, oauth_heap, posting, protection, resource_server

SCOPES = ["a", "b", "c"]
SCOPE_SETS = st.sets(st.sampled_from(SCOPES)).map(sorted)
WORDS = ["get", "GET", "put", "x", "get_x", "get_{x}", "*", "a.b", "ſ"]
TOOLS = st.sampled_from(WORDS)
URIS = st.sampled_from(
    [
        "a://b",
        "a://b/c",
        "A://b",
        "a://{x}",
        "a://{x}/c",
        "a://{+x}",
        "a://b/../c",
        "a://%62",
        "a://b/%2e%2e/c",
    ]
)
TOOL_PATTERNS = TOOLS | st.sampled_from(["*", "get*", "*x", "*_*"])
URI_PATTERNS = URIS | st.sampled_from(["*", "a://*", "a://b/*", "*/c"])
RULES = st.lists(
    st.fixed_dictionaries(
        {"scopes": SCOPE_SETS, "tools": st.lists(TOOL_PATTERNS, min_size=1, max_size=3)},
        optional={
            "onUse": st.booleans(),
            "actors": st.lists(st.sampled_from(["agent-1", "agent-2"]), max_size=2),
            "prompts": st.lists(TOOL_PATTERNS, max_size=2),
            "resources": st.lists(URI_PATTERNS, max_size=3),
        },
    ),
    max_size=4,
)
LISTS = {
    "tools": ("tools/list", "name", lambda name: ("tools/call", {"name": name})),
    "prompts": ("prompts/list", "name", lambda name: ("prompts/get", {"name": name})),
    "resources": ("resources/list", "uri", lambda uri: ("resources/read", {"uri": uri})),
}


async def exchange(rules, scopes, method, params, result):
    tokens = {"token": {**CLAIMS, "scope": " ".join(["test", *scopes])}}
    heap = oauth_heap(resource_server(), tokens=tokens)
    declared = [
        (McpProtectionFilter, protection()),
        (McpValidationFilter, {"type": "McpValidationFilter", "config": {"acceptedOrigins": ".*"}}),
        (McpToolAuthorizationFilter, {"type": "McpToolAuthorizationFilter", "config": {"rules": rules}}),
    ]
    filters = [as_filter(built(kind, members, heap)) for kind, members in declared]
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "result": result}).encode()
    upstream = Answering(headers=[("Content-Type", "application/json")], body=body)
    document = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    request = posting(document, LEGACY_VERSION, ("Authorization", "Bearer token"))
    response = await ask(Chain(filters, as_handler(upstream)), request)
    assert (response.status == 200) is bool(upstream.asked)
    return response


async def names_listed(rules, scopes, kind, names):
    method, member, _ = LISTS[kind]
    result = {kind: [{member: name} for name in names]}
    response = await exchange(rules, scopes, method, {}, result)
    return [each[member] for each in json.loads(response.body.buffered)["result"][kind]]


@settings(max_examples=examples(200))
@given(st.sampled_from(sorted(LISTS)), RULES, SCOPE_SETS, st.data())
def test_what_is_listed_can_be_called_and_nothing_else(kind, rules, scopes, data):
    names = data.draw(st.lists(URIS if kind == "resources" else TOOLS, unique=True))

    async def compare():
        listed = await names_listed(rules, scopes, kind, names)
        for name in names:
            method, params = LISTS[kind][2](name)
            response = await exchange(rules, scopes, method, params, {})
            if response.status == 200:
                assert name in listed
                continue
            assert response.status == 403
            if name not in listed:
                continue
            needed = re.search(r'scope="([^"]*)"', response.headers.get("www-authenticate"))
            # listed on use: with exactly the scopes that the challenge names, it can be called
            assert any(rule.get("onUse") for rule in rules)
            enough = sorted({*needed[1].split()} - {"test"})
            assert not set(enough) <= set(scopes)
            assert (await exchange(rules, enough, method, params, {})).status == 200

    asyncio.run(compare())


def read_laxly(uri):
    """A URI as some server might read it; written down independently of the rules."""
    for _ in range(6):
        uri = unquote(uri)
    uri = unicodedata.normalize("NFKC", uri).lower().replace("\\", "/")
    scheme, _, path = uri.partition("://")
    return f"{scheme}://{posixpath.normpath('/' + path).lstrip('/')}"


PIECES = st.sampled_from(
    [
        "secret",
        "Secret",
        "%73ecret",
        "%2573ecret",
        "ｓecret",
        "public",
        "..",
        ".",
        "%2e%2e",
        "%252e.",
        "",
        "x",
    ]
)
SEPARATORS = st.sampled_from(["/", "//", "\\", "%2f", "%5C", "/./"])


@settings(max_examples=examples(300))
@given(
    st.sets(TOOLS),
    st.lists(TOOLS, unique=True),
    st.dictionaries(TOOLS, st.sampled_from(["a", "b"])),
    SCOPE_SETS,
)
def test_of_pinned_tools_those_listed_as_approved_can_be_called_and_no_others(approved, names, now, scopes):
    """Whatever a server says of which tool: the list and the calls after it agree."""
    rules = OperationRules([OperationRule("some", ("a",), {"tools": ("*",)})])
    permissions = rules.permissions(scopes)
    pins = ApprovedTools({name: {"name": name, "title": "a"} for name in approved})
    tools = [{"name": name, "title": now.get(name, "a"), "_meta": {"n": at}} for at, name in enumerate(names)]
    result = filter_result({"tools": tools}, permissions, None, pins.approves)
    listed = {each["name"] for each in result["tools"]}
    for name in names:
        allowed = permissions.allows(McpOperation("tools", name)) and pins.find_fault(name) is None
        assert (name in listed) is allowed
        assert not allowed or (name in approved and now.get(name, "a") == "a")


@settings(max_examples=examples(2000))
@given(st.lists(st.tuples(PIECES, SEPARATORS), min_size=1, max_size=5), st.sampled_from(["f", "F"]))
def test_no_spelling_of_a_resource_gets_past_its_rule(parts, scheme):
    uri = f"{scheme}://" + "".join(piece + separator for piece, separator in parts) + "data"
    rules = OperationRules(
        [
            OperationRule("secrets", ("admin",), {"resources": ("f://secret/*",)}),
            OperationRule("rest", ("read",), {"resources": ("*",)}),
        ]
    )
    allowed = rules.permissions({"read"}).allows(McpOperation("resources", uri))
    assert not (allowed and read_laxly(uri).startswith("f://secret/"))


@settings(max_examples=examples(1000))
@given(st.text(alphabet="transferTRANSFERſｔ\u200b \u00ad", min_size=1, max_size=10))
def test_no_spelling_of_a_tool_gets_past_its_rule(name):
    rules = OperationRules(
        [
            OperationRule("payments", ("pay",), {"tools": ("transfer",)}),
            OperationRule("rest", ("read",), {"tools": ("*",)}),
        ]
    )
    visible = name.replace("\u200b", "").replace("\u00ad", "")
    if unicodedata.normalize("NFKC", visible).casefold().strip() == "transfer":
        assert not rules.permissions({"read"}).allows(McpOperation("tools", name))
