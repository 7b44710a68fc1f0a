import pytest

from deputize.expressions.gateway import compile_template


@pytest.mark.parametrize(
    ("source", "reads"),
    [
        ("text", set()),
        ("${find(request.uri.path, '^/mcp')}", {("request", "uri", "path")}),
        ("${request.uri.path.startsWith('/a')}", {("request", "uri", "path")}),
        (
            "${request.method == 'GET'} of ${request.uri.path}",
            {("request", "method"), ("request", "uri", "path")},
        ),
        ("${request.headers['a'][0]}", {("request", "headers", "a")}),
        ("${request['uri'].path}", {("request", "uri", "path")}),
        ("${a[b.c].d}", {("a",), ("b", "c")}),
        ("${find(a, 'x') ? b : c.d}", {("a",), ("b",), ("c", "d")}),
    ],
)
def test_a_template_knows_what_it_reads(source, reads):
    assert set(compile_template(source).reads) == reads


def test_it_knows_where_it_reads_them_first():
    assert compile_template("x ${b.c == a && a}").reads == {("b", "c"): 4, ("a",): 11}
