import json

import pytest

from deputize.gateway.authorities.endpoint import AuthorityError
from deputize.gateway.authorities.issuer import Issuer, metadata_urls
from deputize.http.messages import Body, Headers, Response
from deputize.http.plans import as_handler
from support.gateway import FixedClock

ISSUER = "https://login.example.com/realms/demo"
RFC_8414 = "https://login.example.com/.well-known/oauth-authorization-server/realms/demo"
INSERTED = "https://login.example.com/.well-known/openid-configuration/realms/demo"
APPENDED = "https://login.example.com/realms/demo/.well-known/openid-configuration"
METADATA = {"issuer": ISSUER, "jwks_uri": "https://keys.example.com/jwks"}


class Web:
    """Documents by URL; 404 for all else."""

    def __init__(self, pages):
        self.pages, self.asked = pages, []

    async def handle(self, exchange):
        url = f"{exchange.request.origin}{exchange.request.target}"
        self.asked.append(url)
        page = self.pages.get(url)
        if page is None:
            return Response(404)
        body = page if isinstance(page, bytes) else json.dumps(page).encode()
        return Response(200, Headers([(b"Content-Type", b"application/json")]), Body(body))


def issuer_on(pages, issuer=ISSUER):
    web = Web(pages)
    return Issuer(issuer, as_handler(web), FixedClock()), web


@pytest.mark.parametrize(
    ("issuer", "urls"),
    [
        (ISSUER, (RFC_8414, INSERTED, APPENDED)),
        (
            "https://login.example.com/t/",
            (
                "https://login.example.com/.well-known/oauth-authorization-server/t",
                "https://login.example.com/.well-known/openid-configuration/t",
                "https://login.example.com/t/.well-known/openid-configuration",
            ),
        ),
        (
            "https://login.example.com/",
            (
                "https://login.example.com/.well-known/oauth-authorization-server",
                "https://login.example.com/.well-known/openid-configuration",
            ),
        ),
    ],
)
def test_where_metadata_may_stand(issuer, urls):
    assert metadata_urls(issuer) == urls


@pytest.mark.parametrize("place", [RFC_8414, INSERTED, APPENDED])
async def test_metadata_is_found_at_each_place(place):
    issuer, _ = issuer_on({place: METADATA})
    assert await issuer.metadata.get() == METADATA
    assert (await issuer.endpoint("jwks_uri")).place == METADATA["jwks_uri"]


@pytest.mark.parametrize("said", [f"{ISSUER}/", ISSUER.upper(), "https://evil.example", None, 7])
async def test_another_issuer_is_none(said):
    issuer, web = issuer_on({RFC_8414: {**METADATA, "issuer": said}})
    with pytest.raises(AuthorityError, match=r"says that its issuer is .*a final slash too") as caught:
        await issuer.metadata.get()
    assert caught.value.status == 502
    assert web.asked == [RFC_8414, INSERTED, APPENDED]


async def test_a_second_place_may_have_the_right_one():
    issuer, _ = issuer_on({RFC_8414: {**METADATA, "issuer": "https://other.example"}, APPENDED: METADATA})
    assert await issuer.metadata.get() == METADATA


@pytest.mark.parametrize("page", [b"<html>", [], b'{"issuer":1,"issuer":2}', b"x" * 300_000], ids=repr)
async def test_what_is_no_metadata(page):
    issuer, _ = issuer_on({RFC_8414: page})
    with pytest.raises(AuthorityError, match="is no JSON object") as caught:
        await issuer.metadata.get()
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    "address",
    [
        None,
        7,
        "",
        "/jwks",
        "http://login.example.com/jwks",
        "https://login.example.com/a/../jwks",
        "https://[::1/jwks",
        "https://login.example.com:x/jwks",
        "https://[v1.a]/\u00e4",
    ],
)
async def test_tls_leads_to_nothing_without(address):
    issuer, _ = issuer_on({RFC_8414: {**METADATA, "jwks_uri": address}})
    with pytest.raises(AuthorityError, match="has no usable jwks_uri"):
        await issuer.endpoint("jwks_uri")
