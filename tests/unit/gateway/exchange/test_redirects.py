"""No redirect leads a client away, whichever of two readers of URIs it has."""

from urllib.parse import urljoin, urlsplit

import httpx2
from hypothesis import given
from hypothesis import strategies as st

from deputize.gateway.exchange.redirects import redirect_within
from deputize.kernel.uris import Origin

HERE = Origin("http", "gateway.example", 80)
BEHIND = Origin("http", "backend", 8000)
NAMES = ["evil.example", "gateway.example", "backend", ":8000"]
MARKS = ["http", "https", ":", "/", "//", "\\", "@", "?", "#", ".", "..", "\t", " ", "%2F", "[", "]"]
PIECES = st.sampled_from([*NAMES, *MARKS])


@given(st.lists(PIECES, max_size=8).map("".join))
def test_a_redirect_that_passes_stays_here(location):
    found = redirect_within(location, (HERE, None), BEHIND)
    if found is not None:
        base = "http://gateway.example/mcp"
        assert urlsplit(urljoin(base, found)).netloc.removesuffix(":80") == "gateway.example"
        assert httpx2.URL(base).join(found).host == "gateway.example"
        assert "\\" not in found
