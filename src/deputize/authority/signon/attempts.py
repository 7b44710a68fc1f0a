"""How often anybody may try to be somebody, from where, and what locks a name."""

from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address, ip_network

from deputize.authority.passwords import TooBusy
from deputize.authority.services import Services
from deputize.authority.signon.browser import browser_known_as
from deputize.authority.signon.step import Situation
from deputize.kernel.errors import DeputizeError
from deputize.oauth.ports import Throttle
from deputize.oauth.records.store import User

NETWORK = Throttle(free=6, first_wait=900, longest_wait=900, memory=900)
"""How often the password of one name may be guessed from one network."""
NAME = Throttle(free=30, first_wait=1, longest_wait=300, memory=3600)
"""The same from all networks together: attackers who have many wait longer and longer.

One network alone does not get so far.
"""
KNOWN_BROWSER = Throttle(free=6, first_wait=900, longest_wait=900, memory=900)
"""The same in a browser where that user signed on before, which waits for nobody else's failures."""

CODE = Throttle(free=6, first_wait=60, longest_wait=3600, memory=86400)
"""How often a second factor's code may be wrong for one user: at most 30 guesses a day or so, for three of a
million codes count at a time.
"""


class TooManyFailures(DeputizeError):
    """Whoever is there has to wait before they try again to be that user."""

    def __init__(self, until: float) -> None:
        """Keep until when, in seconds since the epoch."""
        super().__init__("too many failures")
        self.until = until


async def is_password(
    username: str, user: User | None, password: str, situation: Situation, services: Services
) -> bool:
    """Return whether `password` is that of the user of that name; it takes as long where there is none.

    A wrong one counts as a failure; the right one of an enabled user makes earlier ones forgotten. Raises
    `TooManyFailures`, and `TooBusy`, which counts as no attempt.
    """
    failures, environment_id = services.store.sign_on_failures, situation.environment.id
    network = network_of(situation.address)
    counts_for = await choose_throttles(user, network, situation, services)
    if locked_until := await failures.begin_attempt(environment_id, username, counts_for, situation.now):
        raise TooManyFailures(locked_until)
    try:
        accepted = await services.passwords.verify(user.password_hash if user else "", password, network)
    except TooBusy:
        await failures.take_back_attempt(environment_id, username, counts_for)
        raise
    if user and accepted and user.enabled:
        await failures.forget_attempts(environment_id, username, counts_for)
    return accepted


async def choose_throttles(
    user: User | None, network: str, situation: Situation, services: Services
) -> Mapping[str, Throttle]:
    """Choose what an attempt counts for. Where the user signed on before, nobody else's failures count."""
    if user:
        known_as = await browser_known_as(services, situation.environment.id, situation.known_users, user.id)
        if known_as:
            return {f"browser {known_as}": KNOWN_BROWSER}
    return {"": NAME, f"network {network}": NETWORK}


async def choose_code_throttles(
    user: User, situation: Situation, services: Services
) -> Mapping[str, Throttle]:
    """Choose what an attempt at a code counts for, which only who knows the password makes.

    Where the user signed on before, nobody else's count.
    """
    known_as = await browser_known_as(services, situation.environment.id, situation.known_users, user.id)
    return {f"code browser {known_as}" if known_as else "code": CODE}


def network_of(address: str | None) -> str:
    """Return what counts as one source.

    That is an IPv4 address, or the 64 bits of an IPv6 address that whoever has it chooses from at will.
    """
    try:
        ip = ip_address(address or "")
    except ValueError:
        return ""
    is_version_6 = isinstance(ip, IPv6Address) and not ip.ipv4_mapped
    return str(ip_network((ip, 64), strict=False)) if is_version_6 else str(ip)
