"""Where audit records go, in the order a reader wants."""

from deputize.audit.sinks.json_file import JsonFileSink
from deputize.audit.sinks.stdout import StdoutSink

SINKS = (JsonFileSink, StdoutSink)
