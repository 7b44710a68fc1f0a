from deputize.authority.registration.rates import MAX_SOURCES, Allowance, Rates


def test_so_many_come_at_once_and_then_one_in_so_many_seconds():
    rates = Rates(Allowance(3, 10.0))
    assert [rates.admit("a", 100.0) for _ in range(4)] == [True, True, True, False]
    assert rates.admit("b", 100.0), "others do not wait"
    assert not rates.admit("a", 109.9)
    assert rates.admit("a", 110.0)
    assert not rates.admit("a", 110.0)
    assert [rates.admit("a", 1000.0) for _ in range(4)] == [True, True, True, False]


def test_who_is_refused_does_not_wait_longer_for_it():
    rates = Rates(Allowance(1, 10.0))
    assert rates.admit("a", 0.0)
    assert not any(rates.admit("a", moment / 1000) for moment in range(10_000))
    assert rates.admit("a", 10.0)


def test_ten_thousand_from_one_source_and_from_as_many_leave_bounded_memory():
    rates = Rates(Allowance(60, 5.0))
    assert sum(rates.admit("a", 0.0) for _ in range(10_000)) == 60
    for number in range(10_000):
        rates.admit(str(number), 0.0)
        assert len(rates._rested_at) <= MAX_SOURCES
