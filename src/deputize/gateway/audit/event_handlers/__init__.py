"""Event handlers: where the records of an audit service go; each is one file."""

from deputize.gateway.audit.event_handlers.authority import AuthorityAuditEventHandler
from deputize.gateway.audit.event_handlers.event_handler import EventHandlerType
from deputize.gateway.audit.event_handlers.json_file import JsonAuditEventHandler
from deputize.gateway.audit.event_handlers.json_stdout import JsonStdoutAuditEventHandler
from deputize.kernel.families import Family, having

EVENT_HANDLERS: Family[EventHandlerType] = Family(
    "deputize.audit_event_handlers",
    (JsonAuditEventHandler, JsonStdoutAuditEventHandler, AuthorityAuditEventHandler),
    lambda kind: (kind.java_class,),
    having("java_class", "Config", "build"),
)
