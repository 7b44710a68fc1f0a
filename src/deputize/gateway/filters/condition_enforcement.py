"""`ConditionEnforcementFilter`: passes on only if a condition holds (gateway-config reference 4.7)."""

from collections.abc import Awaitable
from typing import Self

from deputize.gateway.config.settings import ConditionText, Reference, Settings
from deputize.gateway.exchange.conditions import PlacedCondition
from deputize.gateway.exchange.refusals import refuse
from deputize.gateway.loading.context import BuildContext
from deputize.http.exchange import Exchange, Handler, Next
from deputize.http.messages import Response


class ConditionEnforcementFilter:
    """Refuses with 403, or hands over to the failure handler, and leaves a `RefusalContext`.

    A condition that compares something missing, in whatever way, does not hold: neither does `x != 'danger'`
    without `x`. Only `x == null`, `x != null` and `empty x` test for what is missing. A condition that cannot
    be evaluated does not hold either.
    """

    class Config(Settings):
        """`condition` is evaluated for each request."""

        condition: ConditionText
        """What must hold for the request to go on."""
        failure_handler: Reference | None = None
        """Answers requests for which it does not hold; without it the answer is 403."""

    def __init__(self, condition: PlacedCondition, failure: Handler | None, context: BuildContext) -> None:
        self._condition = condition
        self._failure = failure
        self._context = context

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Look up the failure handler."""
        failure = context.refer_if_set(config.failure_handler, Handler, "failureHandler")
        return cls(context.condition(config.condition, "condition"), failure, context)

    def filter(self, exchange: Exchange, next: Next) -> Awaitable[Response]:
        """Continue, or refuse."""
        if self._condition.permits(exchange):
            return next(exchange)
        reason = f"the condition of {self._context.name or self._context.pointer} does not hold"
        return refuse(exchange, 403, "condition_not_met", reason, handler=self._failure)
