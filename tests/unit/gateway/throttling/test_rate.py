import pytest
from hypothesis import given
from hypothesis import strategies as st

from deputize.gateway.throttling.rate import Buckets, Rate

TWO_A_SECOND = Rate(2, 1.0)


def test_a_bucket_begins_full_and_gains_tokens_evenly():
    buckets = Buckets()
    assert [buckets.take("p", TWO_A_SECOND, now) for now in (0.0, 0.0)] == [None, None]
    assert buckets.take("p", TWO_A_SECOND, 0.0) == pytest.approx(0.5)
    assert buckets.take("p", TWO_A_SECOND, 0.4) == pytest.approx(0.1)
    assert buckets.take("p", TWO_A_SECOND, 0.5) is None


def test_partitions_do_not_share():
    buckets = Buckets()
    assert [buckets.take(partition, Rate(1, 1.0), 0.0) for partition in "abab"] == [None, None, 1.0, 1.0]


def test_alternating_between_rates_fills_nothing():
    buckets, one, two = Buckets(), Rate(1, 60.0), Rate(2, 60.0)
    granted = [buckets.take("user", rate, 0.0) is None for rate in (one, two) * 5]
    assert sum(granted) == one.requests + two.requests


def test_only_so_many_partitions_are_remembered():
    buckets = Buckets(max_buckets=2)
    for partition in "abcd":
        buckets.take(partition, TWO_A_SECOND, 0.0)
    assert len(buckets) == 2


@given(st.integers(1, 20), st.floats(0.1, 100), st.lists(st.floats(0, 5), max_size=200))
def test_never_more_than_the_capacity_and_what_was_gained(requests, seconds, gaps):
    buckets, now, granted = Buckets(), 0.0, 0
    for gap in gaps:
        now += gap
        granted += buckets.take("p", Rate(requests, seconds), now) is None
    assert granted <= requests + now * requests / seconds + 1e-6


@given(st.integers(1, 20), st.floats(0.1, 100))
def test_who_waits_as_told_gets_through(requests, seconds):
    buckets, rate = Buckets(), Rate(requests, seconds)
    for _ in range(requests):
        assert buckets.take("p", rate, 0.0) is None
    wait = buckets.take("p", rate, 0.0)
    assert buckets.take("p", rate, wait * 1.000001) is None
