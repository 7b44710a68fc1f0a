import ssl
from hashlib import sha256
from urllib.parse import quote

import pytest

from deputize.gateway.filters.oauth2_resource_server import OAuth2ResourceServerFilter
from deputize.gateway.handlers.chain import Chain
from deputize.http.plans import Filter, as_filter, as_handler
from support.certificates import self_signed
from support.gateway import Answering, ask, built, exchange_for, heap_of
from support.oauth_filters import CLAIMS, oauth_heap, resource_server
from support.proofs import text_of

MINE = self_signed("client.example.com")[1].decode()
THEIRS = self_signed("client.example.com")[1].decode()
TOKENS = {"bound": {**CLAIMS, "cnf": {"x5t#S256": text_of(sha256(ssl.PEM_cert_to_DER_cert(MINE)).digest())}}}
ESCAPED = "${pemCertificate(urlDecode(request.headers['X-Client-Cert'][0]))}"
REFUSING = {"type": "StaticResponseHandler", "config": {"status": 418}}


def told_by(certificate, heap=None, **more):
    config = {"certificate": certificate, **more}
    return built(Filter, {"type": "CertificateThumbprintFilter", "config": config}, heap)


@pytest.mark.parametrize(
    ("certificate", "sent", "status"),
    [
        (ESCAPED, quote(MINE), 200),
        (ESCAPED, quote(THEIRS), 401),
        (ESCAPED, "nonsense", 403),
        (ESCAPED, None, 403),
        ("${pemCertificate(request.headers['X-Client-Cert'][0])}", MINE.replace("\n", " "), 200),
        ("${request.headers['X-Client-Cert'][0]}", "x", 403),
        ("${pemCertificate(request.method < 5)}", "x", 403),
        ("${contexts.client.certificates[0]}", None, 200),
    ],
)
async def test_a_bound_token_is_for_the_certificate_that_the_proxy_tells(certificate, sent, status):
    guard = built(OAuth2ResourceServerFilter, resource_server(), oauth_heap(tokens=TOKENS))
    headers = [("Authorization", "Bearer bound"), *([("X-Client-Cert", sent.strip())] if sent else [])]
    exchange = exchange_for("/mcp", headers=headers, certificate=TOKENS["bound"]["cnf"]["x5t#S256"])
    chain = Chain([told_by(certificate), as_filter(guard)], as_handler(Answering()))
    assert (await ask(chain, exchange)).status == status


async def test_the_failure_handler_answers():
    chain = Chain([told_by(ESCAPED, failureHandler=REFUSING)], as_handler(Answering()))
    assert (await ask(chain, exchange_for())).status == 418


@pytest.mark.parametrize(
    ("header", "warned"),
    [("X-Client-Cert", 0), ("ssl-client-cert", 0), ("X-Forwarded-Client-Cert", 0), ("X-My-Cert", 1)],
)
def test_a_header_that_clients_can_send_is_warned_about(header, warned):
    heap = heap_of()
    told_by(f"${{pemCertificate(request.headers['{header}'][0])}}", heap)
    assert len(heap.deployment.warnings) == warned
