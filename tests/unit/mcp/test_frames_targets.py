import pytest

from deputize.mcp.frames import PolicyKey, mirrored_name, policy_key


@pytest.mark.parametrize(
    ("method", "params", "names"),
    [
        ("tools/call", {"name": "a"}, ("a",)),
        ("prompts/get", {"name": "p"}, ("p",)),
        ("resources/read", {"uri": "x:y"}, ("x:y",)),
        ("resources/subscribe", {"uri": "x:y"}, ("x:y",)),
        ("tasks/cancel", {"taskId": "t"}, ("t",)),
        ("tools/list", {"name": "ignored"}, ()),
        ("tools/list", None, ()),
        ("tools/call", {"name": 7}, ()),
        ("completion/complete", {"ref": {"type": "ref/prompt", "name": "p", "uri": "u"}}, ("p",)),
        ("completion/complete", {"ref": {"type": "ref/resource", "name": "p", "uri": "u"}}, ("u",)),
        ("completion/complete", {"ref": "x"}, ()),
        (
            "subscriptions/listen",
            {"notifications": {"resourceSubscriptions": ["a:1", 7, "b:2"]}},
            ("a:1", "b:2"),
        ),
        ("subscriptions/listen", {"notifications": {"resourceSubscriptions": "a:1"}}, ()),
        ("subscriptions/listen", {}, ()),
    ],
)
def test_policy_keys(method, params, names):
    assert policy_key(method, params) == PolicyKey(method, names)


def test_only_mirrored_methods_have_a_mirrored_name():
    assert mirrored_name(policy_key("tools/call", {"name": "a"})) == "a"
    assert mirrored_name(policy_key("resources/subscribe", {"uri": "a:b"})) is None
    assert mirrored_name(policy_key("tools/call", {})) is None
