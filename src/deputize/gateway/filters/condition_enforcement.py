"""`ConditionEnforcementFilter`: passes on only if a condition holds (gateway-config reference 4.7)."""

from typing import Self

from deputize.gateway.config.settings import ConditionText, Reference, Settings
from deputize.gateway.exchange.conditions import PlacedCondition
from deputize.gateway.exchange.refusals import refusing
from deputize.gateway.loading.context import BuildContext
from deputize.http.exchange import Head
from deputize.http.plans import Handler, Plan, Prepare


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

    def prepare(self, head: Head, next: Prepare) -> Plan:
        """Continue, or refuse."""
        if head.exchange is None and not self._condition.depends_on_head_alone:
            return Plan.anew(head, lambda at: self.prepare(at, next))
        if self._condition.permits(head):
            return next(head)
        reason = f"the condition of {self._context.name or self._context.pointer} does not hold"
        return refusing(head, 403, "condition_not_met", reason, self._failure)
