from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from deputize.oauth.sessions import is_live
from support.agent_delegation import ENVIRONMENT
from support.store_records import SESSION

LIMITS = replace(ENVIRONMENT, session_lifetime=1000, session_idle_lifetime=100)
BEGUN = replace(SESSION, auth_time=5000, expires_at=6000.0, last_used_at=5000.0)


def test_a_session_lapses_when_it_is_old_or_was_not_used():
    assert is_live(BEGUN, LIMITS, 5099.9)
    assert not is_live(BEGUN, LIMITS, 5100.0)
    used = replace(BEGUN, last_used_at=5950.0)
    assert is_live(used, LIMITS, 5999.9)
    assert not is_live(used, LIMITS, 6000.0)


def test_shorter_limits_count_at_once_and_longer_ones_from_the_next_sign_on():
    used = replace(BEGUN, last_used_at=5490.0)
    assert not is_live(used, replace(LIMITS, session_lifetime=500), 5500.0)
    assert not is_live(replace(BEGUN, last_used_at=6990.0), replace(LIMITS, session_lifetime=9000), 6995.0)


def test_the_limits_that_nobody_set():
    assert (ENVIRONMENT.session_lifetime, ENVIRONMENT.session_idle_lifetime) == (12 * 3600, 2 * 3600)


@given(st.integers(0, 3000), st.floats(0, 3000), st.floats(0, 3000), st.floats(0, 3000))
def test_no_session_lives_longer_than_each_of_its_limits(auth_time, used, expires, now):
    session = replace(SESSION, auth_time=auth_time, last_used_at=used, expires_at=expires)
    assert is_live(session, LIMITS, now) == (now < expires and now < auth_time + 1000 and now < used + 100)
    assert not is_live(replace(session, ended_at=0.0), LIMITS, now)
