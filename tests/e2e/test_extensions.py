"""The example package that adds one of each, installed beside the real programs."""

import base64
import contextlib
import hashlib
import json
import os
import socket
import subprocess

import httpx2
import pytest
from demo.client import Agent
from demo.person import Person
from demo.programs import DEPUTIZE, tail, until

from deputize.gateway.catalogue import FAMILIES
from support.extensions import EXAMPLE, install
from support.patience import PATIENCE

pytestmark = pytest.mark.slow
TOKEN = "a-token-that-nobody-issued"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder for PYTHONPATH that holds the package as an installer leaves it."""
    return install(EXAMPLE, tmp_path_factory.mktemp("site"))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def serving(command, ready_url, folder, site, **environment):
    """The program with the package on its path, until the block ends."""
    log = folder / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            (*DEPUTIZE, *command),
            env={**os.environ, "PYTHONPATH": str(site), **environment},
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:

        def is_ready():
            assert process.poll() is None, tail(log)
            with contextlib.suppress(httpx2.HTTPError):
                return httpx2.get(ready_url).status_code == 200
            return False

        until(is_ready, bool, PATIENCE)
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE)


def write_gateway(folder, port, admin_port, collector_port):
    routes = folder / "config" / "routes"
    routes.mkdir(parents=True)
    admin = {
        "adminConnector": {"host": "localhost", "port": admin_port},
        "connectors": [{"host": "localhost", "port": port}],
    }
    (folder / "config" / "admin.json").write_text(json.dumps(admin))
    digest = hashlib.sha256(TOKEN.encode()).hexdigest()
    route = {
        "name": "teapot",
        "auditService": "Collected",
        "heap": [
            {
                "name": "Collected",
                "type": "AuditService",
                "config": {
                    "eventHandlers": [
                        {
                            "class": "com.example.audit.UdpAuditEventHandler",
                            "config": {"name": "udp", "topics": ["access"], "port": collector_port},
                        }
                    ]
                },
            },
            {"name": "Store", "type": "PrefixedEnvSecretStore", "config": {"prefix": "ACME"}},
            {"name": "HexStore", "type": "SystemAndEnvSecretStore", "config": {"format": "HEX"}},
        ],
        "handler": {
            "type": "Chain",
            "config": {
                "filters": [
                    {"type": "StampFilter", "config": {"value": "${mask('ada@example.com')}"}},
                    {
                        "type": "OAuth2ResourceServerFilter",
                        "config": {
                            "requireHttps": False,
                            "scopes": ["tea"],
                            "accessTokenResolver": {
                                "type": "ListedTokensAccessTokenResolver",
                                "config": {"tokens": {digest: {"sub": "machine", "scope": "tea"}}},
                            },
                        },
                    },
                    {
                        "type": "ThrottlingFilter",
                        "config": {
                            "requestGroupingPolicy": "all",
                            "throttlingRatePolicy": {
                                "type": "FixedRatePolicy",
                                "config": {"numberOfRequests": 2, "duration": "1 hour"},
                            },
                        },
                    },
                    *(
                        {
                            "type": "HttpBasicAuthenticationClientFilter",
                            "config": {
                                "username": "us",
                                "passwordSecretId": "kettle.secret",
                                "secretsProvider": store,
                            },
                        }
                        for store in ("Store", "HexStore")
                    ),
                ],
                "handler": {"type": "TeapotHandler"},
            },
        },
    }
    (routes / "teapot.json").write_text(json.dumps(route))


def test_a_gateway_uses_what_a_package_adds(site, tmp_path):
    port, admin_port = free_port(), free_port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as collector:
        collector.bind(("127.0.0.1", 0))
        collector.settimeout(PATIENCE)
        write_gateway(tmp_path, port, admin_port, collector.getsockname()[1])
        with serving(
            ("gateway", "serve", "--instance", str(tmp_path)),
            f"http://localhost:{admin_port}/health/ready",
            tmp_path,
            site,
            ACME_KETTLE_SECRET="whistle",
            KETTLE_SECRET=b"whistle".hex(),
        ):
            url = f"http://localhost:{port}/"
            answers = [httpx2.get(url, headers={"Authorization": f"Bearer {TOKEN}"}) for _ in range(3)]
            refused = httpx2.get(url, headers={"Authorization": "Bearer another"})
            records = [json.loads(collector.recv(65536)) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [418, 418, 429]
    assert [answer.headers["x-stamp"] for answer in answers] == ["a***@example.com"] * 3
    assert answers[0].text == "short and stout"
    assert refused.status_code == 401
    assert [record["response"]["statusCode"] for record in records] == ["418", "418", "429", "401"]
    assert records[0]["userId"] == "machine"


@pytest.mark.parametrize("command", ["check", "serve"])
@pytest.mark.parametrize("group", [family.group for family in FAMILIES])
def test_a_package_that_cannot_be_used_stops_the_start_and_is_named(site, tmp_path, group, command):
    """Whether a file uses that family or not: a route that is left out may be what refuses."""
    write_gateway(tmp_path, free_port(), free_port(), free_port())
    spoilt = tmp_path / "spoilt"
    metadata = spoilt / "spoilt-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: spoilt\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[{group}]\nx = deputize_extensions.gateway:nothing\n")
    done = subprocess.run(
        (*DEPUTIZE, "gateway", command, "--instance", str(tmp_path)),
        env={**os.environ, "PYTHONPATH": f"{site}{os.pathsep}{spoilt}"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    told = done.stdout + done.stderr
    assert done.returncode == 1, told
    assert "the entry point 'x' of spoilt: deputize_extensions.gateway:nothing cannot be imported" in told
    assert f"repair or remove spoilt, which adds it to {group}" in told
    assert "ready" not in told


def test_an_authority_uses_what_a_package_adds(site, tmp_path):
    data, secrets_file, port = tmp_path / "data", tmp_path / "secrets.json", free_port()
    base = f"http://localhost:{port}"
    apply = (*DEPUTIZE, "apply", str(EXAMPLE / "environment.yaml"), "--data", str(data))
    done = subprocess.run(
        (*apply, "--base-url", base, "--secrets-out", str(secrets_file)),
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    secrets = json.loads(secrets_file.read_text("utf-8"))
    issuer, agent = secrets["issuer"], secrets["agents"]["Machine"]
    command = ("authority", "serve", "--data", str(data), "--port", str(port), "--base-url", base)
    with serving(command, f"{base}/health/ready", tmp_path, site):
        metadata = httpx2.get(f"{issuer}/.well-known/openid-configuration").json()
        answer = httpx2.post(
            f"{issuer}/token",
            data={"grant_type": "urn:example:oauth:grant-type:minute", "scope": "agent"},
            headers={"Authorization": f"ApiKey {agent['id']}.{agent['secret']}"},
        )
        person = Person("ada", "correct horse battery staple")
        Agent(agent["id"], agent["secret"], issuer, "http://localhost:3000/callback").code(person)
    assert "urn:example:oauth:grant-type:minute" in metadata["grant_types_supported"]
    assert "api_key" in metadata["token_endpoint_auth_methods_supported"]
    assert answer.status_code == 200, answer.text
    assert answer.json()["expires_in"] == 60
    claims = json.loads(base64.urlsafe_b64decode(answer.json()["access_token"].split(".")[1] + "=="))
    assert claims["initials"] == "AL"
    assert "House rules" in person.pages
