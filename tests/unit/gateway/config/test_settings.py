import pytest
from pydantic import Field, ValidationError

from deputize.gateway.config.settings import (
    Duration,
    OneOrMore,
    Reference,
    Settings,
    TemplateText,
    warnings_about,
)
from deputize.kernel.errors import Position


class Inner(Settings):
    scan_interval: Duration = 1.0


class Sample(Settings):
    so_timeout: Duration = 10.0
    base_uri: str | None = Field(None, alias="baseURI")
    handler: Reference | None = None
    text: TemplateText | None = None
    names: OneOrMore[str] = ()
    inner: Inner | None = None


def read(document, **bindings):
    return Sample.model_validate(document, context=bindings)


def test_names_are_read_in_camel_case():
    settings = read({"soTimeout": "20 seconds", "baseURI": "http://a", "names": "one"})
    assert (settings.so_timeout, settings.base_uri, settings.names) == (20.0, "http://a", ("one",))


def test_no_duration_is_longer_than_a_hundred_years():
    assert read({"soTimeout": "36500 days"}).so_timeout == 36_500 * 86_400
    with pytest.raises(ValidationError, match="is longer than 36500 days, the longest duration"):
        read({"soTimeout": "999999999999 days and 1 day"})


def test_unlimited_duration_is_none():
    assert read({"soTimeout": "unlimited"}).so_timeout is None


@pytest.mark.parametrize("value", [20, "soon", None, True])
def test_duration_refuses_other_values(value):
    with pytest.raises(ValidationError):
        read({"soTimeout": value})


def test_configuration_expressions_are_evaluated_at_load():
    settings = read({"baseURI": "http://${env.HOST}:80", "names": ["${env.HOST}"]}, env={"HOST": "h"})
    assert (settings.base_uri, settings.names) == ("http://h:80", ("h",))


@pytest.mark.parametrize(
    "expression", ["evn.HOST", "request.method", "contexts.client.remoteAddress", "env.HOST == session.x"]
)
def test_a_name_that_is_not_known_at_load_is_an_error_at_its_place(expression):
    with pytest.raises(ValidationError) as raised:
        read({"baseURI": "http://a", "names": ["a", "${" + expression + "}"]}, env={})
    (error,) = raised.value.errors()
    assert error["loc"] == ("names", 1)
    assert "when the configuration is loaded" in error["msg"]


def test_texts_that_no_field_reads_are_not_evaluated():
    assert read({"decoration": "${request.uri.host}"}, env={}).model_extra == {
        "decoration": "${request.uri.host}"
    }


def test_runtime_expressions_and_references_are_left_alone():
    inline = {"type": "StaticResponseHandler", "config": {"entity": "${request.method}"}}
    settings = read({"text": "${request.method}", "handler": inline})
    assert settings.text.evaluate({"request": {"method": "GET"}}) == "GET"
    assert settings.handler == inline


def test_broken_expression_names_the_place_in_it():
    with pytest.raises(ValidationError, match="at character"):
        read({"text": "${find(}"})


@pytest.mark.parametrize("value", ["", 5, {}, {"config": {}}, []])
def test_reference_is_a_name_or_an_object_with_a_type(value):
    with pytest.raises(ValidationError, match="heap object"):
        read({"handler": value})


def test_unknown_keys_are_found_at_any_depth_with_a_suggestion():
    settings = read(
        {"soTimeOut": "1s", "_soTimeout": "x", "comment": "x", "inner": {"scanIntervall": "1s", "other": 1}}
    )
    found = [(each.position.pointer, each.fix) for each in warnings_about(settings, Position("f"), "it")]
    assert found == [
        ("/soTimeOut", "did you mean 'soTimeout'?"),
        ("/inner/scanIntervall", "did you mean 'scanInterval'?"),
        ("/inner/other", ""),
    ]
