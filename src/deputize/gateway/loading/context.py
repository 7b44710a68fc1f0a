"""What a heap object meets when it is built.

Where it stands, what it may refer to, and what it may register.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from deputize.audit.records import RouteIdentity
from deputize.expressions import Condition, Template
from deputize.gateway.config.instance import Instance
from deputize.gateway.config.settings import Reference, Settings
from deputize.gateway.exchange import bindings
from deputize.gateway.exchange.conditions import PlacedCondition
from deputize.http.exchange import Exchange, Handler
from deputize.http.messages import Response
from deputize.kernel.errors import ConfigurationError, Position
from deputize.kernel.pointers import join

Wanted = TypeVar("Wanted")
Closer = Callable[[], Awaitable[None]]
Job = Callable[[], Awaitable[None]]


class HeapType(Protocol):
    """A class listed in a catalogue tuple.

    Its `__name__`, and each of its optional `aliases`, is the `type` in configuration.

    What it leaves for expressions to read it lists in an optional `contexts`, a tuple of context classes.
    """

    __name__: str

    @property
    def Config(self) -> type[Settings]:  # noqa: N802 - the nested class of every heap type
        """What the object's `config` holds."""
        ...

    def build(self, config: Any, site: "Site") -> object:  # noqa: ANN401 - each type takes its own Config
        """Make the object (a class method). Raises `ConfigurationError`, best through `site.error`."""
        ...


class Surroundings(Protocol):
    """What stands behind a site: the heap the object is built in, and the deployment that heap belongs to."""

    def resolve(self, reference: Reference, kind: type[Wanted], position: Position) -> Wanted:
        """The heap object meant by `reference`, of that kind. Raises `ConfigurationError`."""
        ...

    def publish_endpoint(self, path: str, handler: Handler, position: Position) -> None:
        """Serve `path` on the gateway itself. Raises `ConfigurationError` when another route does."""
        ...

    def on_close(self, closer: Closer) -> None:
        """Remember what to await when the deployment is retired."""
        ...

    def every(self, interval: float, job: Job) -> None:
        """Await `job()` each `interval` seconds while deployed."""
        ...

    def warn(self, warning: ConfigurationError) -> None:
        """Tell the operator of something that works but is probably not meant."""
        ...

    def examine(self, template: Template, position: Position) -> None:
        """Warn about names in a runtime expression that are always missing.

        Raises `ConfigurationError` for unknown ones.
        """
        ...

    @property
    def properties(self) -> Mapping[str, object]:
        """The properties in force, as names for expressions."""
        ...


@dataclass(frozen=True, slots=True)
class Site:
    """Handed to `build`.

    `position` is that of the heap object; `key` arguments are keys inside its `config` ("filters/0" for a
    list).
    """

    name: str
    position: Position
    instance: Instance
    route: RouteIdentity | None
    surroundings: Surroundings

    @property
    def pointer(self) -> str:
        """The JSON pointer of the heap object in its file."""
        return self.position.pointer

    def refer(self, reference: Reference, kind: type[Wanted], key: str) -> Wanted:
        """The named or inline object at `key`; it must be of `kind`, a class or runtime-checkable protocol.

        Raises `ConfigurationError`.
        """
        return self.surroundings.resolve(reference, kind, self._at(key))

    def publish_endpoint(self, path: str, handler: Handler, key: str = "") -> None:
        """Serve the exact `path` on the gateway itself, outside the route's condition, while the route is
        deployed.
        """
        self.surroundings.publish_endpoint(path, handler, self._at(key))

    def on_close(self, closer: Closer) -> None:
        """Await `closer()` when the object is retired and no exchange uses it any more."""
        self.surroundings.on_close(closer)

    def every(self, interval: float, job: Job) -> None:
        """Await `job()` each `interval` seconds while the object is deployed; what it raises is logged."""
        self.surroundings.every(interval, job)

    def bindings(self, exchange: Exchange, response: Response | None = None) -> Mapping[str, object]:
        """What runtime expressions of this object see; parts are computed when first read."""
        return bindings.Bindings(exchange, response, self.instance, self.surroundings.properties)

    def text(self, template: Template, exchange: Exchange, response: Response | None = None) -> str | None:
        """The text a runtime expression yields, `None` for null or missing. Raises `ExpressionError`."""
        return bindings.as_text(template.evaluate(self.bindings(exchange, response)))

    def texts(self, template: Template, exchange: Exchange, response: Response | None = None) -> list[str]:
        """The header values a runtime expression yields: one for each element of a list.

        Raises `ExpressionError`.
        """
        return bindings.as_texts(template.evaluate(self.bindings(exchange, response)))

    def condition(self, condition: Condition, key: str) -> PlacedCondition:
        """The condition at `key`, ready to decide for exchanges."""
        return PlacedCondition(condition, self._at(key), self.bindings)

    def error(self, key: str, reason: str, fix: str = "") -> ConfigurationError:
        """An error at `key` for the caller to raise."""
        return ConfigurationError(self._at(key), reason, fix)

    def warn(self, key: str, reason: str, fix: str = "") -> None:
        """Report at `key` something that works but is probably not meant."""
        self.surroundings.warn(ConfigurationError(self._at(key), reason, fix))

    def _at(self, key: str) -> Position:
        pointer = join(self.position.pointer, "config", *key.split("/")) if key else self.position.pointer
        return Position(self.position.file, pointer)
