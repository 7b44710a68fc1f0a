"""What clients prove with who they are: secrets, assertions, or nothing."""

import itertools
from base64 import b64encode

from deputize.authority.client_documents import FetchedDocuments
from deputize.authority.fetching import Fetcher
from deputize.kernel.clock import SystemClock
from deputize.oauth.client_auth import private_key_jwt
from deputize.oauth.client_auth.authentication import ClientAuthPorts
from support.agent_delegation import AGENT_ID, AGENT_SECRET, ISSUER, NOW
from support.issuers import ALGORITHMS, public_jwk, signed
from support.memory_store import MemoryStore

KEY = ALGORITHMS["ES256"]
JWKS = {"keys": [public_jwk(KEY, "c1")]}
_NUMBERS = itertools.count()


def auth_ports(one_time_ids=None, documents=None):
    """Return what methods may use: a store in memory, and nothing fetched, unless others are given."""
    documents = documents or FetchedDocuments(Fetcher(), SystemClock())
    return ClientAuthPorts(one_time_ids or MemoryStore(), documents)


def assertion_claims(**changes):
    """Return the claims of a good assertion, with a fresh `jti`; `None` takes one out."""
    claims = {
        "iss": AGENT_ID,
        "sub": AGENT_ID,
        "aud": ISSUER,
        "exp": NOW + 60,
        "iat": NOW,
        "jti": f"jti-{next(_NUMBERS)}",
        **changes,
    }
    return {name: value for name, value in claims.items() if value is not None}


def assertion(key=KEY, alg="ES256", kid="c1", typ="JWT", **changes):
    """Return an assertion of the agent."""
    return signed(key, assertion_claims(**changes), alg, kid=kid, typ=typ)


def assertion_form(text, **more):
    """Return the form parameters that present an assertion (RFC 7521 section 4.2)."""
    return {"client_assertion_type": private_key_jwt.ASSERTION_TYPE, "client_assertion": text, **more}


def present(method, client_id=AGENT_ID, secret=AGENT_SECRET, **changes):
    """Return the `Authorization` header, or `None`, and the form by which a client proves itself."""
    match method:
        case "client_secret_basic":
            return f"Basic {b64encode(f'{client_id}:{secret}'.encode()).decode()}", {}
        case "client_secret_post":
            return None, {"client_id": client_id, "client_secret": secret}
        case "private_key_jwt":
            return None, assertion_form(assertion(**{"iss": client_id, "sub": client_id, **changes}))
        case _:
            return None, {"client_id": client_id}
