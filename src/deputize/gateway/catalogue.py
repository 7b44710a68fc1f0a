"""Every heap type by the name configuration calls it: the folders' tuples, joined, and what other packages add."""

from collections.abc import Iterable, Mapping
from importlib.metadata import entry_points
from typing import cast

from deputize.gateway.audit_objects import AUDIT_OBJECTS
from deputize.gateway.filters import FILTERS
from deputize.gateway.handlers import HANDLERS
from deputize.gateway.resolvers import RESOLVERS
from deputize.gateway.secret_objects import SECRET_OBJECTS
from deputize.gateway.site import HeapType
from deputize.gateway.throttling import THROTTLING_POLICIES
from deputize.gateway.tls import TLS_OBJECTS

ENTRY_POINT_GROUP = "deputize.gateway"
OWN_TYPES: tuple[HeapType, ...] = (*HANDLERS, *FILTERS, *RESOLVERS, *SECRET_OBJECTS, *AUDIT_OBJECTS, *TLS_OBJECTS, *THROTTLING_POLICIES)


def type_names(kind: HeapType) -> tuple[str, ...]:
    """The names configuration may use for `kind`, the preferred one first."""
    return (kind.__name__, *getattr(kind, "aliases", ()))


def by_name(kinds: Iterable[HeapType] = OWN_TYPES) -> Mapping[str, HeapType]:
    """`kinds` under each of their names."""
    return {name: kind for kind in kinds for name in type_names(kind)}


def installed() -> Mapping[str, HeapType]:
    """Own types and those of the entry-point group `deputize.gateway`, which cannot replace own ones."""
    outside = [cast("HeapType", each.load()) for each in entry_points(group=ENTRY_POINT_GROUP)]
    return {**by_name(outside), **by_name()}
