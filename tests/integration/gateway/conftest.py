"""Instance directories, certificates and running gateways."""

import contextlib
import datetime as dt
import ssl
from types import MappingProxyType

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from deputize.gateway.app import Gateway
from support.gateway import write_json

CLEAR = {"adminConnector": {"host": "127.0.0.1", "port": 0}, "connectors": [{"host": "127.0.0.1", "port": 0}], "streamingEnabled": True}
FAST_ROUTER = {"handler": {"name": "_router", "type": "Router", "config": {"scanInterval": "20 ms"}}}


@pytest.fixture(scope="session")
def certificate():
    """PEM of a key and a self-signed certificate for ig.example.com."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ig.example.com")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("ig.example.com")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return private, made.public_bytes(encoding)


@pytest.fixture(scope="session")
def client_tls(certificate):
    context = ssl.create_default_context()
    context.load_verify_locations(cadata=certificate[1].decode())
    return context


@pytest.fixture
def instance(tmp_path):
    """An instance directory with a clear connector and no routes."""
    write_json(tmp_path / "config" / "admin.json", CLEAR)
    (tmp_path / "config" / "routes").mkdir()
    return tmp_path


@pytest.fixture
async def started():
    """Starts gateways and stops them when the test ends."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(directory, environment=MappingProxyType({})):
            gateway = await Gateway.load(directory, environment)
            stack.push_async_callback(gateway.stop)
            await gateway.start()
            return gateway

        yield start


@pytest.fixture
def fast(instance):
    """The instance directory with a router that looks every 20 milliseconds."""
    write_json(instance / "config" / "config.json", FAST_ROUTER)
    return instance
