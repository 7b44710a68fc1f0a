"""Records of the store with ordinary values, for tests that care about one member at a time."""

from dataclasses import replace

from deputize.oauth.records.store import (
    Authentication,
    AuthorizationCode,
    Consent,
    Grant,
    RefreshToken,
    Session,
)

ENVIRONMENT = "11111111-1111-4111-8111-111111111111"
USER_ID = "22222222-2222-4222-8222-222222222222"
AGENT = "33333333-3333-4333-8333-333333333333"
AGREEMENT = "55555555-5555-4555-8555-555555555555"
SESSION = Session(
    "44444444-4444-4444-8444-444444444444",
    ENVIRONMENT,
    USER_ID,
    "c" * 64,
    900,
    5000.0,
    None,
    "u-term-1",
    900.0,
    900.0,
)
AUTHENTICATION = Authentication(USER_ID, SESSION.id, 900, "Agent-Consent-Login")
CONSENT = Consent(
    "77777777-7777-4777-8777-777777777777",
    ENVIRONMENT,
    USER_ID,
    AGENT,
    AGREEMENT,
    1,
    "r1",
    "en",
    950.0,
    None,
    {AGENT: {"r": ("agent",)}},
)
GRANT = Grant(
    id="66666666-6666-4666-8666-666666666666",
    environment_id=ENVIRONMENT,
    client_id=AGENT,
    client_term="a-term-1",
    user_term="u-term-1",
    policy_term="p-term-1",
    resource_term="r-term-2",
    authentication=AUTHENTICATION,
    resource_id=None,
    scopes=("openid", "agent"),
    consents={AGREEMENT: CONSENT.id},
    created_at=1000.0,
    expires_at=9000.0,
)
CODE = AuthorizationCode(
    digest="0" * 64,
    grant_id=GRANT.id,
    redirect_uri="http://localhost:3000/callback",
    code_challenge="E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
    nonce="n",
    expires_at=1060.0,
)
TOKEN = RefreshToken(
    grant_id=GRANT.id, digest="g1", previous_digest=None, generation=1, rotated_at=1000.0, expires_at=2000.0
)


def next_generation(token: RefreshToken, digest: str) -> RefreshToken:
    return replace(
        token,
        digest=digest,
        previous_digest=token.digest,
        generation=token.generation + 1,
        rotated_at=token.rotated_at + 1,
    )
