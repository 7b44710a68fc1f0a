import pytest
from hypothesis import given
from hypothesis import strategies as st

from deputize.audit.records import RouteIdentity
from deputize.gateway.exchange.contexts import RouterContext
from deputize.gateway.filters.uri_path_rewrite import UriPathRewriteFilter
from deputize.http.plans import Filter
from deputize.kernel.errors import ConfigurationError
from deputize.kernel.uris import parse_origin
from support.gateway import Answering, built, exchange_for, heap_of, through


def rewriting(heap=None, **mappings):
    members = {
        "type": "UriPathRewriteFilter",
        "config": {"mappings": {f"/{name.replace('_', '/')}": new for name, new in mappings.items()}},
    }
    return built(Filter, members, heap)


async def run(each, target, headers=(), **context):
    exchange = exchange_for(target, **context)
    exchange.put(RouterContext(RouteIdentity("r", "r"), exchange.request.origin, exchange.request.target))
    exchange.request.origin = parse_origin("http://backend:8000")
    backend = Answering(headers=headers)
    response = await through(each, exchange, backend)
    return str(exchange.request.target), response


@pytest.mark.parametrize(
    ("given_target", "expected"),
    [
        ("/mcp", "/"),
        ("/mcp/", "/"),
        ("/mcp/a/b?x=/mcp", "/a/b?x=/mcp"),
        ("/mcp?x=1", "/?x=1"),
        ("/mcpanything", "/mcpanything"),
        ("/other/mcp", "/other/mcp"),
        ("/", "/"),
    ],
)
async def test_the_prefix_ends_at_a_segment_border(given_target, expected):
    assert (await run(rewriting(mcp="/"), given_target))[0] == expected


async def test_the_longest_prefix_wins():
    each = rewriting(a="/one", a_b="/two/")
    assert [(await run(each, target))[0] for target in ("/a/b/c", "/a/c", "/a/bc")] == [
        "/two/c",
        "/one/c",
        "/one/bc",
    ]


async def test_the_root_can_be_mapped():
    each = built(Filter, {"type": "UriPathRewriteFilter", "config": {"mappings": {"/": "/base"}}})
    assert [(await run(each, target))[0] for target in ("/", "/x")] == ["/base/", "/base/x"]


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("/next?x=1", "/mcp/next?x=1"),
        ("/", "/mcp/"),
        ("http://backend:8000/next#f", "https://ig.example.com:8443/mcp/next#f"),
        ("http://elsewhere/next", "http://elsewhere/next"),
        ("//backend:8000/next", "https://ig.example.com:8443/mcp/next"),
        ("//BACKEND:8000", "https://ig.example.com:8443/mcp/"),
        ("//backend/next", "//backend/next"),
        ("//elsewhere/next", "//elsewhere/next"),
        ("//backend:8000@elsewhere/next", "//backend:8000@elsewhere/next"),
        ("next", "next"),
        ("mailto:a@b", "mailto:a@b"),
        ("http://[broken", "http://[broken"),
    ],
)
async def test_locations_are_mapped_back(location, expected):
    _, response = await run(
        rewriting(mcp="/"),
        "/mcp/x",
        [("Location", location), ("Content-Location", location)],
        origin="https://ig.example.com:8443",
    )
    assert response.headers.get("location") == response.headers.get("content-location") == expected


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("/base//elsewhere/x", "/.//elsewhere/x"),
        (r"/base/\elsewhere/x", r"/./\elsewhere/x"),
        ("/base/\t/elsewhere/x", "/.//elsewhere/x"),
        ("/base/./elsewhere", "/./elsewhere"),
    ],
)
async def test_a_path_that_is_mapped_back_names_no_host(location, expected):
    """Browsers take a backslash for a slash, and drop a TAB."""
    each = built(Filter, {"type": "UriPathRewriteFilter", "config": {"mappings": {"/": "/base"}}})
    _, response = await run(each, "/x", [("Location", location)])
    assert response.headers.get("location") == expected


def test_patterns_are_warned_about():
    heap = heap_of()
    rewriting(heap, **{"mcp(.*)": "/"})
    assert ["literally" in each.reason for each in heap.deployment.warnings] == [True]


@pytest.mark.parametrize("mappings", [{}, {"mcp": "/"}, {"/a/../b": "/"}, {"/a": "http://b"}])
def test_what_is_no_path_is_refused(mappings):
    with pytest.raises(ConfigurationError) as raised:
        built(Filter, {"type": "UriPathRewriteFilter", "config": {"mappings": mappings}})
    assert raised.value.position.pointer == "/handler/config/mappings"


SEGMENT = st.text("abcm.-", min_size=1, max_size=4).filter(lambda text: text.strip("."))


@given(st.lists(SEGMENT, max_size=4), st.lists(SEGMENT, max_size=4))
async def test_paths_outside_the_prefix_are_untouched_and_inside_keep_their_rest(prefix, rest):
    each = UriPathRewriteFilter([("/mcp", "/new")])
    inside = "/".join(["/mcp", *rest])
    outside = "/".join(["/mcpx", *prefix])
    assert (await run(each, inside))[0] == "/".join(["/new", *rest])
    assert (await run(each, outside))[0] == outside
