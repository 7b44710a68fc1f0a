"""Whatever an agent is registered for and whatever a request presents: only the registered proof counts."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from deputize.authority.storage import open_store
from deputize.oauth.client_auth import (
    CLIENT_AUTH_METHODS,
    authenticate_agent,
    authenticate_caller,
    private_key_jwt,
)
from deputize.oauth.client_auth.authentication import PUBLIC
from deputize.oauth.errors import InvalidClient, OAuthError
from support.agent_delegation import (
    AGENT,
    AGENT_ID,
    AGENT_SECRET,
    ENVIRONMENT,
    ISSUER,
    NOW,
    OTHER_ID,
    TEST_ID,
    with_agent,
)
from support.client_proofs import JWKS, assertion, assertion_form, auth_ports, present
from support.databases import new_database
from support.examples import examples
from support.issuers import ECKey
from support.records import replace

METHODS = [method.name for method in CLIENT_AUTH_METHODS.own]
SECRETS = ("client_secret_basic", "client_secret_post")
STRANGER = ECKey.generate_key("P-256")
agents = st.builds(
    lambda registered, enabled, has_secret, has_keys: replace(
        AGENT,
        client_auth=registered,
        enabled=enabled,
        secret_digests=AGENT.secret_digests if has_secret else (),
        jwks=JWKS if has_keys else None,
    ),
    st.sampled_from([None, *METHODS]),
    st.booleans() | st.just(True),
    st.booleans(),
    st.booleans(),
)
parts = st.fixed_dictionaries(
    {},
    optional={
        "header": st.sampled_from(["right", "wrong", "Bearer x"]),
        "client_id": st.sampled_from([AGENT_ID, TEST_ID, "unknown"]),
        "client_secret": st.sampled_from([AGENT_SECRET, "wrong"]),
        "client_assertion": st.sampled_from(["right", "wrong"]),
    },
)


def request_of(presented):
    """Return the header and the form, and the proofs in them: by which method, and whether it is right."""
    header, form, proofs = None, {}, {}
    if "header" in presented:
        right = presented["header"] == "right"
        header = present("client_secret_basic", secret=AGENT_SECRET if right else "wrong")[0]
        header = presented["header"] if presented["header"] == "Bearer x" else header
        if header != "Bearer x":
            proofs["client_secret_basic"] = right
    for name in ("client_id", "client_secret"):
        if name in presented:
            form[name] = presented[name]
    if {"client_id", "client_secret"} <= form.keys():
        proofs["client_secret_post"] = form == {"client_id": AGENT_ID, "client_secret": AGENT_SECRET}
    if "client_assertion" in presented:
        right = presented["client_assertion"] == "right"
        form |= assertion_form(assertion() if right else assertion(STRANGER))
        proofs["private_key_jwt"] = right
    if presented.keys() == {"client_id"}:
        proofs[PUBLIC] = True
    return header, form, proofs


@settings(max_examples=examples(600), deadline=None)
@given(agents, parts, st.sampled_from([authenticate_agent, authenticate_caller]))
def test_only_the_registered_proof_authenticates(agent, presented, authenticate):
    header, form, proofs = request_of(presented)
    environment = with_agent(ENVIRONMENT, agent)
    try:
        found = asyncio.run(authenticate(environment, header, form, auth_ports(), NOW))
    except OAuthError:
        found = None
    registered = agent.settings.client_auth
    (method, right) = next(iter(proofs.items())) if len(proofs) == 1 else ("", False)
    has_proof = {
        **dict.fromkeys(SECRETS, bool(agent.secret_digests)),
        "private_key_jwt": agent.settings.jwks is not None,
        PUBLIC: authenticate is authenticate_agent,
    }
    expected = (
        right
        and agent.enabled
        and form.get("client_id", AGENT_ID) == AGENT_ID
        and has_proof[method]
        and (method == registered if registered else method in SECRETS)
    )
    if not expected:
        assert found is None
        return
    assert found is not None
    assert (found.client, found.method) == (agent, method)


ABSENT = object()
GOOD = {
    "iss": st.just(AGENT_ID),
    "sub": st.just(AGENT_ID),
    "aud": st.sampled_from([ISSUER, [ISSUER], f"{ISSUER}/token", [f"{ISSUER}/token"]]),
    "exp": st.floats(NOW + 1, NOW + 3600) | st.integers(int(NOW) + 1, int(NOW) + 3600),
    "iat": st.just(ABSENT) | st.floats(NOW - 3600, NOW + 60),
    "nbf": st.just(ABSENT) | st.integers(0, int(NOW) + 60),
    "jti": st.text(min_size=1, max_size=256),
}
others = st.sampled_from([ABSENT, None, "", 0, True, [], {}, [ISSUER, ISSUER], [[ISSUER]], "x", OTHER_ID])
instants = others | st.floats(NOW + 3661, NOW * 2) | st.integers(10**10, 10**30)
BAD = {
    "iss": others | st.text(),
    "sub": others | st.text(),
    "aud": others | st.lists(st.sampled_from([ISSUER, f"{ISSUER}/token", "https://x.example"]), min_size=2),
    "exp": instants | st.floats(0, NOW),
    "iat": instants.filter(lambda value: value is not ABSENT and value != 0),
    "nbf": instants.filter(lambda value: value is not ABSENT and value != 0),
    "jti": others.filter(lambda value: value not in ("x", OTHER_ID)) | st.text(min_size=257, max_size=300),
}


@settings(max_examples=examples(400), deadline=None)
@given(st.data(), st.sets(st.sampled_from(sorted(GOOD)), max_size=3))
def test_an_assertion_counts_only_with_all_its_claims_right(data, wrong):
    drawn = {name: data.draw(BAD[name] if name in wrong else GOOD[name], name) for name in GOOD}
    claims = {name: value for name, value in drawn.items() if value is not ABSENT}
    refusal = private_key_jwt.claims_refusal(claims, AGENT_ID, ISSUER, NOW)
    assert (refusal is None) == (not wrong), refusal


@settings(max_examples=examples(15), deadline=None)
@given(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=8))
def test_of_assertions_with_one_id_one_counts_whichever_process_is_asked(ids):
    asyncio.run(present_in_parallel(ids))


async def present_in_parallel(ids) -> None:
    """Present an assertion for each id, all at once, to two processes at one database."""
    agent = replace(AGENT, client_auth="private_key_jwt", jwks=JWKS)
    environment = with_agent(ENVIRONMENT, agent)
    with TemporaryDirectory() as folder:
        url = new_database(Path(folder))
        async with open_store(url) as one, open_store(url) as other:
            attempts = [
                authenticate_agent(
                    environment,
                    None,
                    assertion_form(assertion(jti=jti)),
                    auth_ports(each.one_time_ids),
                    NOW,
                )
                for jti in ids
                for each in (one, other)
            ]
            answers = await asyncio.gather(*attempts, return_exceptions=True)
    refused = sum(isinstance(each, InvalidClient) for each in answers)
    assert refused == len(answers) - len(set(ids))
