"""What users prove a sign-on with, and how tokens say so (RFC 8176).

A session remembers its factors by these names, and when each was proved.
"""

from collections.abc import Mapping
from typing import Final

from deputize.oauth.records.directory import Policy
from deputize.oauth.records.store import Authentication, Session

PASSWORD: Final = "password"
PASSKEY: Final = "passkey"
"""A passkey that verified its user, by itself more than one factor."""
TOTP: Final = "totp"
"""A code of an authenticator app (RFC 6238)."""
RECOVERY_CODE: Final = "recovery_code"
_EXTERNAL: Final = "external:"
_METHODS: Final[Mapping[str, tuple[str, ...]]] = {
    PASSWORD: ("pwd",),
    # What kind of thing holds the key nobody attests here: neither "hwk" nor "swk" is known to be true.
    PASSKEY: ("mfa", "pop", "user"),
    TOTP: ("otp",),
    RECOVERY_CODE: ("otp",),
}
_OF_PROVIDER: Final = ("fed",)


def by_provider(name: str) -> str:
    """The factor that a sign-on with the identity provider of that name is."""
    return f"{_EXTERNAL}{name}"


def amr_of(factors: Mapping[str, int]) -> tuple[str, ...]:
    """The authentication methods of a session with these factors, in order; `mfa` where there are several."""
    methods = {method for name in factors for method in _METHODS.get(name, _OF_PROVIDER)}
    if len(methods) > 1:
        methods.add("mfa")
    return tuple(sorted(methods))


def authentication_of(session: Session, policy: Policy) -> Authentication:
    """What tokens of this session say of the sign-on by `policy`."""
    amr = amr_of(session.factors)
    return Authentication(session.user_id, session.id, session.auth_time, policy.name, amr)
