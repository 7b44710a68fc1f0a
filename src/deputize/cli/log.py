"""How the programs log: one JSON object a line on standard error, so that people and collectors read the same."""

import json
import logging
import sys

import structlog


def configure_logging() -> None:
    """Send this process's log to standard error: our lines from INFO on, libraries' from WARNING on."""
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


class _JsonFormatter(logging.Formatter):
    """What libraries log, in the shape of our own lines."""

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON."""
        line = {
            "logger": record.name,
            "event": super().format(record),
            "level": record.levelname.lower(),
            "timestamp": self.formatTime(record),
        }
        return json.dumps(line)
