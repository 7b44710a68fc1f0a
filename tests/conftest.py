"""Property tests draw the same examples each time, so that a red run is red again.

`HYPOTHESIS_PROFILE=search` draws new and more, `HYPOTHESIS_PROFILE=full` what `make test-all` draws.
"""

import gc
import os
import shutil
import signal
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers
from joserfc.jwk import JWKRegistry
from xdist.scheduler import LoadScopeScheduling

from support.databases import make_tables_by_copying, share_compiled_statements
from support.examples import PROFILE, SHARES, examples

for name in SHARES:
    settings.register_profile(
        name,
        derandomize=name != "search",
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        max_examples=examples(100),
    )
settings.load_profile(PROFILE)

# Hypothesis draws constants, too, that it finds in the source of whatever happens to be loaded: seconds to
# look for, and other examples when a file runs by itself.
if PROFILE == "short":
    providers._get_local_constants = providers.Constants

# Every commit waits for the disk, and the fast suite makes thousands: where memory can hold its files, it
# does.
MEMORY, ENOUGH = Path("/dev/shm"), 4 * 2**30
if (
    PROFILE == "short"
    and "TMPDIR" not in os.environ
    and os.access(MEMORY, os.W_OK | os.X_OK)
    and shutil.disk_usage(MEMORY).free > ENOUGH
):
    os.environ["TMPDIR"] = str(MEMORY)
    tempfile.tempdir = None  # looked up anew

# httpx2 asks for this package at each request without sockets, and a miss looks through every folder.
if find_spec("sniffio") is None:
    sys.modules["sniffio"] = None

# asyncio sets a handler of its own for each run of a loop, several a test, unless there is one; to do that,
# Python renders the loop's whole task as text.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, lambda number, frame: signal.default_int_handler(number, frame))

# structlog's own default renders tracebacks with the local variables of every frame: seconds for each error
# that a test provokes.
structlog.configure(
    processors=[
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)


RSA_KEYS = 8


def share_rsa_keys():
    """Let RSA keys take turns: to make one takes 0.1 s, and an environment of a test has two."""
    made, generate = [], JWKRegistry.generate_key

    def generate_or_share(kind, *more, **rest):
        if kind != "RSA":
            return generate(kind, *more, **rest)
        made.append(generate(kind, *more, **rest) if len(made) < RSA_KEYS else made.pop(0))
        return made[-1]

    JWKRegistry.generate_key = generate_or_share


def send_only_what_counts(config):
    """Keep a worker from telling the controller of each test's begin, preparation, clearing away and end.

    They are most of what the two say to each other, and nobody asks for them in the fast suite.
    """
    wanted = config.option
    worker = next((each for each in config.pluginmanager.get_plugins() if hasattr(each, "sendevent")), None)
    if worker is None or wanted.verbose > 0 or wanted.durations or wanted.xmlpath:
        return
    send = worker.sendevent

    def send_what_counts(name, **message):
        report = message.get("data") if name == "testreport" else None
        if name in {"logstart", "logfinish"}:
            return
        if report is None or report["outcome"] != "passed" or report["when"] == "call":
            send(name, **message)

    worker.sendevent = send_what_counts


gc.disable()  # until all tests are known: nothing that importing and collecting them leaves behind goes away


def pytest_collection_finish(session):
    """Keep the collector from looking through thousands of tests each time that one of them asks for it.

    What modules have made until then stays theirs alone.
    """
    gc.collect()
    gc.freeze()
    gc.enable()
    gc.set_threshold(5_000)  # Python's own 700 takes a thirtieth of the whole time
    if PROFILE == "short":
        share_rsa_keys()  # not before: what a module made is never to have the key of a stranger
        make_tables_by_copying()
        share_compiled_statements()
        send_only_what_counts(session.config)


tests_since_collection = 0


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item, nextitem):
    """Do the same after some files, whose caches and modules stay."""
    global tests_since_collection
    result = yield
    tests_since_collection += 1
    if nextitem is None or (nextitem.path != item.path and tests_since_collection > 100):
        gc.collect()
        gc.freeze()
        tests_since_collection = 0
    return result


SHARED_FOLDERS = ("tests/e2e/", "tests/architecture/")
"""Whose tests share something expensive: running programs, the parsed source."""


class FilesToWorkers(LoadScopeScheduling):
    """One worker runs a file, and one a folder whose tests share something.

    xdist's own groups need a part of node ids that pytest 9.2 no longer has.
    """

    def _split_scope(self, nodeid):
        file = nodeid.partition("::")[0]
        return next((folder for folder in SHARED_FOLDERS if file.startswith(folder)), file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    return FilesToWorkers(config, log)
