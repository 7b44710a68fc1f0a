"""Event handlers: where the records of an audit service go; each is one file."""

from deputize.gateway.audit.event_handlers.event_handler import EventHandlerType
from deputize.gateway.audit.event_handlers.json_file import JsonAuditEventHandler
from deputize.gateway.audit.event_handlers.json_stdout import JsonStdoutAuditEventHandler
from deputize.kernel.families import Family


def _names(kind: EventHandlerType) -> tuple[str, ...]:
    return (kind.java_class,)


def _flaw(found: object) -> str:
    lacking = [name for name in ("java_class", "Config", "build") if not hasattr(found, name)]
    return f"it lacks {' and '.join(lacking)}" if lacking else ""


EVENT_HANDLERS: Family[EventHandlerType] = Family(
    "deputize.audit_event_handlers", (JsonAuditEventHandler, JsonStdoutAuditEventHandler), _names, _flaw
)
