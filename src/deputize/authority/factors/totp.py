"""Codes of authenticator apps (RFC 6238): six digits, a new one every 30 seconds, each good once.

A secret is kept under a seal of the environment's server key, and shown only while it is set up.
"""

import hmac
from base64 import b32encode
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urlencode

from markupsafe import Markup

from deputize.authority.services import Services
from deputize.kernel.digests import digest
from deputize.kernel.ids import new_id, random_bytes
from deputize.oauth.records.store import Factor, User
from deputize.secrets.sealing import TextSeal

STEP: Final = 30
"""Seconds that a code is shown for."""
WINDOW: Final = 1
"""Steps before and after the present one whose codes count too, for clocks differ."""
_SECRET_BYTES: Final = 20
_PURPOSE: Final = "totp"


def new_secret() -> str:
    """Draw a secret of 160 bits (RFC 4226 section 4), as apps read it: in base32."""
    return b32encode(random_bytes(_SECRET_BYTES)).decode("ascii")


def address(user: User, environment_name: str, secret: str) -> str:
    """Write what an app has to know as the URI that QR codes hold."""
    label = quote(f"{environment_name}:{user.username}", safe="")
    return (
        f"otpauth://totp/{label}?{urlencode({'secret': secret, 'issuer': environment_name}, quote_via=quote)}"
    )


def picture(uri: str) -> str:
    """Draw the QR code of a URI as SVG, without styles, on white also where the page is dark."""
    import segno  # noqa: PLC0415

    return segno.make(uri, error="m").svg_inline(border=4, scale=4, light="#fff", omitsize=False)


def find_step(secret: str, code: str, now: float, after: int) -> int | None:
    """Return the time step whose code this is, in `WINDOW` and after the step `after`; `None` without one.

    All candidates are compared, each in constant time.
    """
    from pyotp.totp import TOTP  # noqa: PLC0415

    app, present = TOTP(secret), int(now) // STEP
    typed = "".join(code.split())
    found = None
    for step in range(present - WINDOW, present + WINDOW + 1):
        if hmac.compare_digest(app.generate_otp(step).encode(), typed.encode()) and step > after:
            found = step
    return found


async def seal_of(services: Services, environment_id: str) -> TextSeal:
    """Return what an environment's secrets are sealed with; each with the `binding` of its user."""
    key = await services.store.server_keys.server_key(environment_id, _PURPOSE)
    return TextSeal(lambda: (key,))


def binding(environment_id: str, user_id: str) -> bytes:
    """Return what keeps a sealed secret one user's alone."""
    return f"{environment_id} {user_id}".encode()


async def open_secret(services: Services, environment_id: str, user_id: str, sealed: str) -> str | None:
    """Return the secret under a seal; `None` where that is not one of this user's."""
    return (await seal_of(services, environment_id)).open(sealed, binding(environment_id, user_id))


def describe(user: User, environment_name: str, seal: TextSeal, sealed: str = "") -> Mapping[str, object]:
    """Say what a page shows to an app: the secret under the seal `sealed`, or a new one."""
    mine = binding(user.environment_id, user.id)
    secret = (seal.open(sealed, mine) if sealed else None) or new_secret()
    uri = address(user, environment_name, secret)
    return {
        "secret": " ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
        "address": uri,
        "picture": Markup(picture(uri)),  # noqa: S704 - drawn here, and percent-encoded
        "sealed": seal.seal(secret, mine),
    }


async def enrol(services: Services, user: User, sealed: str, code: str, now: float) -> bool:
    """Keep the app whose sealed secret was shown, once it shows the right code; whether it did.

    That code does not count again. False too where the user has an app already.
    """
    secret = await open_secret(services, user.environment_id, user.id, sealed)
    step = find_step(secret, code, now, 0) if secret else None
    if step is None:
        return False
    factor = Factor(
        id=new_id(),
        environment_id=user.environment_id,
        user_id=user.id,
        kind="totp",
        key=app_key(user),
        name="",
        material=sealed,
        counter=step,
        created_at=now,
    )
    return await services.store.factors.add_factor(factor, 1)


async def use_code(services: Services, app: Factor, code: str, now: float) -> bool:
    """Return whether `code` is one that the app shows now and nobody used before; it is used up then."""
    secret = await open_secret(services, app.environment_id, app.user_id, app.material)
    step = find_step(secret, code, now, app.counter) if secret else None
    return step is not None and await services.store.factors.use_factor(app, step, now)


def app_key(user: User) -> str:
    """Return the key of a user's one authenticator app."""
    return digest(user.id)
