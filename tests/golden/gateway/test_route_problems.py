"""Each `.txt` file holds a route above a line of dashes, and everything the operator is told about it
below.
"""

from pathlib import Path

import pytest

from deputize.gateway.catalogue import HEAP_TYPES
from deputize.gateway.config.file_settings import DEFAULT_OBJECTS
from deputize.gateway.handlers.router import Router
from support.gateway import built, heap_of, instance_for, registry_for

CASES = sorted(Path(__file__).parent.glob("*.txt"))
SEPARATOR = "\n----\n"


def told(route, directory):
    routes = directory / "config" / "routes"
    routes.mkdir(parents=True)
    (routes / "mcp.json").write_text(route, encoding="utf-8")
    heap = heap_of(*DEFAULT_OBJECTS, registry=registry_for(instance_for(directory), HEAP_TYPES.by_name))
    router = built(Router, {"type": "Router"}, heap)
    warnings = [warning for deployed in router.routes.routes for warning in deployed.deployment.warnings]
    lines = [f"error: {error}" for error in router.routes.errors()] + [
        f"warning: {warning}" for warning in warnings
    ]
    return "\n".join(lines).replace(f"{routes}/", "")


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
async def test_what_the_operator_is_told(path, tmp_path):
    route, _, expected = path.read_text(encoding="utf-8").partition(SEPARATOR)
    assert told(route, tmp_path) == expected.strip()
