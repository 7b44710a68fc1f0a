"""The accounts of one made-up customer, in memory: gone when the server ends."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from threading import Lock

from pydantic import BaseModel, ConfigDict

OPENING = {"checking": ("EUR", "2350.40"), "savings": ("EUR", "18400.00"), "travel": ("USD", "620.15")}
CENT = Decimal("0.01")


class Refused(Exception):
    """The bank refuses; the message says why."""


class Account(BaseModel):
    """An account and what is on it."""

    model_config = ConfigDict(frozen=True)

    name: str
    currency: str
    balance: Decimal


class Transaction(BaseModel):
    """Money that went from one account to another."""

    model_config = ConfigDict(frozen=True)

    number: int
    time: datetime
    from_account: str
    to_account: str
    amount: Decimal
    currency: str


class Ledger:
    """The accounts and everything that happened on them.

    Tools run in threads, so one transfer happens at a time.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        """Use `now`, which gives the current time with its zone."""
        self._now = now
        self._lock = Lock()
        self._accounts = {
            name: Account(name=name, currency=currency, balance=Decimal(balance))
            for name, (currency, balance) in OPENING.items()
        }
        self._transactions: list[Transaction] = []

    def accounts(self) -> list[Account]:
        """Return all accounts."""
        return list(self._accounts.values())

    def account(self, name: str) -> Account:
        """Return the account of that name. Raises `Refused`."""
        found = self._accounts.get(name.strip().lower())
        if found is None:
            raise Refused(f"There is no account {name!r}; there is {', '.join(self._accounts)}.")
        return found

    def transactions(self, name: str, limit: int) -> list[Transaction]:
        """Return at most `limit` transactions of an account, the latest first. Raises `Refused`."""
        account = self.account(name).name
        return [
            each for each in reversed(self._transactions) if account in {each.from_account, each.to_account}
        ][:limit]

    def transfer(self, from_account: str, to_account: str, amount: Decimal) -> Transaction:
        """Move money. Raises `Refused` when the accounts or the balance do not allow it."""
        with self._lock:
            source, target = self.account(from_account), self.account(to_account)
            _check(source, target, amount)
            amount = amount.quantize(CENT)
            self._accounts[source.name] = source.model_copy(update={"balance": source.balance - amount})
            self._accounts[target.name] = target.model_copy(update={"balance": target.balance + amount})
            done = Transaction(
                number=len(self._transactions) + 1,
                time=self._now(),
                from_account=source.name,
                to_account=target.name,
                amount=amount,
                currency=source.currency,
            )
            self._transactions.append(done)
            return done


def _check(source: Account, target: Account, amount: Decimal) -> None:
    if not amount.is_finite() or amount <= 0:
        raise Refused("An amount above zero is needed.")
    if source == target:
        raise Refused("The two accounts are the same.")
    if source.currency != target.currency:
        raise Refused(f"{source.name} is in {source.currency} and {target.name} in {target.currency}.")
    if amount > source.balance:
        raise Refused(f"There are only {source.balance} {source.currency} on {source.name}.")
    if amount != amount.quantize(CENT):
        raise Refused("Money is counted in whole cents.")
