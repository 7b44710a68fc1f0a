import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from deputize.gateway.config.settings import Settings
from deputize.gateway.exchange.contexts import RefusalContext
from deputize.gateway.filters.jwt_builder import JwtBuilderContext
from deputize.gateway.handlers.chain import Chain
from deputize.http.plans import Filter, as_handler
from deputize.jose import parse_foreign_token, read_signing_key, verify_with
from deputize.jose.key_sets import read_key
from deputize.kernel.errors import ConfigurationError
from deputize.secrets.formats.pem import PemFormat
from deputize.secrets.secret import GenericSecret
from support.gateway import TYPES, Answering, ask, built, exchange_for, heap_of, registry_for

KEYS = {
    "ec": ec.generate_private_key(ec.SECP256R1()),
    "rsa": rsa.generate_private_key(65537, 2048),
    "ed": ed25519.Ed25519PrivateKey.generate(),
    "p384": ec.generate_private_key(ec.SECP384R1()),
}
PEM = {
    name: key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) for name, key in KEYS.items()
}


class KeyRack:
    class Config(Settings):
        pass

    @classmethod
    def build(cls, config, context):
        return cls()

    def find(self, secret_id):
        if secret_id == "password":
            return GenericSecret(b"hush")
        return PemFormat().decode(PEM[secret_id]) if secret_id in PEM else None

    def place(self, secret_id):
        return f"the rack at {secret_id}"


def building(template, key="ec", algorithm=None, **more):
    signature = {"secretId": key, **({"algorithm": algorithm} if algorithm else {})}
    config = {"template": template, "secretsProvider": {"type": "KeyRack"}, "signature": signature, **more}
    heap = heap_of(registry=registry_for(types={**TYPES, "KeyRack": KeyRack}))
    return built(Filter, {"type": "JwtBuilderFilter", "config": config}, heap)


SEND = {
    "type": "HeaderFilter",
    "config": {"messageType": "REQUEST", "add": {"X-Token": "${contexts.jwtBuilder.value}"}},
}


async def made(decorated, backend=None, **exchange):
    """What the server gets as `X-Token`, the answer, and the exchange."""
    backend, exchange = backend or Answering(), exchange_for(**exchange)
    response = await ask(Chain([decorated, built(Filter, SEND)], as_handler(backend)), exchange)
    token = backend.asked[0].request.headers.get("x-token") if backend.asked else None
    return token, response, exchange


def read(token, key):
    public = read_signing_key(PEM[key], None, 0.0).public_jwk
    claims = verify_with(parse_foreign_token(token), [read_key(public)])
    header = json.loads(base64.urlsafe_b64decode(token.partition(".")[0] + "=="))
    return header, claims


@pytest.mark.parametrize(
    ("key", "algorithm", "expected"),
    [("ec", None, "ES256"), ("rsa", "RS256", "RS256"), ("ed", None, "EdDSA"), ("ed", "Ed25519", "Ed25519")],
)
async def test_the_gateway_signs_by_the_algorithm_of_the_key(key, algorithm, expected):
    token, _, _ = await made(building({"sub": "${request.method}"}, key, algorithm))
    header, claims = read(token, key)
    assert (header["alg"], header["typ"], claims) == (expected, "JWT", {"sub": "GET"})
    assert header["kid"] == read_signing_key(PEM[key], None, 0.0).kid


async def test_claims_keep_their_types_and_null_is_left_out():
    template = {
        "n": 1,
        "true": True,
        "list": ["${request.method}", {"deep": "${array(1, true)}"}],
        "none": "${request.headers['absent'][0]}",
        "text": "a ${request.method}",
    }
    token, _, _ = await made(building(template))
    expected = {"n": 1, "true": True, "list": ["GET", {"deep": [1, True]}], "text": "a GET"}
    assert read(token, "ec")[1] == expected


async def test_a_template_may_be_an_expression_and_is_evaluated_for_each_call():
    decorated = building({"at": "${now.plusMinutes(1).epochSeconds}", "id": "${request.headers['X-Id'][0]}"})
    for wanted in ("1", "2"):
        token, _, _ = await made(decorated, headers=[("X-Id", wanted)])
        assert read(token, "ec")[1] == {"at": 1_700_000_060, "id": wanted}
    whole = building("${toJson(request.headers['X-Claims'][0])}")
    token, _, _ = await made(whole, headers=[("X-Claims", '{"a":1}')])
    assert read(token, "ec")[1] == {"a": 1}


@pytest.mark.parametrize("template", ["${request.method}", {"a": "${request.method < 5}"}])
async def test_a_jwt_that_cannot_be_made_is_500(template):
    backend = Answering()
    _, response, exchange = await made(building(template), backend)
    assert (response.status, backend.asked) == (500, [])
    assert exchange.find(RefusalContext).error == "server_error"


def test_the_token_is_not_shown_by_its_context():
    assert "abc" not in repr(JwtBuilderContext("abc", {}))


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        ({"template": {}, "encryption": {}}, "encryption"),
        ({"template": [1]}, "template"),
        ({"template": {"a": "${"}}, "template"),
        ({"template": {}, "algorithm": "HS256"}, "signature/algorithm"),
        ({"template": {}, "algorithm": "RS256"}, "signature/secretId"),
        ({"template": {}, "key": "absent"}, "signature/secretId"),
        ({"template": {}, "key": "password"}, "signature/secretId"),
        ({"template": {}, "key": "p384"}, "signature/secretId"),
    ],
)
def test_what_cannot_be_signed_is_refused_at_load(arguments, key):
    with pytest.raises(ConfigurationError) as raised:
        building(**arguments)
    assert raised.value.position.pointer == f"/handler/config/{key}"
