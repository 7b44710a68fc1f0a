"""Whatever a stranger says of itself, the agent that comes of it is within the template."""

import string

from hypothesis import given
from hypothesis import strategies as st

from deputize.oauth.client_auth import CLIENT_AUTH_METHODS
from deputize.oauth.client_metadata import ClientMetadata, read_metadata
from deputize.oauth.client_names import shown_name, skeleton
from deputize.oauth.errors import OAuthError
from deputize.oauth.records.directory import Agent, AgentOrigin
from deputize.oauth.records.settings import AgentSettings, TemplateSettings
from deputize.oauth.redirect_uris import registration_refusal
from deputize.oauth.registration import introduce
from support.agent_delegation import ALL_GRANTS
from support.records import replace

ORIGIN = AgentOrigin("open", "", "", 1000.0, None)
WORDS = st.sampled_from(
    [*ALL_GRANTS, "implicit", "password", "refresh_token", "authorization_code", "code", "token", "none"]
)
URIS = st.sampled_from(
    [
        "https://app.example.com/cb",
        "http://127.0.0.1/cb",
        "http://localhost:99999/cb",
        "com.example.app:/cb",
        "cursor://cb",
        "javascript:alert(1)",
        "data:text/html,x",
        "http://evil.example.com/",
        "https://user:pass@app.example.com/",
        "https://app.example.com/#x",
        "//app.example.com/",
        "https://*.example.com/",
        "",
    ]
) | st.text(max_size=30)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
MEMBERS = st.fixed_dictionaries(
    {},
    optional={
        "redirect_uris": st.lists(URIS, max_size=4) | JSON,
        "grant_types": st.lists(WORDS, max_size=5) | JSON,
        "response_types": st.lists(WORDS, max_size=3),
        "token_endpoint_auth_method": st.sampled_from([*CLIENT_AUTH_METHODS.by_name, "tls_client_auth"])
        | JSON,
        "scope": st.text(max_size=20),
        "client_name": st.text(max_size=80),
        "jwks": JSON,
        "jwks_uri": st.text(max_size=20),
    },
)
# What an administrator decides, under every name it has anywhere.
ASSIGNED = st.dictionaries(
    st.sampled_from(
        sorted(
            {"id", "name", "enabled", "policies", "scopes", "secret", "secret_digests", "origin", "term"}
            | TemplateSettings.model_fields.keys()
            | (AgentSettings.model_fields.keys() - ClientMetadata.model_fields.keys())
        )
    ),
    JSON,
    max_size=6,
)
TEMPLATES = st.builds(
    lambda grants, scopes: Agent(
        id="",
        name="",
        enabled=True,
        grant_types=frozenset({"authorization_code", *grants}),
        redirect_uris=(),
        scopes={"r1": frozenset(scopes)},
        secret_digests=(),
        policies=("Agree",),
        settings=AgentSettings(refresh_token_lifetime=60, refresh_token_rolling_lifetime=90),
    ),
    st.sets(st.sampled_from(sorted(ALL_GRANTS))),
    st.sets(st.sampled_from(["read", "write"])),
)


@given(TEMPLATES, MEMBERS, ASSIGNED)
def test_the_agent_is_within_the_template(template, members, assigned):
    try:
        agent = introduce(template, "an-id", read_metadata({**assigned, **members}), ORIGIN)
    except OAuthError:
        return
    assert agent.grant_types
    assert agent.grant_types <= template.grant_types
    assert not ("client_credentials" in agent.grant_types and agent.settings.client_auth == "none")
    assert all(registration_refusal(uri) is None for uri in agent.redirect_uris)
    assert bool(agent.redirect_uris) == ("authorization_code" in agent.grant_types)
    assert agent.settings.client_auth in CLIENT_AUTH_METHODS.by_name
    chosen = {"grant_types": agent.grant_types, "redirect_uris": agent.redirect_uris}
    own = {"id": "an-id", "name": "an-id", "origin": ORIGIN, "settings": agent.settings}
    assert agent == replace(template, **chosen, **own), "all else is the template's"
    for name in AgentSettings.model_fields.keys() - ClientMetadata.model_fields.keys() - {"client_auth"}:
        assert getattr(agent.settings, name) == getattr(template.settings, name), name


@given(MEMBERS)
def test_what_is_stored_of_a_client_is_read_as_the_same_again(members):
    try:
        metadata = read_metadata(members)
    except OAuthError:
        return
    assert read_metadata(metadata.members()) == metadata


LATIN = st.text(string.ascii_letters + string.digits + " ", min_size=1, max_size=20)


@given(st.text(max_size=200), LATIN)
def test_a_name_that_is_shown_is_plain_short_and_like_nobody_else_s(name, taken):
    shown = shown_name(name, {skeleton(taken)})
    assert len(shown) <= 64
    assert shown.isprintable()
    assert not shown or skeleton(shown) != skeleton(taken)
    assert shown_name(taken, {skeleton(taken)}) == ""
    assert shown_name(f" {taken.upper()}\u200b", {skeleton(taken)}) == ""
