"""Whatever a server answers, the only metadata that any reader finds in the client's challenges is the
gateway's.
"""

import asyncio
import re

from hypothesis import given
from hypothesis import strategies as st

from deputize.gateway.filters.mcp_protection import McpProtectionFilter
from deputize.mcp.challenge import parse_challenges
from support.gateway import Answering, built, through
from support.oauth_filters import METADATA, bearing, oauth_heap, protection, resource_server

FRAGMENTS = st.sampled_from(
    [
        *(
            "Bearer",
            "bearer",
            "DPoP",
            "Basic",
            "Digest",
            "Negotiate",
            "abc=",
            "==",
            " ",
            "  ",
            "\t",
            ",",
            ", ",
            "=",
            ";",
            '"',
            '\\"',
            "\\",
        ),
        *(
            "resource_metadata",
            "Resource_Metadata",
            "x_resource_metadata",
            "resource_metadata*",
            "realm",
            "scope",
            "error",
            "algs",
        ),
        *(
            "error_description",
            "max_age",
            "http://evil.example/",
            '"http://evil.example/"',
            "=http://evil.example/",
            "http:evil",
            "\xe9",
        ),
        *('resource_metadata="http://evil.example/"', "UTF-8''", "\x7f"),
    ]
)
VALUES = st.lists(FRAGMENTS, max_size=14).map("".join) | st.text(
    st.characters(max_codepoint=255), max_size=40
)
READERS = [
    re.compile(r'resource_metadata="([^"]*)"'),
    re.compile(r'resource_metadata=(?:"([^"]+)"|([^\s,]+))', re.IGNORECASE),
    re.compile(r'resource_metadata\*?\s*=\s*"?([^",\s]*)', re.IGNORECASE),
    re.compile(r'Bearer.*resource_metadata\s*=\s*"?([^",\s]*)', re.IGNORECASE),
]
"""How clients look: the MCP SDKs use patterns like these on the whole header, or on all of them joined."""


def answered(status, values, *, forwarded):
    some_filter = built(
        McpProtectionFilter, protection(forwardToken=forwarded), oauth_heap(resource_server())
    )

    class Challenging(Answering):
        async def handle(self, exchange):
            response = await super().handle(exchange)
            challenges = [(b"WWW-Authenticate", value.encode("latin-1")) for value in values]
            response.headers.raw = [*response.headers.raw, *challenges]
            return response

    return asyncio.run(through(some_filter, bearing("good"), Challenging(status)))


@given(st.lists(VALUES, max_size=3), st.sampled_from([200, 401, 403, 407, 500]), st.booleans())
def test_a_client_is_only_ever_sent_to_our_metadata(values, status, forwarded):
    response = answered(status, values, forwarded=forwarded)
    challenges = response.headers.get_all("www-authenticate")

    assert forwarded or not challenges
    assert response.status == (502 if status == 407 or (status == 401 and not forwarded) else status)
    assert challenges or response.status != 401
    for text in [*challenges, ", ".join(challenges)]:
        for reader in READERS:
            assert {
                found for match in reader.finditer(text) for found in match.groups() if found is not None
            } <= {METADATA}
        assert "evil" not in text or "=" not in text.partition("evil")[0].rpartition('"')[2]


@given(st.lists(VALUES, max_size=3), st.sampled_from([200, 401, 403]))
def test_what_the_client_sees_are_well_formed_challenges_of_two_schemes(values, status):
    for value in answered(status, values, forwarded=True).headers.get_all("www-authenticate"):
        (challenge,) = parse_challenges(value)
        assert challenge.scheme in {"Bearer", "DPoP"}
        assert challenge.parameters["resource_metadata"] == METADATA
        assert not any(
            "=" in text for name, text in challenge.parameters.items() if name != "resource_metadata"
        )
