"""Contexts of the gateway's core, and how a context shows itself to expressions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Protocol, TypeAlias, runtime_checkable

from deputize.gateway.config.instance import RouteIdentity
from deputize.kernel.uris import Origin, Target

Shape: TypeAlias = Mapping[str, "Shape | None"]
"""The names that can be read below a name; `None` where any can."""


@runtime_checkable
class BoundContext(Protocol):
    """A context that expressions read as `contexts.<binding_name>`.

    The heap type that leaves it lists the class in its `contexts`; a class attribute `binding_shape` may say
    which members there are.
    """

    binding_name: ClassVar[str]

    def as_binding(self) -> Mapping[str, object]:
        """Members as JSON values or (lazy) mappings of them."""
        ...


@dataclass(slots=True)
class RouterContext:
    """Left by the router: the route that was chosen, and the URI as received, before any filter changed it.

    Not to be changed.
    """

    binding_name: ClassVar[str] = "router"
    binding_shape: ClassVar[Shape] = {"originalUri": None}
    route: RouteIdentity
    original_origin: Origin | None
    original_target: Target

    @property
    def original_uri(self) -> str:
        """The absolute URI as received; only the target when the request named no host."""
        return f"{self.original_origin or ''}{self.original_target}"

    def as_binding(self) -> Mapping[str, object]:
        """`originalUri`."""
        return {"originalUri": self.original_uri}


@dataclass(slots=True)
class AttributesContext:
    """A scratch map for one request, read by expressions as `attributes`."""

    binding_name: ClassVar[str] = "attributes"
    attributes: dict[str, object] = field(default_factory=dict[str, object])

    def as_binding(self) -> Mapping[str, object]:
        """The map itself."""
        return self.attributes
