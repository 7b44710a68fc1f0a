"""Records of the store with ordinary values, for tests that care about one member at a time."""

from dataclasses import replace

from deputize.oauth.records.store import Authentication, AuthorizationCode, Consent, RefreshToken, Session

ENVIRONMENT = "11111111-1111-4111-8111-111111111111"
USER_ID = "22222222-2222-4222-8222-222222222222"
AGENT = "33333333-3333-4333-8333-333333333333"
SESSION = Session("44444444-4444-4444-8444-444444444444", ENVIRONMENT, USER_ID, "c" * 64, 900, 5000.0)
AUTHENTICATION = Authentication(USER_ID, SESSION.id, 900, "Agent-Consent-Login")
CONSENT = Consent(ENVIRONMENT, USER_ID, "55555555-5555-4555-8555-555555555555", 1, "r1", "en", 950.0, None)
CODE = AuthorizationCode(
    digest="0" * 64,
    environment_id=ENVIRONMENT,
    client_id=AGENT,
    redirect_uri="http://localhost:3000/callback",
    code_challenge="E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
    resource_id=None,
    scopes=("openid", "agent"),
    authentication=AUTHENTICATION,
    nonce="n",
    expires_at=1060.0,
    family_id="66666666-6666-4666-8666-666666666666",
)
TOKEN = RefreshToken(
    family_id=CODE.family_id,
    environment_id=ENVIRONMENT,
    client_id=AGENT,
    digest="g1",
    previous_digest=None,
    generation=1,
    rotated_at=1000.0,
    expires_at=2000.0,
    family_expires_at=9000.0,
    resource_id=None,
    scopes=("agent",),
    authentication=AUTHENTICATION,
)


def next_generation(token: RefreshToken, digest: str) -> RefreshToken:
    return replace(token, digest=digest, previous_digest=token.digest, generation=token.generation + 1, rotated_at=token.rotated_at + 1)
