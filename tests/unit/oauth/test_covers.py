from dataclasses import replace

from deputize.oauth.covers import covers_all, joined, still_granted, without
from support.agent_delegation import AGENT_ID, ENVIRONMENT, OTHER, OTHER_ID, TEST_ID, with_agent


def test_covers_are_compared_agent_by_agent():
    small, large = {"a": {"r": ("x",)}}, {"a": {"r": ("y", "x")}, "b": {"r": ("x",)}}
    assert covers_all(large, small)
    assert not covers_all(small, large)
    assert not covers_all({"b": {"r": ("x",)}}, small)
    assert joined(small, large) == {"a": {"r": ("x", "y")}, "b": {"r": ("x",)}}
    assert without(large, small) == {"a": {"r": ("y",)}, "b": {"r": ("x",)}}
    assert without(small, large) == {}


def test_what_the_administrator_took_back_is_no_longer_covered():
    covers = {
        AGENT_ID: {TEST_ID: ("test", "gone"), "gone": ("x",), "": ("openid",)},
        OTHER_ID: {TEST_ID: ("test",)},
        "gone": {TEST_ID: ("test",)},
    }
    environment = with_agent(ENVIRONMENT, replace(OTHER, scopes={}))
    assert still_granted(environment, covers) == {AGENT_ID: {TEST_ID: ("test",), "": ("openid",)}}
