import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey

from deputize.gateway.authorities.endpoint import AuthorityError
from deputize.gateway.authorities.key_sources import StoredKeys
from deputize.gateway.exchange.contexts import OAuth2Context
from deputize.gateway.resolvers.resolution import AccessTokenResolver, RejectedToken
from deputize.http.messages import Body, Response
from support.examples import examples
from support.gateway import built, exchange_for, instance_for
from support.issuers import ALGORITHMS, CLAIMS, ISSUER, NOW, Issuer, jwk_set, public_jwk, signed
from support.oauth_filters import oauth_heap

JWKS = "https://login.example.com/jwks"
METADATA = "https://login.example.com/.well-known/oauth-authorization-server/realms/demo"


class Web:
    """What the issuer publishes, as a handler that is heap object `web`; counts the questions."""

    class Config:
        """Set by the fixture."""

    def __init__(self, issuer):
        self.issuer, self.asked, self.is_down = issuer, [], False
        self.metadata = {"issuer": issuer.issuer, "jwks_uri": JWKS}

    async def handle(self, exchange):
        url = f"{exchange.request.origin}{exchange.request.target}"
        self.asked.append(url)
        if self.is_down:
            return Response(503)
        page = {JWKS: self.issuer.jwks(), METADATA: self.metadata}.get(url)
        return Response(404) if page is None else Response(200, body=Body(json.dumps(page).encode()))


STORE = {"type": "JwkSetSecretStore", "config": {"jwkUrl": JWKS, "handler": "web"}}
KNOWN = {"issuer": ISSUER, "secretsProvider": STORE, "verificationSecretId": "any.value"}
BARE = {"issuer": ISSUER, "providerHandler": "web"}


class Place:
    """A resolver over the web, at a clock."""

    def __init__(self, config=KNOWN, issuer=None):
        self.issuer = issuer or Issuer()
        self.web = Web(self.issuer)
        instance = instance_for()
        self.clock = instance.clock
        heap = oauth_heap(instance=instance)
        heap._built["web"] = self.web
        members = {"type": "StatelessAccessTokenResolver", "config": config}
        self.resolver = built(AccessTokenResolver, members, heap)

    async def resolve(self, token):
        return await self.resolver.resolve(token, exchange_for())

    async def reason(self, token):
        found = await self.resolve(token)
        return found.reason if isinstance(found, RejectedToken) else None


@pytest.mark.parametrize("config", [KNOWN, BARE], ids=["key set", "issuer alone"])
@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "EdDSA"])
async def test_a_token_of_the_issuer_is_believed(config, algorithm):
    place = Place(config, Issuer(alg=algorithm))
    token = await place.resolve(place.issuer.token())
    assert isinstance(token, OAuth2Context)
    assert (token.scopes, token.expires_at) == ({"test", "other"}, CLAIMS["exp"])
    assert (token.subject.sub, token.subject.client_id) == ("demouser", "agent-1")
    assert place.web.asked[-1] == JWKS


async def test_keys_are_found_in_the_first_store_that_has_any():
    empty = {"type": "Base64EncodedSecretStore", "config": {"secrets": {}}}
    provider = {"type": "SecretsProvider", "config": {"stores": [empty, STORE]}}
    place = Place({**KNOWN, "secretsProvider": provider})
    assert isinstance(await place.resolve(place.issuer.token()), OAuth2Context)


async def test_a_key_or_a_certificate_in_pem_will_do(tmp_path):
    key = ECKey.generate_key("P-256").private_key
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "issuer")])
    begin = datetime(2024, 1, 1, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, begin, begin + timedelta(days=9000))
    ).sign(key, SHA256())
    (tmp_path / "issuer.key").write_bytes(certificate.public_bytes(Encoding.PEM))
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "own.key").write_bytes(private)
    for secret_id in ("issuer.key", "own.key"):
        store = {
            "type": "FileSystemSecretStore",
            "config": {"directory": str(tmp_path), "format": {"type": "PemPropertyFormat"}},
        }
        place = Place({**KNOWN, "secretsProvider": store, "verificationSecretId": secret_id})
        assert isinstance(await place.resolve(signed(ECKey.import_key(private), kid="any")), OAuth2Context)
        assert await place.reason(Issuer().token()) is not None


async def test_made_up_tokens_do_not_have_a_stored_key_read_again(tmp_path, monkeypatch):
    key = ECKey.generate_key("P-256")
    (tmp_path / "own.key").write_bytes(key.as_pem(private=True))
    store = {
        "type": "FileSystemSecretStore",
        "config": {"directory": str(tmp_path), "format": {"type": "PemPropertyFormat"}},
    }
    place = Place({**KNOWN, "secretsProvider": store, "verificationSecretId": "own.key"})
    read = []
    monkeypatch.setattr(StoredKeys, "read", lambda keys, once=StoredKeys.read: read.append(1) or once(keys))
    for _ in range(20):
        assert "does not verify" in await place.reason(Issuer().token())
    assert len(read) == 1
    (tmp_path / "own.key").write_bytes(ECKey.generate_key("P-256").as_pem(private=True))
    place.clock.time += 5
    assert "does not verify" in await place.reason(signed(key))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"iss": f"{ISSUER}/"}, "another issuer"),
        ({"iss": None}, "another issuer"),
        ({"exp": NOW}, "expired"),
        ({"exp": None}, "exp"),
        ({"exp": "9999999999"}, "exp is not a number"),
        ({"nbf": NOW + 61}, "not valid yet"),
        ({"iat": NOW + 61}, "not valid yet"),
        ({"aud": [["x"]]}, "aud is neither"),
        ({"scope": "a\nb"}, "scope"),
        ({"scope": ["a", "b\nc"]}, "scope"),
        ({"typ": "ID"}, "no access token: typ"),
        ({"typ": "Refresh"}, "no access token: typ"),
        ({"token_use": "id"}, "no access token: token_use"),
        ({"tokenName": "id_token"}, "no access token: tokenName"),
        ({"at_hash": "x"}, "no access token: it has at_hash"),
        ({"events": {}}, "no access token: it has events"),
    ],
    ids=str,
)
async def test_claims_that_do_not_hold(change, reason):
    place = Place()
    assert reason in await place.reason(place.issuer.token(change))
    without = {name: value for name, value in CLAIMS.items() if name not in change}
    if change.get(next(iter(change)), 0) is None:
        assert reason in await place.reason(signed(ALGORITHMS["ES256"], without, kid="k1"))


@pytest.mark.parametrize(
    "change",
    [
        {"typ": "Bearer"},
        {"token_use": "access"},
        {"tokenName": "access_token"},
        {"nbf": NOW + 60},
        {"iat": NOW + 60},
        {"aud": ["a", "b"]},
        {"nonce": "n"},
    ],
    ids=str,
)
async def test_claims_that_other_servers_write(change):
    assert await Place().reason(Issuer().token(change)) is None


@pytest.mark.parametrize(
    ("change", "scopes"),
    [
        ({"scope": ["a", "b c"]}, ["a", "b", "c"]),
        ({"scope": None, "scp": "a b"}, []),
        ({"scp": "a"}, ["other", "test"]),
    ],
)
async def test_scopes_as_servers_write_them(change, scopes):
    place = Place()
    assert sorted((await place.resolve(place.issuer.token(change))).scopes) == scopes
    without = {name: value for name, value in CLAIMS.items() if name not in {"scope", "client_id"}}
    found = await place.resolve(
        signed(ALGORITHMS["ES256"], {**without, "scp": ["x"], "azp": "app"}, kid="k1")
    )
    assert (found.scopes, found.subject.client_id) == ({"x"}, "app")


@pytest.mark.parametrize(
    ("typ", "lenient", "strict"),
    [
        ("at+jwt", True, True),
        ("AT+JWT", True, True),
        ("application/at+jwt", True, True),
        ("JWT", True, False),
        (None, True, False),
        ("logout+jwt", False, False),
        ("dpop+jwt", False, False),
        ("oauth-id-jag+jwt", False, False),
        ("secevent+jwt", False, False),
    ],
)
async def test_the_kind_of_token_that_the_header_tells(typ, lenient, strict):
    for config, accepted in (({}, lenient), ({"requireAccessTokenType": True}, strict)):
        place = Place({**KNOWN, **config})
        assert (await place.reason(place.issuer.token(typ=typ)) is None) == accepted


async def test_only_the_algorithms_named_count():
    place = Place({**KNOWN, "algorithms": ["RS256", "ES384"]})
    assert "'ES256'" in await place.reason(place.issuer.token())
    assert place.web.asked == []


async def test_one_of_the_audiences_named_must_be_there():
    place = Place({**KNOWN, "audience": ["https://a.example", "https://ig.example.com:8443/mcp"]})
    assert await place.reason(place.issuer.token()) is None
    assert "another audience" in await place.reason(
        place.issuer.token({"aud": ["https://ig.example.com:8443"]})
    )


async def test_clocks_may_be_apart_as_far_as_configured():
    place = Place({**KNOWN, "skewAllowance": "5 minutes"})
    found = await place.resolve(place.issuer.token({"exp": NOW - 299, "nbf": NOW + 300}))
    assert found.expires_at == NOW + 1
    assert "expired" in await place.reason(place.issuer.token({"exp": NOW - 300}))


@pytest.mark.parametrize("config", [KNOWN, BARE], ids=["key set", "issuer alone"])
async def test_a_new_key_is_fetched_at_once_and_a_withdrawn_one_is_not_believed(config):
    place = Place(config)
    old = place.issuer.token()
    await place.resolve(old)
    place.issuer.rotate("k2")
    assert await place.reason(place.issuer.token()) is None
    del place.issuer.keys["k1"]
    place.clock.time += 301  # of the set, and of what is remembered of the token
    await place.resolve(place.issuer.token({"exp": NOW + 900}))
    await asyncio.sleep(0)
    token = signed(ALGORITHMS["ES256"], {**CLAIMS, "exp": NOW + 900}, kid="k1")
    assert "no key for ES256 and the kid 'k1'" in await place.reason(token)


async def test_keys_without_ids_may_be_replaced_too():
    place = Place()
    place.issuer.jwks = lambda: {"keys": [public_jwk(place.issuer.keys[place.issuer.kid])]}
    assert await place.reason(place.issuer.token()) is None
    place.issuer.rotate("k2")
    assert await place.reason(place.issuer.token()) is None


async def test_made_up_key_ids_have_keys_fetched_once():
    place = Place()
    await place.resolve(place.issuer.token())
    for number in range(200):
        assert "no key" in await place.reason(place.issuer.token(kid=f"made-up-{number}"))
    assert place.web.asked == [JWKS, JWKS]


@pytest.mark.parametrize("config", [KNOWN, BARE], ids=["key set", "issuer alone"])
async def test_without_keys_nothing_is_believed_and_nothing_refused(config):
    place = Place(config)
    place.web.is_down = True
    with pytest.raises(AuthorityError, match="503") as caught:
        await place.resolve(place.issuer.token())
    assert caught.value.status == 503


async def test_known_keys_serve_while_the_issuer_is_away():
    place = Place()
    await place.resolve(place.issuer.token())
    place.web.is_down = True
    place.clock.time += 200
    assert await place.reason(place.issuer.token()) is None
    with pytest.raises(AuthorityError, match="cannot be asked"):
        await place.resolve(place.issuer.token(kid="k2"))


async def test_a_set_that_cannot_be_asked_leaves_the_keys_of_another_in_use():
    dead = {"type": "JwkSetSecretStore", "config": {"jwkUrl": "https://gone.example/jwks", "handler": "web"}}
    provider = {"type": "SecretsProvider", "config": {"stores": [dead, STORE]}}
    place = Place({**KNOWN, "secretsProvider": provider})
    assert await place.reason(place.issuer.token()) is None
    with pytest.raises(AuthorityError, match=r"gone\.example"):
        await place.resolve(place.issuer.token(kid="other"))


async def test_a_verified_token_is_remembered_for_a_minute():
    place = Place()
    token = place.issuer.token()
    first = await place.resolve(token)
    assert await place.resolve(token) is first
    assert place.resolver.recall(token).lease.ends == NOW + 60
    short = place.issuer.token({"exp": NOW + 30})
    await place.resolve(short)
    assert place.resolver.recall(short).lease.ends == NOW + 30
    place.clock.time += 60
    assert place.resolver.recall(token) is None


KEYS = jwk_set(k1=ALGORITHMS["ES256"], k2=ALGORITHMS["RS256"])
STRANGER = ECKey.generate_key("P-256")


@given(
    at=st.floats(0, 1, exclude_max=True),
    written=st.sampled_from("ABCDwxyz0189-_.=+/ ") | st.just(""),
    kept=st.booleans(),
    algorithm=st.sampled_from(["ES256", "RS256"]),
)
@settings(max_examples=examples(200), deadline=None)
def test_no_change_of_a_token_passes(at, written, kept, algorithm):
    async def check():
        place = Place()
        place.issuer.jwks = lambda: KEYS
        token = signed(ALGORITHMS[algorithm], alg=algorithm, kid="k1" if algorithm == "ES256" else "k2")
        position = int(at * len(token))
        changed = token[:position] + written + token[position + (not kept) :]
        assert changed == token or await place.reason(changed) is not None
        assert await place.reason(token) is None

    asyncio.run(check())


@given(
    header=st.fixed_dictionaries(
        {"alg": st.sampled_from(["none", "HS256", "ES256", "RS256", "ES384", "EdDSA", ""])},
        optional={
            "kid": st.sampled_from(["k1", "k2", "k3", ""]),
            "typ": st.sampled_from(["JWT", "at+jwt", "none"]),
            "jwk": st.just(public_jwk(STRANGER)),
            "jku": st.just("https://evil.example/jwks"),
            "crit": st.just(["exp"]),
            "b64": st.booleans(),
        },
    ),
    claims=st.fixed_dictionaries(
        {"iss": st.sampled_from([ISSUER, "https://evil.example"])}, optional={"exp": st.just(NOW + 60)}
    ),
)
@settings(max_examples=examples(200), deadline=None)
def test_nothing_that_a_stranger_signs_passes(header, claims):
    async def check():
        place = Place()
        place.issuer.jwks = lambda: KEYS
        genuine = signed(STRANGER, {**CLAIMS, **claims}, header=header)
        for token in (genuine, genuine.rpartition(".")[0] + "."):
            assert await place.reason(token) is not None

    asyncio.run(check())
