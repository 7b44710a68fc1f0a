import json
import subprocess
import sys

PROGRAM = """
import logging, structlog
from deputize.cli.log import configure_logging
configure_logging()
structlog.get_logger().info("ours", count=1)
structlog.get_logger().debug("not worth a line")
logging.getLogger("library").warning('theirs with "quotes"')
logging.getLogger("library").info("not worth a line")
try:
    1 / 0
except ZeroDivisionError:
    structlog.get_logger().exception("failed")
"""


def test_every_line_is_json_on_standard_error():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    ours, theirs, failed = map(json.loads, done.stderr.splitlines())
    assert (ours["event"], ours["count"], ours["level"]) == ("ours", 1, "info")
    assert (theirs["event"], theirs["logger"], theirs["level"]) == (
        'theirs with "quotes"',
        "library",
        "warning",
    )
    assert "ZeroDivisionError" in failed["exception"]
    assert done.stdout == ""
