"""Every heap type by the name configuration calls it.

The folders' tuples, joined, and what other packages add.
"""

from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import cast

from deputize.gateway.audit.objects import AUDIT_OBJECTS
from deputize.gateway.filters import FILTERS
from deputize.gateway.handlers import HANDLERS
from deputize.gateway.loading.context import HeapType
from deputize.gateway.resolvers import RESOLVERS
from deputize.gateway.secrets.objects import SECRET_OBJECTS
from deputize.gateway.throttling import THROTTLING_POLICIES
from deputize.gateway.tls.objects import TLS_OBJECTS
from deputize.kernel.errors import ConfigurationError, Faults, Position

ENTRY_POINT_GROUP = "deputize.gateway"
OWN_TYPES: tuple[HeapType, ...] = (
    *HANDLERS,
    *FILTERS,
    *RESOLVERS,
    *SECRET_OBJECTS,
    *AUDIT_OBJECTS,
    *TLS_OBJECTS,
    *THROTTLING_POLICIES,
)


def type_names(kind: HeapType) -> tuple[str, ...]:
    """The names configuration may use for `kind`, the preferred one first."""
    return (kind.__name__, *getattr(kind, "aliases", ()))


def by_name(kinds: Iterable[HeapType] = OWN_TYPES) -> Mapping[str, HeapType]:
    """`kinds` under each of their names."""
    return {name: kind for kind in kinds for name in type_names(kind)}


def installed() -> Mapping[str, HeapType]:
    """Own types and those of the entry-point group `deputize.gateway`, which cannot replace own ones.

    Raises `ConfigurationError` for entry points that cannot be imported, or are no heap types.
    """
    faults = Faults()
    found = [faults.attempt(_loaded, each) for each in entry_points(group=ENTRY_POINT_GROUP)]
    faults.raise_any()
    return {**by_name(kind for kind in found if kind is not None), **by_name()}


def _loaded(entry: EntryPoint) -> HeapType:
    package = entry.dist.name if entry.dist is not None else "an unknown package"
    position = Position(f"the entry point {entry.name!r} of {package}")
    fix = f"repair or remove {package}, which offers it to the gateway"
    try:
        found = entry.load()
    except Exception as error:
        raise ConfigurationError(
            position, f"{entry.value} cannot be imported: {type(error).__name__}: {error}", fix
        ) from error
    if not hasattr(found, "Config") or not hasattr(found, "build"):
        raise ConfigurationError(
            position, f"{entry.value} is no type of heap object: it lacks Config or build", fix
        )
    return cast("HeapType", found)
