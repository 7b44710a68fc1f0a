"""Every heap type by the names configuration calls it: the folders' tuples, and what other packages add."""

from deputize.expressions.functions.gateway import GATEWAY_FUNCTIONS
from deputize.gateway.audit import AUDIT_OBJECTS
from deputize.gateway.audit.event_handlers import EVENT_HANDLERS
from deputize.gateway.decorators import DECORATORS
from deputize.gateway.filters import FILTERS
from deputize.gateway.handlers import HANDLERS
from deputize.gateway.inert import INERT_OBJECTS
from deputize.gateway.loading.context import HeapType
from deputize.gateway.policies import POLICIES
from deputize.gateway.resolvers import RESOLVERS
from deputize.gateway.secrets import SECRET_OBJECTS
from deputize.gateway.throttling import THROTTLING_POLICIES
from deputize.gateway.tls import TLS_OBJECTS
from deputize.kernel.families import Family, having
from deputize.secrets.formats import FORMATS


def type_names(kind: HeapType) -> tuple[str, ...]:
    """The names configuration may use for `kind`, the preferred one first."""
    return (kind.__name__, *getattr(kind, "aliases", ()))


HEAP_TYPES: Family[HeapType] = Family(
    "deputize.gateway",
    (
        *HANDLERS,
        *FILTERS,
        *RESOLVERS,
        *SECRET_OBJECTS,
        *AUDIT_OBJECTS,
        *TLS_OBJECTS,
        *THROTTLING_POLICIES,
        *POLICIES,
        *DECORATORS,
        *INERT_OBJECTS,
    ),
    type_names,
    having("Config", "build"),
)
FAMILIES = (HEAP_TYPES, GATEWAY_FUNCTIONS, FORMATS, EVENT_HANDLERS)
"""What other packages may add to."""
