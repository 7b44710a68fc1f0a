"""Passkeys: what a browser is asked for, and what makes its answer count (Web Authentication Level 3).

Whom passkeys are for, the relying party, comes from the configured base URL and never from a request. Every
one has to be discoverable, and to verify its user by PIN, finger or face, at registration and at each use.
Attestation is not asked for: what kind of device holds the key, nobody here claims to know.
"""

from collections.abc import Collection, Generator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from deputize.jose import decode_base64url, encode_base64url
from deputize.kernel.digests import digest
from deputize.kernel.errors import DeputizeError
from deputize.kernel.strict_json import JsonError, loads
from deputize.kernel.uris import parse_origin
from deputize.kernel.values import JsonObject
from deputize.oauth.records.directory import Environment
from deputize.oauth.records.store import Factor, User

if TYPE_CHECKING:
    from fido2.server import Fido2Server

ALGORITHMS: Final = (-7, -8, -257)
"""What passkeys may sign with, as COSE numbers them: ES256, EdDSA and RS256."""
MOST: Final = 10
"""Passkeys of one user."""
MAX_RESPONSE: Final = 16 * 1024
"""Bytes of a browser's answer."""
MAX_ID: Final = 1023
"""Bytes of a passkey's id."""
_ALG: Final = 3
"""The label of the algorithm in a COSE key (RFC 9052 section 7.1)."""
_REQUIRED: Final = "required"


class PasskeyInvalid(DeputizeError):
    """An answer that does not count. The text is for the log."""


class RelyingParty(NamedTuple):
    """Whom passkeys are for."""

    id: str
    """The host's name: a passkey is good on this host alone."""
    origin: str
    """As browsers write it."""
    name: str

    @property
    def is_possible(self) -> bool:
        """Whether browsers have passkeys there: only for a name, and over https, or on their own machine."""
        is_own = self.id == "localhost" or self.id.endswith(".localhost")
        is_name = not self.id.startswith("[") and not self.id.rpartition(".")[2].isdigit()
        return is_own or (is_name and self.origin.startswith("https:"))


class Assertion(NamedTuple):
    """What a browser answered to a request for a passkey; nobody has verified it."""

    key: str
    """Of the factor that it claims to be."""
    user_id: str
    """The user whom the passkey was made for, as it says; empty where it does not."""
    challenge: str
    response: Mapping[str, Any]


def relying_party(environment: Environment) -> RelyingParty:
    """Return whom passkeys of an environment's users are for."""
    origin = parse_origin(environment.issuer)
    return RelyingParty(origin.host, str(origin), environment.title)


def creation_options(
    party: RelyingParty, user: User, passkeys: Collection[Factor], challenge: str
) -> JsonObject:
    """Make the options for `navigator.credentials.create`; binary members are base64url."""
    return {
        "rp": {"id": party.id, "name": party.name},
        "user": {"id": _encode(user.id.encode()), "name": user.username, "displayName": user.username},
        "challenge": _encode(challenge.encode()),
        "pubKeyCredParams": [{"type": "public-key", "alg": each} for each in ALGORITHMS],
        "excludeCredentials": _descriptors(passkeys),
        "authenticatorSelection": {
            "residentKey": _REQUIRED,
            "requireResidentKey": True,
            "userVerification": _REQUIRED,
        },
        "attestation": "none",
    }


def request_options(party: RelyingParty, passkeys: Collection[Factor], challenge: str) -> JsonObject:
    """Make the options for `navigator.credentials.get`: for one of `passkeys`, or without them for any."""
    return {
        "rpId": party.id,
        "challenge": _encode(challenge.encode()),
        "allowCredentials": _descriptors(passkeys),
        "userVerification": _REQUIRED,
    }


def read_challenge(answer: str) -> str:
    """Return the challenge that an answer says it is to. Raises `PasskeyInvalid`."""
    return _challenge_of(_read(answer))


def verify_registration(party: RelyingParty, challenge: str, answer: str) -> tuple[str, str, int]:
    """Return key, material and counter of the passkey that was made, as `Factor` keeps them.

    Section 7.1. Raises `PasskeyInvalid`.
    """
    response = _read(answer)
    with _judging():
        made = _server(party).register_complete(_state(challenge), response)  # pyright: ignore[reportUnknownMemberType]
        credential = made.credential_data
    if credential is None or cast("dict[int, Any]", credential.public_key).get(_ALG) not in ALGORITHMS:
        raise PasskeyInvalid("the key is for no algorithm that was asked for")
    if not 1 <= len(credential.credential_id) <= MAX_ID:
        raise PasskeyInvalid("the id of the key has no length that ids have")
    return _key_of(credential.credential_id), _encode(bytes(credential)), made.counter


def read_assertion(answer: str) -> Assertion:
    """Take apart what a browser answered to a request for a passkey. Raises `PasskeyInvalid`."""
    response = _read(answer)
    with _judging():
        key = _key_of(decode_base64url(response["rawId"]))
        user_id = decode_base64url(response["response"].get("userHandle") or "").decode()
    return Assertion(key, user_id, _challenge_of(response), response)


def verify_assertion(party: RelyingParty, assertion: Assertion, passkey: Factor) -> int:
    """Return the new counter of a passkey which signed the challenge of `assertion`, for this relying party.

    Section 7.2. Raises `PasskeyInvalid`.
    """
    from fido2.webauthn import AttestedCredentialData, AuthenticatorData  # noqa: PLC0415

    with _judging():
        credential = AttestedCredentialData(decode_base64url(passkey.material))
        _server(party).authenticate_complete(  # pyright: ignore[reportUnknownMemberType]
            _state(assertion.challenge), [credential], assertion.response
        )
        signed = AuthenticatorData(decode_base64url(assertion.response["response"]["authenticatorData"]))
    if assertion.key != passkey.key or assertion.user_id not in {"", passkey.user_id}:
        raise PasskeyInvalid("the passkey is another one, or somebody else's")
    if max(signed.counter, passkey.counter) > 0 and signed.counter <= passkey.counter:
        raise PasskeyInvalid("its counter did not advance: the passkey may have been copied")
    return signed.counter


def _server(party: RelyingParty) -> "Fido2Server":
    """The checks of the library, which is loaded when somebody first uses a passkey."""
    from fido2.server import Fido2Server  # noqa: PLC0415
    from fido2.webauthn import PublicKeyCredentialRpEntity  # noqa: PLC0415

    return Fido2Server(
        PublicKeyCredentialRpEntity(id=party.id, name=party.name),
        verify_origin=lambda origin: origin == party.origin,
    )


def _state(challenge: str) -> dict[str, str]:
    return {"challenge": _encode(challenge.encode()), "user_verification": _REQUIRED}


def _read(answer: str) -> Mapping[str, Any]:
    """Return the answer's members, as strictly as all JSON is read here. Raises `PasskeyInvalid`."""
    try:
        response = loads(answer.encode(), max_size=MAX_RESPONSE, max_depth=6)
    except JsonError as error:
        raise PasskeyInvalid(f"the answer is no JSON: {error}") from error
    inner = response.get("response") if isinstance(response, Mapping) else None
    if not isinstance(response, Mapping) or not isinstance(inner, Mapping):
        raise PasskeyInvalid("the answer is no passkey's")
    return cast("Mapping[str, Any]", response)


def _challenge_of(response: Mapping[str, Any]) -> str:
    """Return the challenge in the data that the browser had signed, if no other site's page framed it."""
    with _judging():
        signed = decode_base64url(response["response"]["clientDataJSON"])
        data = cast("Mapping[str, Any]", loads(signed, max_size=MAX_RESPONSE, max_depth=6))
        challenge, framed = decode_base64url(data["challenge"]).decode("ascii"), data.get("crossOrigin")
    if framed is not None and framed is not False:
        raise PasskeyInvalid("it was asked for in a frame of another site")
    return challenge


@contextmanager
def _judging() -> Generator[None]:
    """Raise `PasskeyInvalid` for whatever parsers raise that are given an attacker's bytes."""
    try:
        yield
    except Exception as error:
        raise PasskeyInvalid(f"{type(error).__name__}: {error}") from error


def _descriptors(passkeys: Collection[Factor]) -> list[JsonObject]:
    from fido2.webauthn import AttestedCredentialData  # noqa: PLC0415

    ids = (AttestedCredentialData(decode_base64url(each.material)).credential_id for each in passkeys)
    return [{"type": "public-key", "id": _encode(each)} for each in ids]


def _key_of(credential_id: bytes) -> str:
    return digest(_encode(credential_id))


def _encode(data: bytes) -> str:
    return encode_base64url(data).decode("ascii")
