from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from deputize.authority.directory.objects import AgentObject, PolicyObject, ResourceObject
from deputize.oauth.records.settings import STORED


def test_null_names_a_member_and_gives_it_its_default():
    resource = ResourceObject.model_validate({"name": "api", "token_lifetime": None, "audience": None})
    assert (resource.token_lifetime, resource.audience) == (3600, "api")
    assert resource.model_fields_set == {"name", "token_lifetime", "audience"}


def test_an_entry_is_completed_by_what_is_stored_and_still_tells_what_it_names():
    stored = AgentObject.read("Agent", {"description": "kept", "refresh_token_grace": 5})
    entry = AgentObject.model_validate({"name": "Agent", "refresh_token_grace": 7})
    completed = stored.overlaid_by(entry)
    assert (completed.description, completed.refresh_token_grace) == ("kept", 7)
    assert completed.model_fields_set == {"name", "refresh_token_grace"}


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "description": st.text("ab", max_size=3),
            "enabled": st.booleans(),
            "grants": st.lists(st.sampled_from(["client_credentials", "TOKEN_EXCHANGE"]), max_size=2),
            "scopes": st.dictionaries(st.sampled_from("ab"), st.lists(st.sampled_from("xy"))),
            "client_auth": st.sampled_from(["client_secret_basic", None]),
            "refresh_token_grace": st.sampled_from([0, "1 minute", None]),
        },
    )
)
def test_what_is_stored_reads_as_what_was_written(members):
    written = AgentObject.model_validate({"name": "Agent", **members})
    assert AgentObject.read("Agent", written.document()) == written


def test_names_become_ids_and_what_is_gone_is_left_out_or_refused_later():
    ids = {("resource", "api"): "r1", ("agreement", "Terms"): "a1"}

    def find_id(kind, name):
        return ids.get((kind, name))

    agent = AgentObject.model_validate({"name": "A", "scopes": {"api": ["x"], "gone": ["y"]}})
    assert agent.translate(find_id).scopes == {"r1": ("x",)}
    prompts = [{"agreement_prompt": {"agreement": each}} for each in ("Terms", "Gone")]
    policy = PolicyObject.model_validate({"name": "P", "steps": [{"login": {}}, *prompts]})
    assert policy.agreements == ("Terms", "Gone")
    assert policy.translate(find_id).agreements == ("a1", "")


def test_what_a_package_provided_is_refused_in_files_and_left_alone_where_it_is_stored():
    document = {"name": "A", "grants": ["of_a_package"]}
    with pytest.raises(ValidationError, match="no grant has this name"):
        AgentObject.model_validate(document)
    assert AgentObject.model_validate(document, context=STORED).grants == ("of_a_package",)
    exchange = AgentObject.read("A", {"grants": ["token_exchange"]})
    assert exchange.grants == ("urn:ietf:params:oauth:grant-type:token-exchange",), "as it was once stored"
    assert exchange.describe()["grants"] == ["token_exchange"]
    steps = {"name": "P", "steps": [{"login": {}}, {"of_a_package": {"a": "b"}}]}
    with pytest.raises(ValidationError, match="Extra inputs"):
        PolicyObject.model_validate(steps)
    stored = PolicyObject.model_validate(steps, context=STORED)
    assert [(step.type, step.settings) for step in stored.steps] == [
        ("LOGIN", {}),
        ("of_a_package", {"a": "b"}),
    ]


@given(st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31, 23, 59, 59), timezones=st.just(UTC)))
def test_milliseconds_of_an_instant_count_however_far_it_is(instant):
    text = instant.isoformat(timespec="milliseconds").removesuffix("+00:00").removesuffix(".000") + "Z"
    agent = AgentObject.model_validate({"name": "A", "expires_at": text})
    assert agent.model_dump(mode="json")["expires_at"] == text
