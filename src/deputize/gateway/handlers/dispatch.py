"""`DispatchHandler`: the first binding whose condition holds answers (gateway-config reference 5.1)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import structlog
from pydantic import Field

from deputize.expressions.gateway import Template
from deputize.gateway.config.settings import ConditionText, OneOrMore, Reference, Settings, TemplateText
from deputize.gateway.exchange.bindings import depends_on_head_alone
from deputize.gateway.exchange.conditions import PlacedCondition
from deputize.gateway.exchange.refusals import refuse
from deputize.gateway.loading.context import BuildContext
from deputize.http.exchange import Exchange, Head
from deputize.http.messages import Response
from deputize.http.plans import Handler, Plan
from deputize.kernel.uris import parse_origin

log = structlog.get_logger()


class Binding(Settings):
    """A condition (always, when absent), the handler it leads to, and the origin requests then go to."""

    condition: ConditionText | None = None
    """When this binding is taken; always, when absent."""
    handler: Reference
    """Answers the request."""
    base_uri: TemplateText | None = Field(None, alias="baseURI")
    """Scheme, host and port the request then goes to."""


@dataclass(frozen=True, slots=True)
class _Bound:
    condition: PlacedCondition | None
    handler: Handler
    base_uri: Template | None

    @property
    def depends_on_head_alone(self) -> bool:
        """Whether this binding means the same for all calls with one head."""
        return (self.condition is None or self.condition.depends_on_head_alone) and (
            self.base_uri is None or depends_on_head_alone(self.base_uri.reads)
        )


class DispatchHandler:
    """Passes each exchange to one of several handlers.

    An absent header or claim differs from everything and equals nothing. A condition that cannot be
    evaluated, or compares something in a context that no filter before it has left, is 500: what it leads to
    may be there to refuse.
    """

    class Config(Settings):
        """The bindings, in the order in which they are tried."""

        bindings: OneOrMore[Binding] = Field(min_length=1)
        """Tried in order; the first whose condition holds is taken. None is 404."""

    def __init__(self, bindings: Sequence[_Bound], context: BuildContext) -> None:
        self._bindings = bindings
        self._context = context

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Look up the handlers."""
        bound = [
            _Bound(
                None
                if each.condition is None
                else context.condition(each.condition, f"bindings/{index}/condition"),
                context.refer(each.handler, Handler, f"bindings/{index}/handler"),
                each.base_uri,
            )
            for index, each in enumerate(config.bindings)
        ]
        return cls(bound, context)

    def plan(self, head: Head) -> Plan:
        """Pass on; nobody to pass to is 404. Raises `Undecidable`."""
        for each in self._bindings:
            if head.exchange is None and not each.depends_on_head_alone:
                return Plan.anew(head, self.plan)
            if each.condition is None or each.condition.selects(head):
                if each.base_uri is not None:
                    head = head.with_origin(parse_origin(self._context.text(each.base_uri, head) or ""))
                return each.handler.plan(head)
        return Plan.answering(head, self._refuse)

    def _refuse(self, exchange: Exchange) -> Response:
        log.info(
            "no binding of the dispatch handler accepts the request",
            handler=self._context.name,
            transaction=exchange.transaction_id,
        )
        return refuse(exchange, 404, "not_dispatched", "no binding of the dispatch handler accepts it")
