"""Types that are accepted without effect."""

import pytest

from deputize.gateway.catalogue import HEAP_TYPES
from deputize.gateway.inert import INERT_OBJECTS
from deputize.http.plans import Filter, Handler
from support.gateway import Answering, ask, built, exchange_for, heap_of, instance_for, registry_for, through

STATIC = {"type": "StaticResponseHandler", "config": {"status": 204}}
CONFIGURED = {
    "ScheduledExecutorService": {"corePoolSize": 5, "gracefulStop": True},
    "TemporaryStorage": {"initialLength": "16 KiB", "memoryLimit": 1},
}


@pytest.mark.parametrize("kind", INERT_OBJECTS, ids=lambda kind: kind.__name__)
async def test_a_file_that_declares_it_loads(kind):
    name = kind.__name__
    heap = heap_of(
        {"name": "it", "type": name, "config": CONFIGURED.get(name, {})},
        {"name": "main", **STATIC},
        registry=registry_for(instance_for(), HEAP_TYPES.by_name),
    )
    heap.build_all()
    assert heap.deployment.warnings == []
    assert (await ask(built(Handler, "main", heap), exchange_for())).status == 204


async def test_the_filter_among_them_passes_on():
    heap = heap_of(registry=registry_for(instance_for(), HEAP_TYPES.by_name))
    passing = built(Filter, {"type": "DateHeaderFilter"}, heap)
    assert (await through(passing, exchange_for(), Answering(203))).status == 203
