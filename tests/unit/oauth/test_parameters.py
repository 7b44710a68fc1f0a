import pytest

from deputize.oauth.errors import InvalidRequest
from deputize.oauth.parameters import (
    MAX_BYTES,
    MAX_COUNT,
    MAX_NAME,
    MAX_VALUE,
    encode_parameters,
    parse_parameters,
    required,
    values_of,
)


def test_decodes_form_encoding():
    assert parse_parameters(b"scope=a+b&redirect_uri=http%3A%2F%2Flocalhost%3A3000%2F&name=Zo%C3%AB") == {
        "scope": "a b",
        "redirect_uri": "http://localhost:3000/",
        "name": "Zoë",
    }


def test_accepts_a_query_as_text():
    assert parse_parameters("a=1&b=2") == {"a": "1", "b": "2"}
    assert parse_parameters("") == {}


def test_parameters_without_value_count_as_omitted():
    assert parse_parameters("scope=&state&code=x") == {"code": "x"}
    assert parse_parameters("scope=&scope=a") == {"scope": "a"}


@pytest.mark.parametrize("name", ["code", "client_id", "scope", "grant_type", "subject_token"])
def test_repeats_are_refused_even_when_equal(name):
    with pytest.raises(InvalidRequest, match=f"{name} is repeated"):
        parse_parameters(f"{name}=1&x=2&{name}=1")


@pytest.mark.parametrize("name", ["resource", "audience"])
def test_several_resources_may_be_named(name):
    parameters = parse_parameters(f"{name}=a&x=1&{name}=b&{name}=")
    assert values_of(parameters, name) == ("a", "b")
    assert parse_parameters(encode_parameters(parameters)) == parameters
    assert values_of(parameters, "absent") == ()


@pytest.mark.parametrize("name", ["resource", "x"])
def test_no_value_can_pass_for_several(name):
    with pytest.raises(InvalidRequest, match="control"):
        parse_parameters(f"{name}=a%0Ab")


def test_the_refusal_of_a_strange_name_does_not_repeat_it():
    with pytest.raises(InvalidRequest) as caught:
        parse_parameters("%3Cb%3E=1&%3Cb%3E=2")
    assert caught.value.description == "A parameter is repeated"


@pytest.mark.parametrize(
    ("encoded", "reason"),
    [
        (b"a=%ff", "not UTF-8"),
        (b"a=\xff", "not form encoded"),
        (b"a=%00", "control characters"),
        (b"a=x%0Aerror%3Dnone", "control characters"),
        (b"a%7f=1", "control characters"),
        (b"&".join(b"p%d=1" % n for n in range(MAX_COUNT + 1)), "too many"),
        (b"a=" + b"x" * (MAX_VALUE + 1), "too long"),
        (b"x" * (MAX_NAME + 1) + b"=1", "too long"),
        (b"a=" + b"x" * MAX_BYTES, "too large"),
    ],
)
def test_bad_encoding_and_excess_are_refused(encoded, reason):
    with pytest.raises(InvalidRequest, match=reason):
        parse_parameters(encoded)


def test_required_names_what_is_missing():
    assert required({"code": "x"}, "code") == "x"
    with pytest.raises(InvalidRequest, match="code_verifier is missing"):
        required({}, "code_verifier")
