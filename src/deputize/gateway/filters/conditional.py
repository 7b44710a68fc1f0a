"""`ConditionalFilter`: runs another filter only if a condition holds (gateway-config reference 4.7)."""

from typing import Self

from deputize.gateway.config.settings import ConditionText, Reference, Settings
from deputize.gateway.exchange.conditions import PlacedCondition
from deputize.gateway.loading.context import BuildContext
from deputize.http.exchange import Head
from deputize.http.plans import Filter, Plan, Prepare


class ConditionalFilter:
    """Runs its delegate when the condition is true.

    An absent header or claim differs from everything and equals nothing. A condition that cannot be
    evaluated, or compares something in a context that no filter before it has left, is 500: the delegate may
    be a check that must not be skipped, or give rights that must not be given.
    """

    class Config(Settings):
        """`condition` is evaluated for each request."""

        condition: ConditionText
        """When the delegate is used."""
        delegate: Reference
        """The filter that is used or skipped."""

    def __init__(self, condition: PlacedCondition, delegate: Filter) -> None:
        self._condition = condition
        self._delegate = delegate

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Look up the delegate."""
        return cls(
            context.condition(config.condition, "condition"),
            context.refer(config.delegate, Filter, "delegate"),
        )

    def prepare(self, head: Head, next: Prepare) -> Plan:
        """Run the delegate, or continue without it. Raises `Undecidable`."""
        if head.exchange is None and not self._condition.depends_on_head_alone:
            return Plan.anew(head, lambda at: self.prepare(at, next))
        return self._delegate.prepare(head, next) if self._condition.selects(head) else next(head)
