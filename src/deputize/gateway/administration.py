"""The administration endpoints: health, and figures of the process (gateway-config reference 8.1)."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from deputize.audit.trail import Trail
from deputize.http.exchange import Exchange
from deputize.http.messages import Body, Headers, Response

_HEALTHS: Final = frozenset({"/health/live", "/health/ready", "/health/startup", "/ping"})
_METRICS: Final = "/metrics"
_EXPOSITION: Final = (b"Content-Type", b"text/plain; version=0.0.4; charset=utf-8")


class HealthAndMetrics:
    """Answers health checks, and `/metrics` in Prometheus' text format.

    `is_serving` tells whether the gateway takes traffic; traffic should be sent here while it does and its
    audit is written.
    """

    def __init__(self, is_serving: Callable[[], bool], trail: Trail) -> None:
        self._is_serving = is_serving
        self._trail = trail

    async def handle(self, exchange: Exchange) -> Response:
        """200 when the answer is yes, 503 when it is no, 404 for anything else.

        Only GET and HEAD are asked.
        """
        path = exchange.request.target.path
        if path != _METRICS and path not in _HEALTHS:
            return Response(404)
        if exchange.request.method not in {"GET", "HEAD"}:
            return Response(405, Headers([(b"Allow", b"GET, HEAD")]))
        if path == _METRICS:
            return Response(200, Headers([_EXPOSITION]), Body("".join(self._exposition()).encode()))
        return Response(503 if path == "/health/ready" and not self._is_ready() else 200)

    def _is_ready(self) -> bool:
        return self._is_serving() and not self._trail.is_failing

    def _exposition(self) -> Iterator[str]:
        yield from _metric(
            "deputize_ready", "gauge", "Whether traffic should be sent here.", [("", int(self._is_ready()))]
        )
        figures = [(_label(each.destination), each) for each in self._trail.figures()]
        written = [(label, each.tally.written) for label, each in figures]
        dropped = [(label, each.tally.dropped) for label, each in figures]
        failures = [(label, each.tally.failures) for label, each in figures]
        waiting = [(label, each.waiting) for label, each in figures]
        failing = [(label, int(each.is_failing)) for label, each in figures]
        yield from _metric(
            "deputize_audit_records_written_total", "counter", "Audit records written.", written
        )
        yield from _metric("deputize_audit_records_dropped_total", "counter", "Audit records lost.", dropped)
        yield from _metric(
            "deputize_audit_write_failures_total", "counter", "Attempts to write that failed.", failures
        )
        yield from _metric(
            "deputize_audit_records_waiting",
            "gauge",
            "Audit records kept until they can be written.",
            waiting,
        )
        yield from _metric(
            "deputize_audit_failing", "gauge", "Whether audit records cannot be written now.", failing
        )


def _metric(name: str, kind: str, meaning: str, samples: Iterable[tuple[str, int]]) -> Iterator[str]:
    yield f"# HELP {name} {meaning}\n# TYPE {name} {kind}\n"
    for label, value in samples:
        yield f"{name}{label} {value}\n"


def _label(destination: str) -> str:
    """`destination` as a label; backslash, quote and line feed are escaped, as the format asks for."""
    escaped = destination.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'{{destination="{escaped}"}}'
