from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deputize.authority.signon.step import Done, SignedOn, Situation
from deputize.oauth.errors import ServerError
from support.agent_delegation import ENVIRONMENT, NOW
from support.authority import USER
from support.store_records import SESSION

FITTING = st.from_regex(r"[A-Za-z0-9_-]{1,128}", fullmatch=True)


@given(st.text(max_size=200) | FITTING)
def test_a_note_is_refused_unless_it_stays_one_part_of_the_flow_s_address(note):
    fits = quote(note, safe="") == note and not {".", "~"} & set(note) and len(note) <= 128
    if fits:
        assert Done(note=note).note == note
    else:
        with pytest.raises(ValueError, match="does not match"):
            Done(note=note)


def situation_of(somebody):
    policy = next(iter(ENVIRONMENT.policies.values()))
    return Situation(
        environment=ENVIRONMENT,
        policy=policy,
        request=None,
        session=None,
        signed_on=somebody,
        is_recent=somebody is not None,
        address=None,
        known_users="",
        notes=frozenset(),
        reach={},
        languages=(),
        now=NOW,
    )


def test_a_step_finds_somebody_who_is_signed_on():
    somebody = SignedOn(USER, SESSION, ())
    assert situation_of(somebody).somebody is somebody


def test_a_step_that_comes_before_anybody_signed_on_is_an_error_of_the_server():
    with pytest.raises(ServerError) as raised:
        _ = situation_of(None).somebody
    assert "before anybody signed on" in raised.value.detail
