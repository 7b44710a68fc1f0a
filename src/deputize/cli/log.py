"""How the programs log: one JSON object a line on standard error, so that people and collectors read the same."""

import logging
import sys

import structlog


def configure_logging(level: int = logging.INFO) -> None:
    """Send every log line of this process to standard error; libraries' lines from WARNING on."""
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format='{"level":"%(levelname)s","logger":"%(name)s","event":"%(message)s"}'
    )
