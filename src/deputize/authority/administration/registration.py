"""Who may introduce themselves as agents: invitations with which programs register.

The frame of registration is among an environment's settings; agents that introduced themselves are agents, of
which some wait until an administrator enables them.
"""

from typing import Final

from deputize.authority.administration.operators import Operator
from deputize.authority.administration.reader import ObjectReader
from deputize.authority.administration.runner import ChangeRunner
from deputize.authority.administration.views import (
    Changed,
    ListPage,
    NoSuchObject,
    ObjectView,
    etag_of,
    moment,
)
from deputize.authority.directory.changes import IssuedSecret
from deputize.authority.directory.objects import EnvironmentObject
from deputize.authority.environment_file.plan import Difference
from deputize.authority.environment_file.problems import EnvironmentFileInvalid
from deputize.authority.storage import InitialAccessToken, ObjectRow, Store
from deputize.kernel.clock import Clock
from deputize.kernel.digests import digest
from deputize.kernel.errors import ConfigurationError, Position
from deputize.kernel.ids import new_id, new_token
from deputize.kernel.values import JsonObject

MAX_USES: Final = 10_000
MAX_LIFETIME: Final = 365 * 86400.0


class Invitations:
    """The initial access tokens (RFC 7591 section 3) of environments."""

    def __init__(self, store: Store, clock: Clock, runner: ChangeRunner, reader: ObjectReader) -> None:
        self._store = store
        self._clock = clock
        self._runner = runner
        self._reader = reader

    async def list(self, operator: Operator, environment_id: str) -> ListPage[ObjectView]:
        """Those that still admit somebody. Raises `NotPermitted`."""
        operator.require_reader()
        found = await self._store.initial_access_tokens.list(environment_id, self._clock.now())
        return ListPage(tuple(map(_view_of_invitation, found)))

    async def create(
        self, operator: Operator, environment_id: str, *, uses: int = 1, lifetime: float = 7 * 86400.0
    ) -> Changed:
        """Draw a token with which `uses` programs may register within `lifetime` seconds.

        It is in `Changed.secrets`, readable there and never again. Raises `NotPermitted`, `NoSuchObject`, and
        `EnvironmentFileInvalid` where the numbers are out of bounds or registration takes no such tokens.
        """

        async def attempt() -> Changed:
            operator.require_administrator()
            _, environment = await self._reader.read(environment_id)
            settings = EnvironmentObject.read(environment.name, environment.document).registration
            if settings is None or not (settings.dynamic and settings.initial_access_tokens):
                reason = f"{environment.name} takes no initial access tokens"
                fix = "set dynamic: true and initial_access_tokens: true in its registration, and apply that"
                raise _invalid("", reason, fix)
            if not 1 <= uses <= MAX_USES:
                raise _invalid("/uses", f"has to be between 1 and {MAX_USES}", "choose another number")
            if not 0 < lifetime <= MAX_LIFETIME:
                raise _invalid("/lifetime", "has to be at most 365 days", "shorten it")
            now, text = self._clock.now(), new_token()
            token = InitialAccessToken(new_id(), environment.id, digest(text), now, now + lifetime, uses)
            await self._store.initial_access_tokens.add(token)
            view = _view_of_invitation(token)
            difference = Difference("invitation", token.id, token.id, None, {"name": token.id, **view.facts})
            owner = ObjectRow(token.id, environment.id, "agent", "", {})
            return Changed(view, (difference,), secrets=(IssuedSecret(owner, text),))

        return await self._runner.run(operator, environment_id, attempt)

    async def withdraw(self, operator: Operator, environment_id: str, token_id: str) -> Changed:
        """Let a token admit nobody any more; agents that came by it stay.

        Raises `NotPermitted` and `NoSuchObject`.
        """

        async def attempt() -> Changed:
            operator.require_administrator()
            if not await self._store.initial_access_tokens.withdraw(environment_id, token_id):
                raise NoSuchObject(f"there is no initial access token {token_id!r}")
            return Changed(None, (Difference("invitation", token_id, token_id, {"name": token_id}, None),))

        return await self._runner.run(operator, environment_id, attempt)


def _invalid(pointer: str, reason: str, fix: str) -> EnvironmentFileInvalid:
    return EnvironmentFileInvalid([ConfigurationError(Position("the invitation", pointer), reason, fix)])


def _view_of_invitation(token: InitialAccessToken) -> ObjectView:
    facts: JsonObject = {
        "created_at": moment(token.created_at),
        "expires_at": moment(token.expires_at),
        "uses_left": token.uses_left,
    }
    return ObjectView("invitation", token.id, token.id, {}, etag_of(token.id, facts), facts)
