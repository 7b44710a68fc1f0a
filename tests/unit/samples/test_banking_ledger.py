from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banking.ledger import OPENING, Ledger, Refused

NAMES = st.sampled_from([*OPENING, "unknown"])
AMOUNTS = st.decimals(allow_nan=True, allow_infinity=True, places=2) | st.sampled_from(
    [Decimal("NaN"), Decimal("Infinity"), Decimal(-1)]
)


def ledger() -> Ledger:
    return Ledger(lambda: datetime(2026, 3, 18, 9, 30, tzinfo=UTC))


def balances(of: Ledger) -> dict[str, Decimal]:
    return {account.name: account.balance for account in of.accounts()}


def test_money_moves_from_one_account_to_the_other():
    bank = ledger()
    done = bank.transfer("Checking", " savings ", Decimal("50.40"))
    assert (done.number, done.from_account, done.to_account) == (1, "checking", "savings")
    assert balances(bank) == {
        "checking": Decimal("2300.00"),
        "savings": Decimal("18450.40"),
        "travel": Decimal("620.15"),
    }


@pytest.mark.parametrize(
    ("source", "target", "amount", "reason"),
    [
        ("checking", "nowhere", "1", "no account 'nowhere'; there is checking, savings, travel"),
        ("checking", "checking", "1", "the same"),
        ("checking", "travel", "1", "EUR and travel in USD"),
        ("checking", "savings", "2350.41", "only 2350.40 EUR"),
        ("checking", "savings", "0", "above zero"),
        ("checking", "savings", "1.005", "whole cents"),
        ("checking", "savings", "-1", "above zero"),
        ("checking", "savings", "NaN", "above zero"),
    ],
)
def test_says_why_it_moves_nothing(source: str, target: str, amount: str, reason: str):
    bank = ledger()
    with pytest.raises(Refused, match=reason):
        bank.transfer(source, target, Decimal(amount))
    assert balances(bank) == balances(ledger())
    assert bank.transactions("checking", 10) == []


def test_lists_the_latest_first():
    bank = ledger()
    for amount in ("1", "2", "3"):
        bank.transfer("checking", "savings", Decimal(amount))
    assert [each.number for each in bank.transactions("savings", 2)] == [3, 2]
    assert bank.transactions("travel", 10) == []


@given(st.lists(st.tuples(NAMES, NAMES, AMOUNTS), max_size=20))
def test_money_is_never_made_nor_lost_nor_owed(orders: list[tuple[str, str, Decimal]]):
    bank = ledger()
    for source, target, amount in orders:
        try:
            bank.transfer(source, target, amount)
        except Refused:
            continue
    assert sum(balances(bank).values()) == sum(balances(ledger()).values())
    assert all(balance >= 0 for balance in balances(bank).values())
