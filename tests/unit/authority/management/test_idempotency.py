"""Requests with a key are done once."""

import asyncio
from dataclasses import replace

from support.management import PROGRAM

KEY = {"Idempotency-Key": "0b5b"}


async def test_a_repeated_request_is_answered_with_what_was_answered_first(api):
    entry = {"name": "Reader", "grants": ["client_credentials"], "scopes": {"test": ["test"]}}
    first = await api.ask("POST", "/agents", entry, headers=KEY)
    again = await api.ask("POST", "/agents", entry, headers=KEY)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    for name in ("etag", "location"):
        assert again.headers[name] == first.headers[name]
    told, kept = first.json(), again.json()
    assert kept["object"] == told["object"]
    assert [each["secret"] for each in kept["secrets"]] == [None], "nobody keeps a secret"
    assert told["secrets"][0]["secret"]


async def test_another_request_under_the_key_is_refused_and_other_callers_have_keys_of_their_own(api):
    await api.ask("POST", "/users", {"username": "a"}, headers=KEY)
    other = await api.ask("POST", "/users", {"username": "b"}, headers=KEY)
    assert (other.status_code, other.json()["errors"][0]["parameter"]) == (422, "Idempotency-Key")
    api.tokens["program"] = await api.program_token("administrator")
    assert (
        await api.ask("POST", "/users", {"username": "b"}, headers=KEY, role="program")
    ).status_code == 201


async def test_agents_of_one_user_have_keys_of_their_own(api):
    """Else one learns of another's request, or takes its key."""
    path = f"{api.home}/agents"
    entry = {**PROGRAM, "name": "Another"}
    other = (await api.ask("POST", path, entry)).json()["object"]["id"]
    body = {"username": "a"}
    assert (await api.ask("POST", "/users", body, headers=KEY)).status_code == 201
    again = await api.ask("POST", "/users", body, headers=KEY)
    assert again.headers["idempotency-replayed"] == "true"
    elsewhere = replace(api, program_id=other)
    api.tokens["other"] = await elsewhere.sign_on("administrator")
    refused = await api.ask("POST", "/users", body, headers=KEY, role="other")
    assert refused.status_code == 409, "done anew, and refused"


async def test_what_was_refused_leaves_the_key_free(api):
    refused = await api.ask("POST", "/users", {"username": ""}, headers=KEY)
    assert refused.status_code == 422
    assert (await api.ask("POST", "/users", {"username": "a"}, headers=KEY)).status_code == 201


async def test_at_once_under_one_key_one_is_done(api):
    answers = await asyncio.gather(
        *(api.ask("POST", "/agents", {"name": "Reader"}, headers=KEY) for _ in range(6))
    )
    assert {each.status_code for each in answers} == {201}
    assert len({each.json()["object"]["id"] for each in answers}) == 1
    assert [("idempotency-replayed" in each.headers) for each in answers].count(False) == 1


async def test_a_key_is_kept_a_day(api):
    await api.ask("POST", "/users", {"username": "a"}, headers=KEY)
    api.authority.clock.instant += 25 * 3600
    api.tokens["administrator"] = await api.sign_on("administrator")
    again = await api.ask("POST", "/users", {"username": "a"}, headers=KEY)
    assert again.status_code == 409, "made anew, and refused"


async def test_a_key_is_one_short_text(api):
    for key in ("", "x" * 256, "ä"):
        refused = await api.ask(
            "POST", "/users", {"username": "a"}, headers={"Idempotency-Key": key.encode()}
        )
        assert refused.status_code == 400, key
