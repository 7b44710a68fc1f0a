"""Instance directories, certificates and running gateways."""

import contextlib
import ssl
from types import MappingProxyType

import pytest

from deputize.gateway.app import Gateway
from support.certificates import self_signed
from support.gateway import write_json

CLEAR = {
    "adminConnector": {"host": "127.0.0.1", "port": 0},
    "connectors": [{"host": "127.0.0.1", "port": 0}],
    "streamingEnabled": True,
}
FAST_ROUTER = {"handler": {"name": "_router", "type": "Router", "config": {"scanInterval": "20 ms"}}}


@pytest.fixture(scope="session")
def certificate():
    """PEM of a key and a self-signed certificate for ig.example.com."""
    return self_signed("ig.example.com")


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
