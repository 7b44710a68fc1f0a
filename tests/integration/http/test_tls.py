import datetime as dt
import gc
import ipaddress
import ssl
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from deputize.http.messages import Body, Headers, Request, Response
from deputize.http.tls import TlsError, client_context, server_context
from deputize.http.upstream import ConnectFailed, UpstreamProtocolError
from deputize.kernel.uris import Origin, Target

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def issue(names, *addresses):
    """A self-signed certificate and its key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)
    alternatives = [
        *map(x509.DNSName, names),
        *(x509.IPAddress(ipaddress.ip_address(each)) for each in addresses),
    ]
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return SimpleNamespace(certificate=certificate.public_bytes(serialization.Encoding.PEM), key=pem)


@pytest.fixture(scope="module")
def local():
    return issue(["localhost"], "127.0.0.1")


@pytest.fixture(scope="module")
def other():
    return issue(["other.example"])


def request_to(port):
    return Request("GET", Target("/", None), Headers(), Body(), Origin("https", "127.0.0.1", port))


async def test_https_on_both_sides(loopback, echo, local):
    backend = await loopback.listen(echo, ssl=server_context(local.certificate, local.key))
    upstream = loopback.upstream(ssl_context=client_context(local.certificate))
    proxy = await loopback.proxy(
        Origin("https", "127.0.0.1", backend.port),
        upstream=upstream,
        ssl=server_context(local.certificate, local.key),
    )
    wire = await loopback.connect(
        proxy.port, ssl=client_context(local.certificate), server_hostname="localhost"
    )
    assert wire.writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
    for body in (b"", b"abc" * 100_000):
        await wire.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        status, _, answer = await wire.answer()
        assert (status, answer == body) == (200, True)


async def test_the_exchange_knows_it_came_in_securely(loopback, local):
    seen = []

    async def note(exchange):
        seen.append((exchange.peer.secure, str(exchange.request.origin)))
        return Response(200)

    listener = await loopback.listen(note, ssl=server_context(local.certificate, local.key))
    await loopback.upstream(ssl_context=client_context(local.certificate)).send(request_to(listener.port))
    assert seen == [(True, f"https://127.0.0.1:{listener.port}")]


async def test_an_early_close_over_tls_still_shows_the_answer(loopback, local):
    listener = await loopback.listen(lambda exchange: None, ssl=server_context(local.certificate, local.key))
    wire = await loopback.connect(
        listener.port, ssl=client_context(local.certificate), server_hostname="localhost"
    )
    await wire.send(b"GET /../ HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (await wire.answer())[0] == 400


@pytest.mark.parametrize("trusted", ["nobody", "other", "wrong name"])
async def test_an_upstream_that_is_not_who_it_should_be_is_not_spoken_to(
    loopback, echo, local, other, trusted
):
    served, trusting = {
        "nobody": (local, client_context()),
        "other": (local, client_context(other.certificate)),
        "wrong name": (other, client_context(other.certificate)),
    }[trusted]
    listener = await loopback.listen(echo, ssl=server_context(served.certificate, served.key))
    with pytest.raises(ConnectFailed):
        await loopback.upstream(ssl_context=trusting).send(request_to(listener.port))


@pytest.mark.parametrize(
    ("trusts_issuer", "options"), [(False, {"trust_all": True}), (True, {"check_hostname": False})]
)
async def test_what_may_be_left_unverified(loopback, echo, other, trusts_issuer, options):
    listener = await loopback.listen(echo, ssl=server_context(other.certificate, other.key))
    context = client_context(other.certificate if trusts_issuer else None, **options)
    assert (await loopback.upstream(ssl_context=context).send(request_to(listener.port))).status == 200


async def test_client_certificates(loopback, echo, local, other):
    context = server_context(local.certificate, local.key, client_ca_pem=other.certificate)
    listener = await loopback.listen(echo, ssl=context)
    known = client_context(local.certificate, certificate_pem=other.certificate, key_pem=other.key)
    assert (await loopback.upstream(ssl_context=known).send(request_to(listener.port))).status == 200
    with pytest.raises((ConnectFailed, UpstreamProtocolError)):
        await loopback.upstream(ssl_context=client_context(local.certificate)).send(request_to(listener.port))


async def test_old_protocol_versions_are_refused(loopback, echo, local):
    assert server_context(local.certificate, local.key).minimum_version == ssl.TLSVersion.TLSv1_2
    assert client_context().minimum_version == ssl.TLSVersion.TLSv1_2


async def test_a_silent_handshake_is_ended(loopback, echo, local):
    listener = await loopback.listen(echo, ssl=server_context(local.certificate, local.key), head_seconds=0.1)
    wire = await loopback.connect(listener.port)
    assert await wire.is_closed()


def test_unusable_material_is_an_error_of_ours(local, other):
    with pytest.raises(TlsError):
        server_context(local.certificate, other.key)
    with pytest.raises(TlsError):
        server_context(b"", local.key)
    with pytest.raises(TlsError):
        client_context(b"not a certificate")


async def test_a_connection_over_tls_is_used_again(loopback, echo, local):
    backend = await loopback.listen(echo, ssl=server_context(local.certificate, local.key))
    upstream = loopback.upstream(ssl_context=client_context(local.certificate))
    for _ in range(10):
        assert (await upstream.send(request_to(backend.port))).status == 200
        (pool,) = upstream._pools.values()
        (connection,) = pool.connections
        assert connection.was_used
    assert connection._exchanges == 10


async def test_clients_over_tls_leave_nothing_for_the_collector(loopback, eventually, local):
    async def answer(exchange):
        return Response(200, Headers(), Body(b"ok"))

    listener = await loopback.listen(answer, ssl=server_context(local.certificate, local.key))

    async def once():
        wire = await loopback.connect(
            listener.port, ssl=client_context(local.certificate), server_hostname="localhost"
        )
        await wire.send(GET)
        await wire.answer()
        loopback.opened.pop()
        wire.writer.transport.abort()
        await eventually(lambda: not listener.gate.connections)

    await once()
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        for _ in range(3):
            await once()
        gc.collect()
        assert not [each for each in gc.garbage if type(each).__module__.startswith("deputize")]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
