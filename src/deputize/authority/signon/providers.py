"""Sign-on with another OpenID provider: the way there, what its answer has to be, and which user that is.

Authorization code flow with PKCE, `state` and `nonce` (OpenID Connect Core section 3.1, RFC 9700 section
2.1). Each provider has a redirect URI of its own, so that no other's answer is taken for its.
"""

from base64 import b64encode
from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import quote_plus

from deputize.audit.records import timestamp_text
from deputize.authority.endpoint import EndpointCall
from deputize.authority.fetching import FetchFailed
from deputize.authority.services import Services
from deputize.authority.signon.proofs import Attempt, wait_of
from deputize.authority.signon.responses import leave
from deputize.authority.signon.sessions import sign_on
from deputize.authority.signon.step import Done, Situation
from deputize.authority.signon.trips import Trip, end_trip, set_out
from deputize.http.messages import Response
from deputize.jose import ID_TOKEN_ALGORITHM, TokenInvalid, sign
from deputize.kernel.digests import digest
from deputize.kernel.errors import DeputizeError
from deputize.kernel.redaction import printable
from deputize.kernel.strict_json import JsonError, loads
from deputize.kernel.values import JsonObject, is_number
from deputize.oauth.assertions import PLAIN_TYPES, parse_assertion, users_of_subject, verify_signature
from deputize.oauth.client_auth import private_key_jwt
from deputize.oauth.document_urls import parse_document_url
from deputize.oauth.errors import OAuthError
from deputize.oauth.factors import by_provider
from deputize.oauth.grants.authorization_code import CHALLENGE_METHOD, challenge_of
from deputize.oauth.parameters import encode_parameters
from deputize.oauth.records.directory import Environment
from deputize.oauth.records.settings import IdentityProvider, Signer
from deputize.oauth.records.store import Factor, User
from deputize.oauth.relying_party import (
    MAX_METADATA,
    Expected,
    ProviderMetadata,
    id_token_refusal,
    metadata_url,
    response_refusal,
)

MOST: Final = 16
"""Accounts with providers of one user."""
MAX_CODE: Final = 4096
"""Characters of an authorization code."""
_ASSERTION_LIFETIME: Final = 60
"""Seconds."""
_DECLINED: Final = frozenset({"access_denied", "login_required", "interaction_required"})


class ProviderFailed(DeputizeError):
    """Nobody can be signed on by what the provider says; the message is for the log."""

    def __init__(self, reason: str, text: str = "failed") -> None:
        """`text` names what the user is told among the texts `provider`."""
        super().__init__(reason)
        self.text = text


def redirect_uri(environment: Environment, provider: IdentityProvider) -> str:
    """Where the provider sends the browser back to."""
    return f"{environment.issuer}/callback/{provider.name}"


async def depart(
    call: EndpointCall,
    provider: IdentityProvider,
    *,
    is_fresh: bool = False,
    flow: str = "",
    query: str = "",
    session_id: str = "",
) -> Response:
    """Send the browser to the provider; what comes then is as in `Trip`.

    Raises `ProviderFailed`, and `InvalidRequest` where the request is too long.
    """
    metadata, services = await _metadata(call.services, provider), call.services
    trip = Trip(
        services.new_token(),
        services.new_token(),
        services.new_token(),
        provider.name,
        provider.issuer,
        call.now,
        is_fresh,
        flow,
        query,
        session_id,
    )
    parameters = {
        "response_type": "code",
        "client_id": provider.client_id,
        "redirect_uri": redirect_uri(call.environment, provider),
        "scope": "openid",
        "state": trip.state,
        "nonce": trip.nonce,
        "code_challenge": challenge_of(trip.verifier),
        "code_challenge_method": CHALLENGE_METHOD,
        **({"max_age": "0"} if is_fresh else {}),
    }
    endpoint = metadata.authorization_endpoint
    location = f"{endpoint}{'&' if '?' in endpoint else '?'}{encode_parameters(parameters)}"
    response = leave(call, location, after_form=True)
    await set_out(call, response, trip)
    return response


class Account(NamedTuple):
    """Whom a provider says that the user is."""

    subject: str
    """The `sub` of its ID token."""
    proved_at: float | None
    """When the user signed on there (`auth_time`); `None` where it does not say."""


async def find_account(
    call: EndpointCall, provider: IdentityProvider, trip: Trip, parameters: Mapping[str, str]
) -> Account:
    """Return whom the provider's authorization response says that the user is.

    Whatever it says ends the trip. Raises `ProviderFailed`.
    """
    metadata = await _metadata(call.services, provider)
    if not await end_trip(call, trip):
        raise ProviderFailed("the response came before")
    if refusal := response_refusal(parameters, provider.issuer, says_issuer=metadata.says_issuer):
        raise ProviderFailed(refusal)
    if error := parameters.get("error"):
        reason = (
            f"it answered {printable(error, 64)}: {printable(parameters.get('error_description', ''), 256)}"
        )
        raise ProviderFailed(reason, "declined" if error in _DECLINED else "failed")
    code = parameters.get("code", "")
    if not 1 <= len(code) <= MAX_CODE:
        raise ProviderFailed("the response has no code")
    id_token = await _redeem(call, provider, metadata, code, trip.verifier)
    try:
        claims = await verify_signature(
            parse_assertion(id_token, PLAIN_TYPES),
            Signer(jwks_uri=metadata.jwks_uri),
            provider.algorithms,
            call.environment,
            ("identity provider", provider.name),
            call.services.client_documents,
        )
    except (TokenInvalid, OAuthError) as error:
        reason = error.detail if isinstance(error, OAuthError) else str(error)
        raise ProviderFailed(f"its ID token: {reason}") from error
    expected = Expected(provider.issuer, provider.client_id, trip.nonce, trip.begun_at, trip.is_fresh)
    if refusal := id_token_refusal(claims, expected, call.now):
        raise ProviderFailed(f"its ID token: {refusal}")
    proved_at = claims.get("auth_time")
    return Account(str(claims["sub"]), max(0.0, float(proved_at)) if is_number(proved_at) else None)


async def sign_on_as(
    account: Account, provider: IdentityProvider, situation: Situation, services: Services
) -> Done:
    """Sign the user on whose account with the provider that is. Raises `ProviderFailed`.

    Whatever keeps the user from signing on by password keeps them from this too. Where somebody is signed on
    already whose sign-on counts, it has to be the same user.
    """
    user = await _find_user(services, situation.environment, provider, account.subject)
    if user is None or not user.enabled:
        raise ProviderFailed("the user is disabled" if user else "nobody has the account", "unknown")
    if situation.request and situation.request.hinted_user_id not in {None, user.id}:
        raise ProviderFailed("the request is about another user", "another_user")
    if situation.signed_on and situation.is_recent and situation.signed_on.user.id != user.id:
        raise ProviderFailed("somebody else is signed on", "another_user")
    if locked := await wait_of(user, situation, services):
        raise ProviderFailed(f"too many failures, until {timestamp_text(locked)}", "locked")
    factor = by_provider(provider.name)
    return Done(await sign_on(user, factor, situation, services, account.proved_at))


async def connect(
    services: Services, user: User, provider: IdentityProvider, subject: str, now: float
) -> None:
    """Remember that the account is the user's.

    Raises `ProviderFailed` where somebody has it, or they have `MOST`.
    """
    account = Factor(
        id=services.new_id(),
        environment_id=user.environment_id,
        user_id=user.id,
        kind="external",
        key=_key(provider, subject),
        name=provider.title,
        material="",
        counter=0,
        created_at=now,
    )
    if not await services.store.factors.add_factor(account, MOST):
        raise ProviderFailed(f"somebody has the account, or the user has {MOST}")


def refuse(situation: Situation, services: Services, provider: str, error: ProviderFailed) -> None:
    """Record that a sign-on with the provider was refused."""
    Attempt(situation, services, None).refuse(str(error), provider=provider)


async def _find_user(
    services: Services, environment: Environment, provider: IdentityProvider, subject: str
) -> User | None:
    """Find the one user whose account it is: connected by them, or said to be by administrators."""
    factors = services.store.factors
    account = await factors.find_factor(environment.id, "external", _key(provider, subject))
    if account is not None:
        await factors.use_factor(account, account.counter, services.clock.now())
        return await services.store.users.find_user_by_id(environment.id, account.user_id)
    if provider.subject is None:
        return None
    found = await users_of_subject(services.store.users, environment.id, provider.subject, subject)
    return found[0] if len(found) == 1 else None


def _key(provider: IdentityProvider, subject: str) -> str:
    """Return what an account is found by: issuers never give a `sub` to somebody else."""
    return digest(f"{provider.issuer}\n{subject}")


async def _metadata(services: Services, provider: IdentityProvider) -> ProviderMetadata:
    try:
        found = await services.provider_metadata.get(metadata_url(provider.issuer), is_known=True)
    except FetchFailed as error:
        raise ProviderFailed(f"its metadata cannot be used: {error.reason}") from error
    if found.issuer != provider.issuer:
        raise ProviderFailed(f"its metadata is of the issuer {printable(found.issuer, 256)}")
    return found


async def _redeem(
    call: EndpointCall, provider: IdentityProvider, metadata: ProviderMetadata, code: str, verifier: str
) -> str:
    """Return the ID token that the code yields (OpenID Connect Core section 3.1.3).

    Raises `ProviderFailed`.
    """
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri(call.environment, provider),
        "code_verifier": verifier,
    }
    authorization = _authenticate(call, provider, metadata, form)
    url = parse_document_url(metadata.token_endpoint)
    try:
        status, content = await call.services.fetcher.submit_form(
            url, encode_parameters(form).encode(), MAX_METADATA, authorization
        )
        answer = loads(content, max_size=MAX_METADATA, max_depth=8)
    except FetchFailed as error:
        raise ProviderFailed(f"its token endpoint: {error.reason}") from error
    except JsonError as error:
        raise ProviderFailed(f"its token endpoint did not answer with JSON: {error}") from error
    members: JsonObject = answer if isinstance(answer, Mapping) else {}
    id_token = members.get("id_token")
    if status != 200 or not isinstance(id_token, str):
        reason = printable(str(members.get("error", "")), 64)
        raise ProviderFailed(f"its token endpoint answered {status} {reason} without an ID token")
    return id_token


def _authenticate(
    call: EndpointCall, provider: IdentityProvider, metadata: ProviderMetadata, form: dict[str, str]
) -> str | None:
    """Add to the form what proves that it is this client's; return its `Authorization`, or `None`.

    Raises `ProviderFailed`.
    """
    if provider.secret is None:
        claims = {
            "iss": provider.client_id,
            "sub": provider.client_id,
            "aud": provider.issuer,
            "jti": call.services.new_token(),
            "iat": int(call.now),
            "exp": int(call.now) + _ASSERTION_LIFETIME,
        }
        form["client_assertion_type"] = private_key_jwt.ASSERTION_TYPE
        form["client_assertion"] = sign(claims, call.environment.keys, "JWT", ID_TOKEN_ALGORITHM)
        return None
    folder = call.services.provider_secrets
    try:
        secret = (folder / provider.secret).read_text("utf-8").strip() if folder else ""
    except (OSError, UnicodeError) as error:
        raise ProviderFailed(f"its secret cannot be read: {error}") from error
    if not secret:
        raise ProviderFailed(f"there is no secret {provider.secret!r} in the folder --provider-secrets")
    if not metadata.takes_basic:
        form |= {"client_id": provider.client_id, "client_secret": secret}
        return None
    credentials = f"{quote_plus(provider.client_id)}:{quote_plus(secret)}"  # RFC 6749 section 2.3.1
    return f"Basic {b64encode(credentials.encode()).decode('ascii')}"
