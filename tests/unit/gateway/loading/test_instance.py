"""What global files publish, and how they meet the routes."""

import pytest

from deputize.gateway.config.settings import Settings
from deputize.gateway.loading.instance import load
from deputize.kernel.errors import ConfigurationError
from support.gateway import TYPES, Answering, FixedClock, ask, exchange_for, write_json


class Announcing:
    class Config(Settings):
        path: str

    @classmethod
    def build(cls, config, context):
        context.publish_endpoint(config.path, Answering(299), "path")
        return Answering(200)


PUBLISHING = {"type": "Announcing", "config": {"path": "/own"}}


async def loaded(directory, **config):
    write_json(directory / "config" / "config.json", config)
    write_json(directory / "config" / "admin.json", {"connectors": [{"port": 0}], "streamingEnabled": True})
    return await load(directory, {}, FixedClock(), {**TYPES, "Announcing": Announcing})


@pytest.mark.parametrize(
    "config", [{"heap": [{"name": "x", **PUBLISHING}], "handler": "x"}, {"handler": PUBLISHING}]
)
async def test_objects_of_global_files_publish(tmp_path, config):
    instance = await loaded(tmp_path, **config)
    answers = [await ask(instance.entry, exchange_for(path)) for path in ("/own", "/other")]
    assert [answer.status for answer in answers] == [299, 200]


async def test_a_route_cannot_serve_what_global_files_publish(tmp_path):
    write_json(tmp_path / "config" / "routes" / "a.json", {"handler": PUBLISHING})
    instance = await loaded(tmp_path, heap=[{"name": "x", **PUBLISHING}], handler={"type": "Router"})
    assert ["already served" in error.reason for error in instance.errors()] == [True]
    await instance.deployment.close()


async def test_nor_the_other_way_round(tmp_path):
    write_json(tmp_path / "config" / "routes" / "a.json", {"handler": PUBLISHING})
    chain = {
        "type": "DispatchHandler",
        "config": {"bindings": [{"handler": {"type": "Router"}}, {"handler": PUBLISHING}]},
    }
    with pytest.raises(ConfigurationError, match="already served"):
        await loaded(tmp_path, handler=chain)


async def test_tokens_and_properties_reach_routes(tmp_path):
    handler = {
        "type": "StaticResponseHandler",
        "config": {"status": {"$int": "&{code}"}, "entity": "${greeting} &{ig.instance.dir}"},
    }
    write_json(tmp_path / "config" / "routes" / "a.json", {"handler": handler})
    instance = await loaded(
        tmp_path, properties={"code": 207, "greeting": "hello from"}, handler={"type": "Router"}
    )
    answer = await ask(instance.entry, exchange_for())
    assert (answer.status, answer.body.buffered.decode()) == (207, f"hello from {tmp_path}")
    assert list(instance.errors()) == []
    await instance.deployment.close()


async def test_global_decorators_reach_routes(tmp_path):
    handler = {"type": "StaticResponseHandler", "config": {"status": 200, "entity": "${request.uri.host}"}}
    write_json(tmp_path / "config" / "routes" / "a.json", {"handler": handler})
    instance = await loaded(
        tmp_path, globalDecorators={"baseURI": "http://everywhere"}, handler={"type": "Router"}
    )
    assert (await ask(instance.entry, exchange_for())).body.buffered == b"everywhere"
    await instance.deployment.close()


async def test_unknown_keys_of_global_files_are_warned_about(tmp_path):
    instance = await loaded(
        tmp_path, handler={"type": "StaticResponseHandler", "config": {"status": 200}}, hander=1
    )
    reasons = [each.reason for each in instance.warnings()]
    assert reasons[0] == "config.json does not read 'hander'"
    assert len(reasons) == 2  # the test's connector speaks clear text on every address
