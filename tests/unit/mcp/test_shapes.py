"""The shapes of client messages are those that mcp-types publishes, and its constants are ours."""

import subprocess
import sys

import mcp_types
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp_types import jsonrpc, version
from pydantic import TypeAdapter
from tools.mcp_shapes import FILE, NOTIFICATIONS, REQUESTS, published_shapes

from deputize.mcp import context, errors, shapes, versions
from deputize.mcp.frames import Frame, FrameKind
from deputize.mcp.validation import VERSION_KEY
from support.mcp_messages import MODERN_META

PUBLISHED = {
    **{(FrameKind.REQUEST, *key): model for key, model in REQUESTS.items()},
    **{(FrameKind.NOTIFICATION, *key): model for key, model in NOTIFICATIONS.items()},
}
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


def shape_of(kind, method, spoken):
    return shapes.shape_of(Frame(kind, 1, method, None, {}), spoken)


def names_in(schema):
    """Every name that a field of the published shapes has in a message."""
    if isinstance(schema, dict):
        if schema.get("type") == "model-fields":
            for name, field in schema["fields"].items():
                yield from (name, field.get("validation_alias"))
        for each in schema.values():
            yield from names_in(each)
    elif isinstance(schema, list):
        for each in schema:
            yield from names_in(each)


NAMES = sorted({name for name in names_in(shapes._read_file()) if isinstance(name, str)})
"""`inputResponses`, `_meta`, `cursor` and all the others: values nested under them reach every shape."""
TREES = st.recursive(
    VALUES
    | st.just(MODERN_META)
    | st.sampled_from(["object", "text", "user", "accept", "ref/prompt", "info"]),
    lambda inner: st.dictionaries(st.sampled_from(NAMES), inner, max_size=6) | st.lists(inner, max_size=2),
    max_leaves=25,
)


def test_the_file_is_what_mcp_types_publishes():
    assert FILE.read_text("utf-8") == published_shapes(), "run `make docs`"


def test_the_constants_are_those_of_mcp_types():
    assert versions.KNOWN == version.KNOWN_PROTOCOL_VERSIONS
    assert versions.MODERN == version.MODERN_PROTOCOL_VERSIONS
    assert frozenset(version.HANDSHAKE_PROTOCOL_VERSIONS) == versions.HANDSHAKE
    assert versions.NEWEST_HANDSHAKE == version.LATEST_HANDSHAKE_VERSION
    assert context._CLIENT_INFO == mcp_types.CLIENT_INFO_META_KEY
    assert VERSION_KEY == mcp_types.PROTOCOL_VERSION_META_KEY
    for name in ("PARSE_ERROR", "INVALID_REQUEST", "METHOD_NOT_FOUND", "INVALID_PARAMS", "INTERNAL_ERROR"):
        assert getattr(errors, name) == getattr(jsonrpc, name)
    assert errors.HEADER_MISMATCH == jsonrpc.HEADER_MISMATCH
    assert errors.UNSUPPORTED_PROTOCOL_VERSION == jsonrpc.UNSUPPORTED_PROTOCOL_VERSION


@pytest.mark.parametrize("kind", [FrameKind.REQUEST, FrameKind.NOTIFICATION])
def test_a_method_has_a_shape_in_exactly_the_versions_that_define_it(kind):
    methods = {method for _, method, _ in PUBLISHED}
    found = {
        (kind, method, spoken)
        for method in methods
        for spoken in versions.KNOWN
        if shape_of(kind, method, spoken)
    }
    assert found == {key for key in PUBLISHED if key[0] is kind}


@given(st.sampled_from(sorted(PUBLISHED, key=repr)), st.data())
def test_whatever_is_sent_the_complaints_are_those_of_mcp_types(key, data):
    kind, method, _ = key
    document = {"jsonrpc": "2.0", "method": method, **({"id": 1} if kind is FrameKind.REQUEST else {})}
    document |= data.draw(st.just({}) | st.fixed_dictionaries({"params": TREES}))
    published = TypeAdapter(PUBLISHED[key]).validator
    shape = shape_of(*key)
    assert shape.complaints(document) == shapes.complaints(published, document)
    assert shape._quick.isinstance_python(document) == (not shape.complaints(document))


def test_the_gateway_never_loads_mcp_types():
    program = (
        "import sys; from deputize.mcp import frames, shapes, validation; "
        "f = frames.Frame(frames.FrameKind.REQUEST, 1, 'tools/call', None, {}); "
        "assert shapes.shape_of(f, '2025-11-25'); print('mcp_types' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "False\n"
