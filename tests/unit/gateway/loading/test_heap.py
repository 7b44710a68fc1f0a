import pytest

from deputize.audit.publisher import AuditPublisher
from deputize.gateway.config.settings import InlineObject, Settings
from deputize.gateway.handlers.static_response import StaticResponseHandler
from deputize.gateway.secrets.system_and_env import SystemAndEnvSecretStore
from deputize.http.plans import Filter, Handler
from deputize.kernel.errors import ConfigurationError, Position
from deputize.secrets.secret import SecretStore, generic_secret
from support.gateway import built, heap_of, registry_for

HERE = Position("test.json", "/handler")


def static(name, status=200):
    return {"name": name, "type": "StaticResponseHandler", "config": {"status": status}}


class Counting:
    made = 0

    class Config(Settings):
        pass

    @classmethod
    def build(cls, config, context):
        cls.made += 1
        return cls()

    def plan(self, head):
        raise AssertionError


def test_objects_are_built_once_and_only_when_referred_to():
    heap = heap_of(
        {"name": "one", "type": "Counting"},
        {"name": "two", "type": "Counting"},
        registry=registry_for(types={"Counting": Counting}),
    )
    before = Counting.made
    assert heap.resolve("one", Handler, HERE) is heap.resolve("one", Handler, HERE)
    assert Counting.made == before + 1


def test_name_is_looked_up_in_the_parent_and_hidden_by_an_own_one():
    parent = heap_of(static("shared", 201), static("outer", 202))
    child = heap_of(static("shared", 203), parent=parent)
    assert child.resolve("outer", Handler, HERE) is parent.resolve("outer", Handler, HERE)
    assert child.resolve("shared", Handler, HERE) is not parent.resolve("shared", Handler, HERE)


def test_type_may_be_a_java_class_name():
    assert isinstance(
        built(
            Handler, {"type": "org.forgerock.openig.handler.StaticResponseHandler", "config": {"status": 204}}
        ),
        StaticResponseHandler,
    )


def test_circle_is_refused():
    chain = [
        {"name": name, "type": "Chain", "config": {"handler": other}}
        for name, other in (("a", "b"), ("b", "a"))
    ]
    with pytest.raises(ConfigurationError, match="a -> b -> a refer to each other in a circle"):
        heap_of(*chain).build_all()


def test_a_failed_build_is_tried_again():
    heap = heap_of({"name": "a", "type": "Chain", "config": {"handler": "missing"}})
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="no heap object is named 'missing'"):
            heap.build_all()


def test_wrong_kind_is_refused():
    with pytest.raises(
        ConfigurationError, match="'one' is a StaticResponseHandler, where a filter is needed"
    ):
        heap_of(static("one")).resolve("one", Filter, HERE)


def test_an_audit_service_is_named_as_in_configuration():
    service = {"name": "AuditService", "type": "AuditService", "config": {"eventHandlers": []}}
    heap = heap_of(service, static("one"))
    with pytest.raises(
        ConfigurationError, match="'one' is a StaticResponseHandler, where an audit service is"
    ):
        heap.resolve("one", AuditPublisher, HERE)
    with pytest.raises(
        ConfigurationError, match="'AuditService' is an AuditService, where a filter is needed"
    ):
        heap.resolve("AuditService", Filter, HERE)


def test_unknown_name_suggests_similar_ones():
    with pytest.raises(ConfigurationError, match=r"did you mean backend\?"):
        heap_of(static("backend")).resolve("backnd", Handler, HERE)


def test_unknown_type_suggests_similar_ones():
    with pytest.raises(ConfigurationError, match="did you mean StaticResponseHandler") as raised:
        built(Handler, {"type": "StaticResponseHandlr"})
    assert raised.value.position.pointer == "/handler/type"


def test_same_name_twice_is_refused():
    with pytest.raises(ConfigurationError, match="declared twice"):
        heap_of(static("one"), static("one")).build_all()


@pytest.mark.parametrize("members", [{"type": "Chain"}, {"name": "", "type": "Chain"}, "text", 5])
def test_declarations_without_a_name_are_refused(members):
    with pytest.raises(ConfigurationError):
        heap_of(members).build_all()


def test_error_in_config_points_at_the_key():
    with pytest.raises(ConfigurationError) as raised:
        built(Handler, {"type": "StaticResponseHandler", "config": {"status": "many"}})
    assert raised.value.position.pointer == "/handler/config/status"


def test_missing_key_says_so():
    with pytest.raises(ConfigurationError, match="'status' is required"):
        built(Handler, {"type": "StaticResponseHandler"})


def test_unknown_keys_are_warned_about():
    heap = heap_of()
    built(
        Handler,
        {
            "type": "StaticResponseHandler",
            "colour": "red",
            "config": {"status": 200, "entiti": "x", "baseURI": "http://a"},
        },
        heap,
    )
    texts = [f"{each.position.pointer}: {each.reason}; {each.fix}" for each in heap.deployment.warnings]
    assert texts == [
        "/handler/config/entiti: StaticResponseHandler does not read 'entiti'; did you mean 'entity'?",
        "/handler/config/baseURI: 'baseURI' inside 'config' has no effect; move 'baseURI' up, beside 'type'",
        "/handler/colour: the object does not read 'colour'; ",
    ]


def test_properties_are_seen_by_expressions():
    heap = heap_of(properties={"code": 207, "group": {"inner": "x"}})
    handler = built(
        StaticResponseHandler,
        {"type": "StaticResponseHandler", "config": {"status": "${code}", "reason": "${heap.group.inner}"}},
        heap,
    )
    assert handler._config.status == 207
    assert handler._config.reason == "x"


class Keyed:
    """Reads its secret while it is built, as the samples of extensions do."""

    class Config(Settings):
        store: str

    @classmethod
    def build(cls, config, context):
        return generic_secret(context.refer(config.store, SecretStore, "store"), "upstream.key")


@pytest.mark.parametrize("place", ["/heap/1", "/handler"])
def test_what_a_build_raises_on_purpose_is_located_at_the_object(place):
    store = {"name": "Secrets", "type": "SystemAndEnvSecretStore"}
    heap = heap_of(
        store,
        registry=registry_for(types={"SystemAndEnvSecretStore": SystemAndEnvSecretStore, "Keyed": Keyed}),
    )
    with pytest.raises(ConfigurationError) as caught:
        heap.resolve(
            InlineObject({"type": "Keyed", "config": {"store": "Secrets"}}),
            object,
            Position("test.json", place),
        )
    assert caught.value.position == Position("test.json", place)
    assert caught.value.reason == (
        "Keyed cannot be built: secret 'upstream.key' of SystemAndEnvSecretStore: "
        "environment variable UPSTREAM_KEY does not exist"
    )
