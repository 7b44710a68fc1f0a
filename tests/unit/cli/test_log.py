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


TURNS = """
import asyncio, io, json, sys, threading, types, structlog
from deputize.cli.log import configure_logging

class Stream(io.RawIOBase):
    writes = []
    def write(self, text):
        self.writes.append([json.loads(line)["event"] for line in bytes(text).splitlines()])

sys.stderr = types.SimpleNamespace(buffer=Stream(), write=lambda text: None, flush=lambda: None)
configure_logging()
log = structlog.get_logger()

async def run():
    log.info("first")
    log.info("second")
    thread = threading.Thread(target=log.info, args=["of a thread"])
    thread.start()
    thread.join()
    await asyncio.sleep(0)
    log.info("third")
    log.error("at once")
    log.info("%s", "last")

log.info("before")
asyncio.run(run())
log.info("after")
print(json.dumps(Stream.writes))
"""


def test_what_is_expected_is_written_once_a_turn_and_in_order():
    done = subprocess.run([sys.executable, "-c", TURNS], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [
        ["before"],
        ["of a thread"],
        ["first", "second"],
        ["third"],
        ["at once"],
        ["last"],
        ["after"],
    ]
