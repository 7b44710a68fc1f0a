import pytest

from deputize.expressions import compile_template


@pytest.mark.parametrize(
    ("source", "reads"),
    [
        ("text", set()),
        ("${find(request.uri.path, '^/mcp')}", {"request.uri.path"}),
        ("${request.uri.path.startsWith('/a')}", {"request.uri.path"}),
        ("${request.method == 'GET'} of ${request.uri.path}", {"request.method", "request.uri.path"}),
        ("${request.headers['a'][0]}", {"request.headers"}),
        ("${a[b.c].d}", {"a", "b.c"}),
        ("${find(a, 'x') ? b : c.d}", {"a", "b", "c.d"}),
    ],
)
def test_a_template_knows_what_it_reads(source, reads):
    assert compile_template(source).reads == reads
