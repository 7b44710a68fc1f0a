"""Authlib: PROGRAM secret|key."""

import base64
import json
import os
import sys

from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from loopback import Loopback

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"


def main(task):
    setting = json.loads(os.environ["INTEROP_SETTING"])
    loopback = Loopback()
    method = "private_key_jwt" if task == "key" else "client_secret_basic"
    session = OAuth2Session(
        setting["keyed" if task == "key" else "registered"],
        setting["key"] if task == "key" else setting["secret"],
        scope="openid agent" if task == "key" else "openid email",
        redirect_uri=loopback.redirect_uri,
        code_challenge_method="S256",
        token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method,
    )
    server = session.get(f"{setting['issuer']}/.well-known/openid-configuration", withhold_token=True).json()
    if task == "key":
        session.register_client_auth_method(PrivateKeyJWT(server["token_endpoint"], alg="ES256"))
        session.client_secret = ECKey.import_key(setting["key"])
    verifier = base64.urlsafe_b64encode(os.urandom(48)).decode()
    url, state = session.create_authorization_url(
        server["authorization_endpoint"], code_verifier=verifier, nonce="n-1"
    )
    print(url, flush=True)
    answer = loopback.wait()
    assert (answer["state"], answer["iss"]) == (state, server["issuer"])
    tokens = session.fetch_token(
        server["token_endpoint"], code=answer["code"], code_verifier=verifier, grant_type="authorization_code"
    )
    print("seen: code with PKCE")
    keys = KeySet.import_key_set(session.get(server["jwks_uri"], withhold_token=True).json())
    id_token = jwt.decode(tokens["id_token"], keys, algorithms=["RS256"])
    assert id_token.claims["nonce"] == "n-1"
    print("seen: RS256 ID token")
    if task == "secret":
        assert session.get(server["userinfo_endpoint"]).json()["email"]
        print("seen: userinfo")
    tokens = session.refresh_token(server["token_endpoint"], tokens["refresh_token"])
    print("seen: refresh")
    if task == "key":
        exchange(session, server, tokens)
    answer = session.introspect_token(server["introspection_endpoint"], token=tokens["access_token"])
    assert answer.json()["active"], answer.text
    print("seen: introspection")
    session.revoke_token(server["revocation_endpoint"], token=tokens["refresh_token"]).raise_for_status()
    answer = session.introspect_token(server["introspection_endpoint"], token=tokens["access_token"])
    assert not answer.json()["active"]
    print("seen: revocation")
    print("done")


def exchange(session, server, tokens):
    own = session.fetch_token(server["token_endpoint"], grant_type="client_credentials", scope="agent")
    exchanged = session.fetch_token(
        server["token_endpoint"],
        grant_type=EXCHANGE,
        subject_token=tokens["access_token"],
        subject_token_type=ACCESS_TOKEN,
        actor_token=own["access_token"],
        actor_token_type=ACCESS_TOKEN,
        scope="test",
    )
    assert exchanged["access_token"]
    print("seen: client credentials, exchange")


main(*sys.argv[1:])
