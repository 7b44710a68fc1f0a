"""Redirect URIs, PKCE, parameters, scopes and consents under arbitrary input."""

import re
import string
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from deputize.oauth.authorization_request import AuthorizationRefusal, error_response, validate
from deputize.oauth.consents import due_agreements, is_in_force, new_consent
from deputize.oauth.errors import InvalidScope, OAuthError
from deputize.oauth.grants.authorization_code import challenge_of, is_challenge, verifies
from deputize.oauth.parameters import encode_parameters, parse_parameters, values_of
from deputize.oauth.redirect_uris import is_registered, registration_refusal
from deputize.oauth.resources import choose_target, format_scope, parse_scope
from support.agent_delegation import (
    AGENT,
    AGENT_ID,
    AGREEMENT,
    AGREEMENT_ID,
    ENVIRONMENT,
    ISSUER,
    NOW,
    POLICY,
    REDIRECT_URI,
    TEXT,
    USER,
)
from support.records import replace

UNRESERVED = string.ascii_letters + string.digits + "-._~"
DAY = 86400.0
verifiers = st.text(UNRESERVED, min_size=43, max_size=128)
hosts = st.sampled_from(
    [
        "localhost",
        "127.0.0.1",
        "[::1]",
        "evil.example",
        "localhost.evil.example",
        "LOCALHOST",
        "localhost@evil.example",
    ]
)
ports = st.sampled_from(["", ":1", ":3000", ":65535", ":65536", ":0", ":", ":80:80", ":x"])
paths = st.sampled_from(
    ["", "/", "/callback", "/callback/", "/callback?x=1", "/callback#x", "/../callback", "//evil.example"]
)
uris = st.builds("{}://{}{}{}".format, st.sampled_from(["http", "https", "HTTP"]), hosts, ports, paths)


@given(uris | st.text(max_size=60))
def test_a_requested_redirect_uri_differs_from_a_registered_one_in_a_loopback_port_at_most(requested):
    if not is_registered([REDIRECT_URI], requested):
        return
    assert requested.startswith("http://localhost")
    parts = urlsplit(requested)
    assert (parts.scheme, parts.hostname, parts.path, parts.query, parts.fragment, parts.username) == (
        "http",
        "localhost",
        "/callback",
        "",
        "",
        None,
    )


@given(hosts, hosts, ports)
def test_a_loopback_host_never_stands_for_another_host(registered, requested, port):
    assert registered == requested or not is_registered(
        [f"http://{registered}:3000/callback"], f"http://{requested}{port}/callback"
    )


@given(st.integers(1, 65535), st.sampled_from(["localhost", "127.0.0.1", "[::1]"]))
def test_every_port_of_the_registered_loopback_host_will_do(port, host):
    assert is_registered([f"http://{host}:3000/callback"], f"http://{host}:{port}/callback")


@given(uris | st.text(max_size=60))
def test_what_may_be_registered_matches_itself_and_never_needs_a_fragment_or_wildcard(uri):
    if registration_refusal(uri) is None:
        assert is_registered([uri], uri)
        assert not set("#* \\") & set(uri)


@given(verifiers)
def test_a_verifier_matches_its_own_challenge(verifier):
    assert is_challenge(challenge_of(verifier))
    assert verifies(verifier, challenge_of(verifier))


@given(verifiers, verifiers | st.text(max_size=140))
def test_no_other_text_matches_it(verifier, other):
    assume(verifier != other)
    assert not verifies(other, challenge_of(verifier))


printable = st.characters(exclude_categories=("C", "Z"), include_characters=" ")
names = st.text(printable, min_size=1, max_size=20)
CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@given(st.dictionaries(names, names, max_size=20))
def test_parameters_survive_form_encoding(parameters):
    assert parse_parameters(urlencode(parameters)) == parameters
    assert parse_parameters(urlencode(parameters).encode()) == parameters


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_parameters_or_a_wire_error(encoded):
    try:
        parsed = parse_parameters(encoded)
    except OAuthError:
        return
    assert all(parsed.values())


pieces = st.sampled_from(
    ["a", "b", "=", "&", "%", "+", "%41", "%3D", "%26", "%0a", "%ff", "%C3%AB", "urn%3Aé", "\t"]
)


@example("a=urn%3A%ff")
@example("a=urn%3A%0a")
@given(st.lists(pieces, max_size=24).map("".join))
def test_parameters_are_what_the_standard_library_reads(encoded):
    try:
        read = parse_qsl(encoded, keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        read = [("", "\n")]
    may_be_refused = len({name for name, _ in read}) < len(read) or any(map(CONTROL.search, sum(read, ())))
    try:
        parsed = parse_parameters(encoded)
    except OAuthError:
        assert may_be_refused
        return
    assert not any(map(CONTROL.search, sum(read, ())))
    assert parsed == {name: value for name, value in read if value}


@given(st.dictionaries(names, names, min_size=1, max_size=5), st.data())
def test_a_repeated_parameter_is_always_an_error(parameters, data):
    again = data.draw(st.sampled_from(sorted(parameters)))
    try:
        parse_parameters(urlencode([*parameters.items(), (again, data.draw(names))]))
    except OAuthError:
        return
    raise AssertionError(again)


@given(st.lists(st.tuples(st.sampled_from(["resource", "audience"]), names), max_size=6))
def test_several_resources_are_told_apart_whatever_they_are_called(named):
    parameters = parse_parameters(urlencode(named))
    for name in ("resource", "audience"):
        assert values_of(parameters, name) == tuple(value for each, value in named if each == name)
    assert parse_parameters(encode_parameters(parameters)) == parameters


@given(st.text(max_size=80))
def test_scope_parsing_is_idempotent(scope):
    try:
        parsed = parse_scope(scope)
    except InvalidScope:
        return
    assert parse_scope(format_scope(parsed)) == parsed
    assert len(set(parsed)) == len(parsed)


scopes = st.none() | st.lists(
    st.sampled_from(["agent", "test", "openid", "email", "admin", ""]), max_size=4
).map(" ".join)
targets = st.none() | st.sampled_from(["agent", "https://ig.example.com:8443/mcp", "https://x.example", ""])


@given(scopes, targets, targets, st.booleans(), st.booleans())
def test_a_chosen_target_is_granted_asked_for_and_within_reach(
    scope, resource, audience, user_present, carries_act
):
    asked = {
        name: value
        for name, value in (("scope", scope), ("resource", resource), ("audience", audience))
        if value
    }
    try:
        target = choose_target(ENVIRONMENT, AGENT, asked, user_present=user_present, carries_act=carries_act)
    except OAuthError:
        return
    assert target.scopes
    if target.resource.id:
        assert set(target.scopes) <= AGENT.scopes[target.resource.id] & target.resource.scopes.keys()
        assert carries_act or target.subject or not target.resource.delegation_required
        assert not (target.subject and (carries_act or not user_present))
        assert not target.signed_on_for.resource.delegation_required or carries_act
        later = {ENVIRONMENT.resources[each].audience for each in target.by_exchange}
        assert {asked[name] for name in ("resource", "audience") if name in asked} <= {
            target.resource.audience,
            *later,
        }
        assert user_present or not later
    else:
        assert user_present
    exchanged = {name for names in target.by_exchange.values() for name in names}
    assert set(asked.get("scope", "").split()) <= {*target.requested, *exchanged}


authorize_values = st.sampled_from(
    [AGENT_ID, REDIRECT_URI, "https://evil.example/", "code", "S256", "x" * 43, "agent", "none", "", "1"]
) | st.text(max_size=20)
authorize_names = st.sampled_from(
    [
        "client_id",
        "redirect_uri",
        "response_type",
        "code_challenge",
        "code_challenge_method",
        "scope",
        "resource",
        "state",
        "prompt",
        "max_age",
    ]
)
VALID = {
    "client_id": AGENT_ID,
    "redirect_uri": REDIRECT_URI,
    "response_type": "code",
    "code_challenge": "x" * 43,
    "code_challenge_method": "S256",
}


@given(st.dictionaries(authorize_names, authorize_values, max_size=10))
def test_an_authorization_request_never_sends_the_browser_to_an_unregistered_place(changes):
    outcome = validate(ENVIRONMENT, {name: value for name, value in {**VALID, **changes}.items() if value})
    where = outcome.redirect_uri
    if where is not None:
        assert is_registered(AGENT.redirect_uris, where)
    if isinstance(outcome, AuthorizationRefusal) and where is not None:
        assert error_response(outcome, ISSUER).startswith(f"{where}?error=")


instants = st.floats(0, 2000 * DAY)
intervals = st.none() | st.floats(0.01 * DAY, 400 * DAY)


def accept(agreement, now):
    return new_consent(USER, AGENT, agreement, TEXT, {}, consent_id="c-1", now=now)


@example(0.0, 10 * DAY, 10.0 * DAY, None, 1, 1, False)
@example(0.0, 10 * DAY, None, 10.0 * DAY, 1, 1, False)
@given(instants, instants, intervals, intervals, st.integers(1, 3), st.integers(1, 3), st.booleans())
def test_a_consent_is_in_force_only_while_every_limit_allows(
    accepted, waited, then_every, now_every, then_version, now_version, withdrawn
):
    consent = replace(
        accept(replace(AGREEMENT, reconsent_every=then_every, version=then_version), accepted),
        withdrawn_at=accepted if withdrawn else None,
    )
    agreement = replace(AGREEMENT, reconsent_every=now_every, version=now_version)
    now = accepted + waited
    holds = is_in_force(consent, agreement, now)
    expired = any(limit is not None and now >= accepted + limit for limit in (then_every, now_every))
    assert holds == (not withdrawn and not expired and then_version >= now_version)
    assert holds == (due_agreements(POLICY, {AGREEMENT_ID: agreement}, (consent,), {}, now) == ())


@given(st.floats(0, 400 * DAY), st.floats(0, 400 * DAY))
def test_what_is_due_stays_due_without_a_new_consent(earlier, more):
    consent = accept(AGREEMENT, NOW)
    if not is_in_force(consent, AGREEMENT, NOW + earlier):
        assert not is_in_force(consent, AGREEMENT, NOW + earlier + more)


def chosen(environment, parameters, **kind):
    try:
        return choose_target(environment, environment.agents[AGENT_ID], parameters, **kind)
    except OAuthError as error:
        return type(error), error.detail, error.description


TARGETS = st.fixed_dictionaries(
    {},
    optional={
        "scope": st.sampled_from(["agent", "test", "agent test", "openid", "openid agent", "no", " agent "]),
        "resource": st.sampled_from(["agent", "https://ig.example.com:8443/mcp", "agent\nagent", "no"]),
        "audience": st.sampled_from(["agent", "https://IG.example.com:8443/mcp"]),
    },
)


@given(st.lists(st.tuples(TARGETS, st.booleans(), st.booleans()), max_size=20))
def test_a_remembered_target_is_the_one_that_would_be_chosen_now(asked):
    environment = replace(ENVIRONMENT)
    for parameters, user_present, carries_act in [*asked, *asked]:
        kind = {"user_present": user_present, "carries_act": carries_act}
        assert chosen(environment, parameters, **kind) == chosen(replace(ENVIRONMENT), parameters, **kind)
    other = replace(environment.agents[AGENT_ID], scopes={})
    for parameters, *_ in asked:
        with pytest.raises(OAuthError):
            choose_target(environment, other, parameters)
