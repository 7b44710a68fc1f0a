from deputize.authority.environment_file.plan import changed_members


def lines(before, after):
    return list(changed_members(before, after))


def test_what_is_the_same_is_not_shown():
    assert lines({"a": 1, "b": [1]}, {"a": 1, "b": [1]}) == []


def test_short_values_are_shown():
    assert lines({"a": 1, "b": True, "c": "", "d": None}, {"a": 2, "b": False, "c": "x", "d": 1.5}) == [
        "a 1 -> 2",
        "b true -> false",
        "c unset -> x",
        "d unset -> 1.5",
    ]


def test_long_texts_and_lists_of_entries_that_nothing_tells_apart_are_only_named():
    assert lines({"a": "x" * 200, "c": [{"y": 1, "z": 1}]}, {"a": "y", "c": [{"y": 2, "z": 2}]}) == ["a", "c"]
    assert lines({"a": "x"}, {"a": "two\nlines"}) == ["a"]
    assert lines({"a": ["x", "x"]}, {"a": ["x"]}) == ["a"]


def test_an_audience_is_shown():
    old, new = "https://localhost:8443/banking/mcp", "https://gateway.example.com/banking/mcp"
    assert lines({"audience": old}, {"audience": new}) == [f"audience {old} -> {new}"]


def test_entries_that_have_a_name_are_shown_one_by_one():
    english, german = {"locale": "en", "title": "Terms"}, {"locale": "de", "title": "Bedingungen"}
    assert lines({"languages": [english]}, {"languages": [german, {**english, "title": "Rules"}]}) == [
        "languages +de",
        "languages.en.title Terms -> Rules",
    ]
    assert lines({"languages": [english, german]}, {"languages": [german, english]}) == ["languages (order)"]
    before, after = ({"name": "act", "value": value} for value in ("a", "b"))
    assert lines({"attributes": [before]}, {"attributes": [after]}) == ["attributes.act.value a -> b"]


def test_steps_are_shown_as_they_are_written():
    login, prompt = {"login": {}}, {"agreement_prompt": {"agreement": "Terms"}}
    assert lines({"steps": [login]}, {"steps": [login, prompt]}) == [
        "steps +agreement_prompt: { agreement: Terms }"
    ]


def test_mappings_are_shown_member_by_member():
    before = {"scopes": {"test": ["a", "b"], "gone": ["x"]}}
    assert lines(before, {"scopes": {"test": ["a"], "new": ["y"]}}) == [
        "scopes.test -b",
        "scopes.new +y",
        "scopes.gone -x",
    ]


def test_a_member_that_is_gone():
    assert lines({"a": 1}, {}) == ["a 1 -> unset"]


def test_lists_of_texts_show_what_came_and_went():
    assert lines({"a": ["x", "y"]}, {"a": ["y", "z"]}) == ["a +z -x"]
    assert lines({"a": ["x", "y"]}, {"a": ["y", "x"]}) == ["a (order)"]


def test_a_member_that_was_not_there():
    assert lines({}, {"a": ["x"], "b": 1}) == ["a +x", "b unset -> 1"]
