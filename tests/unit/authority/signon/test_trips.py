"""What a browser keeps of a trip opens in that browser, in that environment, and as it was made."""

import pytest

from deputize.authority.endpoint import EndpointCall
from deputize.authority.signon.trips import Trip, find_trip, set_out
from deputize.http.messages import Body, Response
from support.agent_delegation import ENVIRONMENT_ID, NOW
from support.authority import head_of
from support.records import replace

TRIP = Trip("state", "nonce", "verifier", "partner", "https://op.example", NOW, True, "flow", "a=b", "")


def call_with(authority, environment_id=ENVIRONMENT_ID, **cookies):
    environment = replace(authority.directory.environment, id=environment_id)
    pairs = "; ".join(f"deputize-{name.replace('_', '-')}={value}" for name, value in cookies.items())
    head = head_of(headers=[(b"cookie", pairs.encode())])
    return EndpointCall(head, Body(b""), authority.services, environment, NOW, "id")


def named(environment_id):
    return f"trip_{environment_id}"


@pytest.fixture
async def sealed(authority):
    response = Response(303)
    await set_out(call_with(authority, browser="mine"), response, TRIP)
    return response.headers.get_all("set-cookie")[0].partition(";")[0].partition("=")[2]


async def test_it_opens_where_it_was_made(authority, sealed):
    call = call_with(authority, browser="mine", **{named(ENVIRONMENT_ID): sealed})
    assert await find_trip(call) == TRIP
    call.now = NOW + 600
    assert await find_trip(call) is None


@pytest.mark.parametrize("browser", ["another", "mine2", "m", ""])
async def test_it_opens_in_no_other_browser(authority, sealed, browser):
    assert await find_trip(call_with(authority, browser=browser, **{named(ENVIRONMENT_ID): sealed})) is None


async def test_it_opens_in_no_other_environment(authority, sealed):
    other = "another-environment"
    assert await find_trip(call_with(authority, other, browser="mine", **{named(other): sealed})) is None


@pytest.mark.parametrize(
    "change", [lambda text: text[:-1], lambda text: f"{text}A", lambda _: "", str.swapcase]
)
async def test_it_opens_as_it_was_made_alone(authority, sealed, change):
    kept = {named(ENVIRONMENT_ID): change(sealed)}
    assert await find_trip(call_with(authority, browser="mine", **kept)) is None
