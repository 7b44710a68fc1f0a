import pytest

from deputize.mcp.frames import policy_key
from deputize.mcp.operations import McpOperation, OperationRule, OperationRules, operations_of


def rules_of(*rules):
    """Rules named by their scope, from pairs of a scope and the names by kind."""
    return OperationRules([OperationRule(scope, (scope,), entries) for scope, entries in rules])


def decides(rules, kind, name):
    return rules.place_of(McpOperation(kind, name))


def test_the_first_rule_that_fits_decides():
    rules = rules_of(("a", {"tools": ("transfer",)}), ("b", {"tools": ("read_*", "transfer")}))
    assert decides(rules, "tools", "transfer") == 0
    assert decides(rules, "tools", "read_balance") == 1
    assert decides(rules, "prompts", "transfer") is None
    assert decides(rules, "tools", "delete") is None


def test_a_pattern_before_an_exact_name_decides():
    rules = rules_of(("a", {"tools": ("*",)}), ("b", {"tools": ("transfer",)}))
    assert decides(rules, "tools", "transfer") == 0


@pytest.mark.parametrize(
    "twin",
    [
        "Transfer",
        "TRANSFER",
        "transfer ",
        "tran\u200bsfer",
        "ｔransfer",
        "tranſfer",
    ],
)
def test_a_twin_of_a_tool_is_not_let_through_by_a_wider_pattern(twin):
    rules = rules_of(("admin", {"tools": ("transfer",)}), ("read", {"tools": ("*",)}))
    assert decides(rules, "tools", twin) is None
    assert decides(rules, "tools", "transfers") == 1


@pytest.mark.parametrize(
    "twin",
    [
        "FILE:///secret/a",
        "file:///public/../secret/a",
        "file:///public/%2e%2e/secret/a",
        "file:///public/%252E%252e/secret/a",
        "file:///public/..\\secret/a",
        "file:///public/./../secret/a",
        "file:///..;x/secret/a",
        "file:///../secret/a",
        "file:////secret/a",
        "file:///%73ecret/a",
        "file:///%2525252525252573ecret/a",
    ],
)
def test_a_uri_that_leads_elsewhere_is_not_let_through_by_a_wider_pattern(twin):
    rules = rules_of(("admin", {"resources": ("file:///secret/*",)}), ("read", {"resources": ("*",)}))
    assert decides(rules, "resources", "file:///secret/a") == 0
    assert decides(rules, "resources", twin) is None
    assert decides(rules, "resources", "file:///public/a") == 1


@pytest.mark.parametrize(
    ("secret", "twin"),
    [
        ("http://secret/", "http://secret"),
        ("http://secret/?a", "http://secret?a"),
        ("http://secret/a", "http://secret:80/a"),
        ("http://secret/a", "http://secret:/a"),
        ("https://secret/a", "https://secret:0443/a"),
        ("http://secret/a", "http:secret/a"),
        ("http://secret/a", "http:\\\\secret\\a"),
        ("http://127.0.0.1/a", "http://2130706433/a"),
        ("http://127.0.0.1/a", "http://0x7f.1/a"),
        ("http://127.0.0.1/a", "http://127.1/a"),
        ("http://127.0.0.1/a", "http://127.0.0.1./a"),
        ("http://[::1]/a", "http://[0:0::1]/a"),
        ("http://secret/a", "http://se\tcret/a"),
        ("http://secret/a", "ht\ntp://secret/a"),
        ("http://secret/a", " http://secret/a"),
        ("http://secret/a", "http://secret/\uff0e\uff0e/a"),
        ("http://secret/a", "http://secret\uff0fa"),
        ("http://secret/a", "http://\uff0573ecret/a"),
        ("file:///secret", "file://localhost/secret"),
    ],
)
def test_what_parsers_of_uris_make_of_one_is_no_way_around_a_rule(secret, twin):
    rules = rules_of(("admin", {"resources": (secret,)}), ("read", {"resources": ("*",)}))
    assert (decides(rules, "resources", secret), decides(rules, "resources", twin)) == (0, None)


@pytest.mark.parametrize(
    ("pattern", "uri"),
    [
        ("http://localhost:3000/*", "http://localhost:3000/a?b=c#d"),
        ("http://host:80/*", "http://host:80/a"),
        ("http://127.0.0.1/*", "http://127.0.0.1/a"),
        ("http://[::1]:8000/*", "http://[::1]:8000/"),
        ("file:///my docs/*", "file:///my docs/a%20b"),
        ("file:///my%20docs/*", "file:///my%20docs/a"),
        ("memo://Notes/{id}", "memo://Notes/Über uns"),
        ("urn:isbn:*", "urn:isbn:978"),
        ("http://host*", "http://hostess"),
        ("https://*.example.com/", "https://a.example.com/"),
        ("git://repo/{path}/x", "git://repo/a.b.c/x"),
        ("a://b/ *", "a://b/ c"),
    ],
)
def test_ordinary_uris_fit_ordinary_patterns(pattern, uri):
    assert decides(rules_of(("read", {"resources": (pattern,)})), "resources", uri) == 0


@pytest.mark.parametrize(
    "uri", ["file:///public/../secret", "file:///public/%2e%2e/secret", "file:///secret"]
)
def test_a_pattern_holds_what_is_below_it_only(uri):
    assert decides(rules_of(("read", {"resources": ("file:///public/*",)})), "resources", uri) is None


def test_a_name_that_is_listed_exactly_is_beyond_doubt():
    rules = rules_of(("a", {"tools": ("get", "GET")}), ("b", {"tools": ("Get", "g*")}))
    assert [decides(rules, "tools", name) for name in ("get", "GET", "Get", "gEt")] == [0, 0, 1, None]


def test_a_template_is_listed_and_fits_what_it_expands_to():
    rules = rules_of(("a", {"resources": ("account://{id}/data", "file:///{+path}")}))
    fits = ("account://{id}/data", "account://7/data", "file:///a/b/c", "file:///{+path}")
    assert [decides(rules, "resources", uri) for uri in fits] == [0, 0, 0, 0]
    for uri in ("account://7/8/data", "account:///data", "account://7%2F8/data", "account://7/data/x"):
        assert decides(rules, "resources", uri) is None


def test_braces_are_no_pattern_in_a_tool():
    assert decides(rules_of(("a", {"tools": ("get_{x}",)})), "tools", "get_y") is None


def test_a_pattern_is_no_regular_expression():
    rules = rules_of(("a", {"tools": ("read.*(x)+[a-z]",)}))
    assert decides(rules, "tools", "read.abc(x)+[a-z]") == 0
    assert decides(rules, "tools", "readabcxb") is None


@pytest.mark.parametrize(
    ("method", "params", "operations"),
    [
        ("tools/call", {"name": "x"}, [("tools", "x")]),
        ("prompts/get", {"name": "x"}, [("prompts", "x")]),
        ("resources/read", {"uri": "a://b"}, [("resources", "a://b")]),
        ("resources/subscribe", {"uri": "a://b"}, [("resources", "a://b")]),
        ("resources/unsubscribe", {"uri": "a://b"}, [("resources", "a://b")]),
        (
            "subscriptions/listen",
            {"notifications": {"toolsListChanged": True, "resourceSubscriptions": ["a://b", "a://c"]}},
            [("resources", "a://b"), ("resources", "a://c")],
        ),
        ("subscriptions/listen", {"notifications": {"toolsListChanged": True}}, []),
        ("completion/complete", {"ref": {"type": "ref/prompt", "name": "x"}}, [("prompts", "x")]),
        (
            "completion/complete",
            {"ref": {"type": "ref/resource", "uri": "a://{b}"}},
            [("resources", "a://{b}")],
        ),
        ("tools/list", {}, []),
        ("initialize", {}, []),
        ("notifications/initialized", None, []),
        ("tasks/get", {"taskId": "1"}, [("methods", "tasks/get")]),
        ("tasks/list", None, [("methods", "tasks/list")]),
        ("skills/run", {}, [("methods", "skills/run")]),
    ],
)
def test_what_a_message_acts_on(method, params, operations):
    assert list(operations_of(policy_key(method, params), params)) == [
        McpOperation(*each) for each in operations
    ]


def test_a_denial_tells_the_rule_and_what_lacks():
    rules = OperationRules([OperationRule("both", ("a", "b"), {"tools": ("x",)})])
    permissions = rules.permissions({"b"})
    assert permissions.judge([McpOperation("tools", "x"), McpOperation("tools", "y")]) == [
        (OperationRule("both", ("a", "b"), {"tools": ("x",)}), ("a",)),
        (None, ()),
    ]
    assert not rules.permissions({"a", "b"}).judge([McpOperation("tools", "x")])


def test_what_is_asked_for_on_use_is_listed_before():
    rules = OperationRules([OperationRule("t", ("a",), {"tools": ("x",)}, on_use=True)])
    permissions = rules.permissions(())
    operation = McpOperation("tools", "x")
    assert (permissions.lists(operation), permissions.allows(operation)) == (True, False)


def test_a_rule_may_be_for_certain_agents_only():
    rule = OperationRule("t", ("a",), {"tools": ("x",)}, on_use=True, actors=frozenset({"agent-1"}))
    rules, operation = OperationRules([rule]), McpOperation("tools", "x")
    for actor, scopes, lists, allows in (
        ("agent-1", {"a"}, True, True),
        ("agent-1", set(), True, False),
        ("agent-2", {"a"}, False, False),
        (None, {"a"}, False, False),
    ):
        permissions = rules.permissions(scopes, actor)
        assert (permissions.lists(operation), permissions.allows(operation)) == (lists, allows)
    assert rules.permissions({"a"}, "agent-2").judge([operation]) == [(rule, ())]
