import pytest

from deputize.expressions import TokenError
from deputize.expressions.tokens import transform


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"$int": "42"}, 42),
        ({"$int": 42.0}, 42),
        ({"$int": " -7 "}, -7),
        ({"$number": "1.5"}, 1.5),
        ({"$number": 3}, 3),
        ({"$bool": "TRUE"}, True),
        ({"$bool": False}, False),
        ({"$string": 42}, "42"),
        ({"$string": True}, "true"),
        ({"$string": ["é"]}, '["é"]'),
        ({"$string": "x"}, "x"),
        ({"$array": "[1, 2]"}, [1, 2]),
        ({"$array": [1]}, [1]),
        ({"$list": "a, b,c"}, ["a", "b", "c"]),
        ({"$list": " "}, []),
        ({"$list": ["a"]}, ["a"]),
        ({"$object": '{"a": 1}'}, {"a": 1}),
        ({"$object": {"a": 1}}, {"a": 1}),
        ({"$base64:encode": "é"}, "w6k="),
        ({"$base64:decode": "w6k="}, "é"),
        ({}, {}),
        ({"$int": "1", "b": 2}, {"$int": "1", "b": 2}),
        ({"$location": "x.json"}, {"$location": "x.json"}),
        ({"int": "1"}, {"int": "1"}),
    ],
)
def test_transformations(document, expected):
    value = transform(document, "/x")
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    "document",
    [
        {"$int": "x"},
        {"$int": "1.5"},
        {"$int": True},
        {"$int": None},
        {"$int": "1" * 30},
        {"$number": "inf"},
        {"$number": []},
        {"$bool": "yes"},
        {"$bool": 1},
        {"$array": "{}"},
        {"$array": "[1"},
        {"$array": '[{"a":1,"a":2}]'},
        {"$array": 1},
        {"$list": 1},
        {"$object": "[]"},
        {"$object": "\ud800"},
        {"$base64:encode": 1},
        {"$base64:encode": "\ud800"},
        {"$base64:decode": "***"},
        {"$base64:decode": "/w=="},
        {"$base64:decode": "é"},
    ],
)
def test_bad_input_names_the_transformation(document):
    with pytest.raises(TokenError, match=r"\$") as caught:
        transform(document, "/x")
    assert caught.value.pointer == "/x"
    assert caught.value.reason.startswith(next(iter(document)))
