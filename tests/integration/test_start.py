"""What the programs have loaded once they serve: memory and time at each start are paid for what is used."""

import json
import signal
import subprocess
import sys

import pytest
from demo import programs
from demo.stage import prepare

from support.databases import new_database

PROGRAM = """
import atexit, json, sys
atexit.register(lambda: print(json.dumps(sorted(sys.modules))))
from deputize.cli import main
main()
"""
OF_THE_AUTHORITY = {
    "sqlalchemy",
    "alembic",
    "argon2",
    "jinja2",
    "nh3",
    "yaml",
    "deputize.authority",
    "deputize.oauth.lineage",
}
FOR_TESTS = {"mcp_types", "mcp", "httpx2", "rich", "starlette", "fastapi", "uvicorn"}
"""Also what the sample servers run on, and what the authority loads for its API and console when asked."""


def modules_of(arguments, ready):
    """The names of the modules that a program has loaded between its start and its end, which is asked for
    when it logs `ready`.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        log = []
        for line in process.stderr:
            log.append(line)
            if json.loads(line)["event"] == ready:
                process.send_signal(signal.SIGTERM)
        loaded = process.stdout.read()
    assert process.returncode == 0, log
    return set(json.loads(loaded.splitlines()[-1]))


@pytest.fixture
def stage(tmp_path):
    return prepare(tmp_path / "stage")


@pytest.fixture
def environment(stage, monkeypatch):
    given = programs.gateway_environment(stage, f"{stage.authority_url}/environment/as", "resource", "secret")
    for name, value in given.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("environment")
def test_a_gateway_with_the_use_cases_route_loads_nothing_of_the_authoritys(stage):
    loaded = modules_of(["gateway", "serve", "--instance", str(stage.instance)], "the gateway is ready")
    assert {"deputize.gateway.filters.mcp_protection", "deputize.expressions.compiler"} <= loaded
    assert "deputize.expressions.mapping" not in loaded, "each program speaks one of the two languages"
    assert loaded & {"cedarpy", "sqlite3"} == set(), "policies and budgets are for who has them"
    assert loaded & (OF_THE_AUTHORITY | FOR_TESTS) == set()


def test_an_authority_on_sqlite_loads_nothing_of_the_gateways_and_no_other_database(stage):
    command = ["authority", "serve", "--data", str(stage.data), "--port", str(stage.ports.authority)]
    new_database(stage.data)  # alembic is needed to make one
    loaded = modules_of(command, "authority starts")
    assert {"deputize.authority.signon.pages", "deputize.expressions.compiler"} <= loaded
    assert "deputize.expressions.gateway" not in loaded, "each program speaks one of the two languages"
    unwanted = {"deputize.gateway", "alembic", "sqlalchemy.orm", "sqlalchemy.dialects.postgresql", "psycopg"}
    assert loaded & (unwanted | FOR_TESTS) == set()
