"""Paths the gateway serves itself, before any route's condition.

Claimed by routes, taken back when they leave.
"""

from collections.abc import Mapping

from deputize.gateway.loading.deployment import Endpoint
from deputize.http.exchange import Handler


class PublishedEndpoints:
    """Endpoints by owner: a routes directory, or the gateway's own configuration. A path has one owner."""

    def __init__(self) -> None:
        self._owned: dict[object, Mapping[str, Endpoint]] = {}
        self._handlers: dict[str, Handler] = {}

    def find(self, path: str) -> Handler | None:
        """The handler of exactly that path."""
        return self._handlers.get(path)

    def elsewhere(self, owner: object, path: str) -> Endpoint | None:
        """What another owner serves at `path`."""
        return next(
            (owned[path] for other, owned in self._owned.items() if other != owner and path in owned), None
        )

    def replace(self, owner: object, endpoints: Mapping[str, Endpoint]) -> None:
        """Serve these endpoints instead of the owner's former ones.

        The owner has asked `elsewhere` before.
        """
        self._owned[owner] = endpoints
        self._publish()

    def withdraw(self, owner: object, endpoints: Mapping[str, Endpoint]) -> None:
        """Serve these no more, unless the owner has replaced them already."""
        if self._owned.get(owner) is endpoints:
            del self._owned[owner]
            self._publish()

    def _publish(self) -> None:
        self._handlers = {
            path: endpoint.handler for owned in self._owned.values() for path, endpoint in owned.items()
        }
