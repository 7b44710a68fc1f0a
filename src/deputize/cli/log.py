"""The log of both servers: one JSON object a line on standard error, the same for people and collectors."""

import contextlib
import json
import logging
import sys
from typing import IO

import structlog

_JSON = json.JSONEncoder(default=repr)
"""Made once: structlog's own renderer makes one for each line, which costs more than the line."""


def configure_logging() -> None:
    """Send this process's log to standard error: our lines from INFO on, libraries' from WARNING on."""
    writer = _LineWriter(sys.stderr.buffer)
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            lambda _logger, _method, event: _JSON.encode(event).encode(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_: writer,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


class _LineWriter:
    """Writes lines to a stream whose reader may be gone, or whose disk may be full.

    Lines are lost then, and nothing else fails.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def write(self, line: bytes) -> None:
        """Write the line, or lose it."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(line + b"\n")
            self._stream.flush()

    debug = info = warning = error = critical = write


class _JsonFormatter(logging.Formatter):
    """Formats the log lines of libraries like our own."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line of JSON."""
        line = {
            "logger": record.name,
            "event": super().format(record),
            "level": record.levelname.lower(),
            "timestamp": self.formatTime(record),
        }
        return json.dumps(line)
