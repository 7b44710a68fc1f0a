"""Values that only this environment's servers can make.

What a page or an address carries is believed when its seal is right.
"""

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode

from deputize.authority.services import Services

_KEY = "sign-on"


async def seal(services: Services, environment_id: str, purpose: str, *parts: str) -> str:
    """256 bits, URL-safe, computed from `parts` with the environment's server key.

    `purpose` keeps a seal from being good for anything else, and the parts are told apart, so `("a", "bc")`
    is not `("ab", "c")`.
    """
    key = await services.store.server_keys.server_key(environment_id, _KEY)
    sealed = hmac.digest(key, json.dumps([purpose, *parts]).encode(), hashlib.sha256)
    return urlsafe_b64encode(sealed).rstrip(b"=").decode()
