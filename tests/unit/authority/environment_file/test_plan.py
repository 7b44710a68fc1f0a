from deputize.authority.environment_file.plan import changed_members


def lines(before, after):
    return list(changed_members(before, after))


def test_what_is_the_same_is_not_shown():
    assert lines({"a": 1, "b": [1]}, {"a": 1, "b": [1]}) == []


def test_short_values_are_shown():
    assert lines({"a": 1, "b": True, "c": "", "d": None}, {"a": 2, "b": False, "c": "x", "d": 1.5}) == [
        "a 1 -> 2",
        "b true -> false",
        "c none -> x",
        "d none -> 1.5",
    ]


def test_long_texts_and_lists_of_structures_are_only_named():
    assert lines({"a": "x" * 80, "c": [{"y": 1}]}, {"a": "y", "c": [{"y": 2}]}) == ["a", "c"]


def test_mappings_are_shown_member_by_member():
    before = {"scopes": {"test": ["a", "b"], "gone": ["x"]}}
    assert lines(before, {"scopes": {"test": ["a"], "new": ["y"]}}) == [
        "scopes.test -b",
        "scopes.new",
        "scopes.gone",
    ]


def test_a_member_that_is_gone():
    assert lines({"a": 1}, {}) == ["a 1 -> none"]


def test_lists_of_texts_show_what_came_and_went():
    assert lines({"a": ["x", "y"]}, {"a": ["y", "z"]}) == ["a +z -x"]
    assert lines({"a": ["x", "y"]}, {"a": ["y", "x"]}) == ["a (order)"]


def test_a_member_that_was_not_there():
    assert lines({}, {"a": ["x"], "b": 1}) == ["a", "b none -> 1"]
