"""Several engines and budgets as one decision: all of them have to permit."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from deputize.gateway.policies.limits import Budget
from deputize.gateway.policies.request import (
    Decision,
    Effect,
    PolicyEngine,
    PolicyRequest,
    deny,
    permit,
)
from deputize.gateway.state.budgets import Budgets, BudgetsUnavailable, Charge, Reservation

_DRY: Final = "dry run: "
"""Before the names of budgets in a dry run, so that it counts what it would have permitted, apart."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision, and what was counted for it."""

    decision: Decision
    reservation: Reservation | None = None
    """To be released where the permitted call does not happen."""


class PolicyEnforcement:
    """Asks engines in their order, and counts in budgets what they permit."""

    def __init__(
        self,
        engines: Sequence[PolicyEngine],
        budgets: Sequence[Budget] = (),
        kept: Budgets | None = None,
        *,
        is_dry_run: bool = False,
    ) -> None:
        """`kept` is required with `budgets`. A dry run decides alike, and counts apart."""
        self._engines = engines
        self._budgets = budgets
        self._kept = kept
        self._prefix = _DRY if is_dry_run else ""
        self._reads_spending = any(each.reads_spending for each in engines)

    async def decide(self, request: PolicyRequest) -> Verdict:
        """Decide; the first denial ends it. What is permitted is counted, nothing else is."""
        try:
            if self._kept is None or not self._budgets:
                return Verdict(await self._ask(request))
            return await self._ask_and_count(request, self._kept)
        except BudgetsUnavailable as error:
            return Verdict(deny(reason=str(error)))

    async def release(self, reservation: Reservation) -> None:
        """Give back what was counted for a call that did not happen. Raises `BudgetsUnavailable`."""
        if self._kept is not None:
            await self._kept.release(reservation)

    async def _ask(self, request: PolicyRequest) -> Decision:
        rules: list[str] = []
        asking: Decision | None = None
        for engine in self._engines:
            decision = await engine.decide(request)
            if decision.effect is Effect.DENY:
                return decision
            if decision.effect is Effect.ASK:
                asking = asking or decision
            rules += decision.rules
        return asking or permit(*rules)

    async def _ask_and_count(self, request: PolicyRequest, kept: Budgets) -> Verdict:
        try:
            accounts = [each.account(request) for each in self._budgets]
        except (ValueError, OverflowError, OSError):
            return Verdict(deny(reason="the time is no date"))
        accounts = [replace(each, budget=self._prefix + each.budget) for each in accounts]
        if self._reads_spending:
            spent = await kept.spent(accounts)
            request = replace(
                request,
                spent={budget.name: each for budget, each in zip(self._budgets, spent, strict=True)},
            )
        decision = await self._ask(request)
        if not decision.is_permitted:
            return Verdict(decision)
        charges: list[Charge] = []
        for budget, account in zip(self._budgets, accounts, strict=True):
            amount = budget.amount_of(request)
            if amount is None:
                return Verdict(deny(budget.name, reason="the call has no amount that can be counted"))
            if amount > 0:
                charges.append(replace(account, amount=amount))
        if not charges:
            return Verdict(decision)
        reservation = await kept.reserve(charges)
        if reservation.exceeded:
            exceeded = (name.removeprefix(self._prefix) for name in reservation.exceeded)
            return Verdict(deny(*exceeded, reason="the budget of the day is used up"))
        counted = (each.budget.removeprefix(self._prefix) for each in charges)
        return Verdict(permit(*decision.rules, *counted), reservation)
