"""Whatever an operator writes, the gateway says where it is wrong, and nothing else happens."""

import json
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deputize.gateway.config import documents
from deputize.gateway.config.documents import parse
from deputize.gateway.config.file_settings import DEFAULT_OBJECTS
from deputize.gateway.loading.deployment import Deployment
from deputize.gateway.loading.routes import build_route
from deputize.kernel import strict_json
from deputize.kernel.errors import ConfigurationError, Position
from support.examples import examples
from support.gateway import TYPES, heap_of, instance_for, registry_for

WORDS = (
    "name type config handler filters heap condition properties baseURI mappings status entity headers "
    "bindings _id globalDecorators "
    "onRequest add messageType policies acceptedOrigins $int tls soTimeout x"
)
NAMES = st.sampled_from(WORDS.split())
TEXTS = st.one_of(
    st.sampled_from(
        [
            *TYPES,
            "REQUEST",
            "${request.uri.path}",
            "${1/0}",
            "${",
            "&{",
            "&{x}",
            "&{x|y}",
            "#{a.b}",
            "/a",
            "http://a",
            "10 s",
            "",
        ]
    ),
    st.text(max_size=8),
)
VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-5, 1000),
        st.floats(allow_nan=False, allow_infinity=False),
        TEXTS,
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=5)),
    max_leaves=25,
)
OBJECTS = st.fixed_dictionaries(
    {
        "type": st.sampled_from(sorted(set(TYPES) - {"Router"})),
        "config": st.dictionaries(NAMES, VALUES, max_size=4),
    }
)
ROUTES = st.fixed_dictionaries(
    {"handler": st.one_of(OBJECTS, VALUES)},
    optional={
        "heap": st.lists(OBJECTS, max_size=3),
        "condition": TEXTS,
        "properties": VALUES,
        "baseURI": TEXTS,
        "globalDecorators": VALUES,
    },
)


@given(ROUTES)
@settings(max_examples=examples(300), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_route_is_built_or_refused_with_its_place(document):
    parent = heap_of(*DEFAULT_OBJECTS, registry=registry_for(instance_for()))
    context = parent.context("_router", Position("config.json"))
    try:
        build_route(context, json.dumps(document).encode(), Path("route.json"), Deployment())
    except ConfigurationError as error:
        assert error.position.file in {"route.json", "test.json"}  # noqa: PT017 - most documents are refused, some are not
        assert error.reason  # noqa: PT017


@given(st.binary(max_size=200))
def test_bytes_are_a_document_or_refused(text):
    try:
        assert isinstance(parse(text, "f").members, dict)
    except ConfigurationError as error:
        assert error.position.file == "f"  # noqa: PT017


@given(st.dictionaries(st.text("abc", min_size=1), VALUES, max_size=4), st.text("ab /*\n", max_size=12))
def test_comments_change_nothing(document, comment):
    text = json.dumps(document, indent=1)
    commented = "\n".join(f"{line} //{comment.replace(chr(10), ' ')}" for line in text.splitlines())
    assert parse(commented.encode(), "f").members == parse(text.encode(), "f").members


@given(st.dictionaries(st.text("abc'\"\\\u00e9\U0001f600\n", min_size=1), VALUES, max_size=4), st.booleans())
def test_strict_json_is_read_as_the_standard_library_reads_it(document, ascii_only):
    text = json.dumps(document, ensure_ascii=ascii_only)
    assert documents.parse_json(text)[0] == json.loads(text)


@given(st.text("{}[]:,'\"\\/*ab1.e-\n\tu0 ", max_size=40))
def test_no_text_is_read_differently_from_the_standard_library(text):
    """What both accept, both read alike; leniency never changes a meaning."""
    try:
        expected = strict_json.loads(text.encode())
    except strict_json.JsonError:
        expected = None
    try:
        found = documents.parse_json(text)[0]
    except documents.JsonTextError:
        assert expected is None
        return
    assert expected is None or found == expected
