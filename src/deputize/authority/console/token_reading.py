"""Read a token that somebody pastes: what it says, whether it holds, and what became of it.

Nothing is stored, recorded or remembered: not even the signatures that endpoints remember.
"""

from dataclasses import dataclass, field, replace
from typing import Final, Literal, TypeAlias

from deputize.authority.services import Services
from deputize.jose import ACCESS_TOKEN_TYPE, TokenInvalid, Verifier, parse_compact, verify
from deputize.jose.tokens import ID_TOKEN_TYPE, LOGOUT_TOKEN_TYPE, MAX_TOKEN
from deputize.kernel.digests import digest
from deputize.kernel.values import JsonObject, JsonValue
from deputize.oauth.introspection import find_live_token
from deputize.oauth.records.directory import Environment
from deputize.oauth.records.store import Grant
from deputize.oauth.token_state import grant_refusal

TokenKind: TypeAlias = Literal["access", "id", "logout", "refresh", "code", "foreign"]
_KINDS: Final[dict[JsonValue, TokenKind]] = {
    ACCESS_TOKEN_TYPE: "access",
    ID_TOKEN_TYPE: "id",
    LOGOUT_TOKEN_TYPE: "logout",
}
_SCHEMES: Final = ("bearer", "dpop", "authorization:")
_JWT_DOTS: Final = 2
_JWE_DOTS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenReading:
    """What a token says, and how much of that can be believed."""

    kind: TokenKind
    is_verified: bool = False
    """Whether this environment issued it, unchanged."""
    refusal: str = ""
    """Why it does not hold, in the authority's words; empty where it holds, or where nobody here knows."""
    header: JsonObject = field(default_factory=dict[str, JsonValue])
    claims: JsonObject = field(default_factory=dict[str, JsonValue])
    until: float | None = None
    """When it ends by itself, in seconds since the epoch; `None` where it did, or where nobody here knows."""
    elsewhere: Environment | None = None
    """The environment of this authority that its issuer is, where it is another one."""
    grant: Grant | None = None
    """What a refresh token or code stands for."""


async def read_pasted_token(services: Services, environment: Environment, text: str) -> TokenReading:
    """Read a JWT, a refresh token or a code. Raises `TokenInvalid` for what is none of them, saying why."""
    words = text.split()
    while words and words[0].lower() in _SCHEMES:
        words = words[1:]
    token = "".join(words)
    if len(token) > MAX_TOKEN:
        raise TokenInvalid(f"it has {len(token)} characters, and {MAX_TOKEN} are the most that a token has")
    dots = token.count(".")
    if dots == _JWE_DOTS:
        raise TokenInvalid("it is encrypted (JWE, five parts): only whom it is for can read it")
    if dots == _JWT_DOTS:
        return await _read_jwt(services, environment, token)
    reading = await _read_handle(services, environment, token)
    if reading is None:
        raise TokenInvalid(
            f"it is no JWT, which has three parts with dots in between (here are {dots + 1}), "
            f"and no refresh token or code of this environment"
        )
    return reading


async def _read_jwt(services: Services, environment: Environment, token: str) -> TokenReading:
    """Read a JWT, whoever signed it. Raises `TokenInvalid` for one that cannot be decoded."""
    jws = parse_compact(token, MAX_TOKEN, MAX_TOKEN)
    header, claims, typ, now = jws.header, jws.claims(), jws.header.get("typ"), services.clock.now()
    kind = _KINDS.get(typ, "foreign") if isinstance(typ, str) else "foreign"
    reading = TokenReading(kind=kind, header=header, claims=claims)
    if claims.get("iss") != environment.issuer:
        known = services.directory.current.environments.values()
        elsewhere = next((each for each in known if each.issuer == claims.get("iss")), None)
        return replace(reading, kind="foreign", elsewhere=elsewhere)
    typ = typ if isinstance(typ, str) and typ in _KINDS else ACCESS_TOKEN_TYPE
    try:  # as of the epoch, when nothing has expired: first whether it was issued here at all
        verify(token, environment.keys, environment.issuer, 0.0, typ)
    except TokenInvalid as invalid:
        unsigned = "it is not signed (alg none)" if header.get("alg") == "none" else ""
        return replace(reading, refusal=unsigned or invalid.reason)
    reading = replace(reading, is_verified=True)
    try:
        if kind == "access":
            found = await find_live_token(environment, token, services.store.token_states, Verifier(1), now)
            if isinstance(found, TokenInvalid):
                raise found
            return replace(reading, until=found.until)
        expiry = verify(token, environment.keys, environment.issuer, now, typ)["exp"]
    except TokenInvalid as invalid:
        return replace(reading, refusal=invalid.reason)
    return replace(reading, until=expiry if isinstance(expiry, int | float) else None)


async def _read_handle(services: Services, environment: Environment, token: str) -> TokenReading | None:
    """Find what a refresh token or a code of the environment stands for."""
    store, presented, now = services.store, digest(token), services.clock.now()
    code = await store.codes.find_code(presented)
    refresh = None if code else await store.refresh_tokens.find_refresh_token(presented)
    spent = None if code or refresh else await store.refresh_tokens.find_spent_grant(presented)
    grant_id = code.grant_id if code else refresh.grant_id if refresh else spent
    if grant_id is None:
        return None
    state = await store.token_states.read_token_state(environment.id, grant_id, ())
    if state.grant is None or state.grant.environment_id != environment.id:
        return None
    expires_at = code.expires_at if code else refresh.expires_at if refresh else now
    refusal = grant_refusal(environment, state, now) or ""
    if code and code.redeemed_at is not None:
        refusal = refusal or "the code was redeemed"
    elif not code and (refresh is None or refresh.digest != presented):
        refusal = refusal or "the refresh token was spent: a later one took its place"
    elif now >= expires_at:
        refusal = refusal or "expired"
    until = None if refusal else expires_at
    kind: TokenKind = "code" if code else "refresh"
    return TokenReading(kind=kind, is_verified=True, refusal=refusal, until=until, grant=state.grant)
