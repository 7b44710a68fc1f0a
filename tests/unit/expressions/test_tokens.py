import pytest

from deputize.expressions import TokenError, substitute
from deputize.expressions.tokens import MAX_NESTING, MAX_TEXT

KNOWN = {
    "host": "ig.example.com",
    "port": "8443",
    "url": "https://&{host}:&{port}",
    "stage": "test",
    "db.test": "t1",
    "dollar": "${x}",
    "loop": "&{loop}",
    "empty": "",
    "big": "x" * (MAX_TEXT // 2),
}


def substituted(document):
    return substitute(document, KNOWN.get)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("&{host}", "ig.example.com"),
        ("https://&{host}:&{port}/mcp", "https://ig.example.com:8443/mcp"),
        ("&{ host }", "ig.example.com"),
        ("&{url}/mcp", "https://ig.example.com:8443/mcp"),
        ("&{absent|8080}", "8080"),
        ("&{absent|}", ""),
        ("&{empty|x}", ""),
        ("&{absent|&{other|deep}}", "deep"),
        ("&{absent|&{host}}", "ig.example.com"),
        ("&{db.&{stage}}", "t1"),
        ("&{db.&{none|test}|x}", "t1"),
        ('&{absent|{"a":{}}}', '{"a":{}}'),
        ("&{absent|a|b}", "a|b"),
        (r"\&{host} &{port}", "&{host} 8443"),
        ("&{dollar}", "${x}"),
        ("& {host} &host {}", "& {host} &host {}"),
    ],
)
def test_tokens(text, expected):
    assert substituted(text) == expected


def test_documents_keep_their_shape_and_names():
    document = {"&{host}": ["&{port}", 1, None, True], "a": {"b": "x&{stage}"}}
    assert substituted(document) == {"&{host}": ["8443", 1, None, True], "a": {"b": "xtest"}}


@pytest.mark.parametrize(
    ("document", "pointer", "reason"),
    [
        ("&{absent}", "", "nothing is known as &{absent}"),
        ({"heap": [{"a/b": "&{absent}"}]}, "/heap/0/a~1b", "nothing is known"),
        (["&{host"], "/0", "no closing brace"),
        (["&{a|{}"], "/0", "no closing brace"),
        (["&{loop}"], "/0", "no end"),
        (["&{loop}" * 1001], "/0", "no end"),
        (["&{port}" * 1001], "/0", "no end"),
        (["&{a|" * (MAX_NESTING + 1) + "}" * (MAX_NESTING + 1)], "/0", "no end"),
        (["&{big}&{big}&{big}"], "/0", "more than"),
        ({"p": {"$int": "x"}}, "/p", "$int needs a number"),
    ],
)
def test_errors_name_the_pointer_and_the_cause(document, pointer, reason):
    with pytest.raises(TokenError) as caught:
        substituted(document)
    assert caught.value.pointer == pointer
    assert reason in caught.value.reason
    assert caught.value.fix


def test_deep_documents_are_refused_rather_than_recursing():
    document = []
    for _ in range(2000):
        document = [document]
    with pytest.raises(TokenError, match="nested deeper"):
        substituted(document)


def test_values_that_multiply_are_stopped():
    bomb = {f"t{n}": f"&{{t{n + 1}}}" * 8 for n in range(15)} | {"t15": "x"}
    with pytest.raises(TokenError):
        substitute("&{t0}", bomb.get)


def test_tokens_come_before_transformations_and_inner_ones_before_outer_ones():
    document = {"port": {"$int": "&{port}"}, "list": {"$list": {"$base64:decode": "YSxi"}}}
    assert substituted(document) == {"port": 8443, "list": ["a", "b"]}
