"""`SwitchFilter`: diverts exchanges to other handlers by conditions (gateway-config reference 4.7)."""

from collections.abc import Sequence
from typing import Self

from deputize.gateway.config.settings import ConditionText, OneOrMore, Reference, Settings
from deputize.gateway.exchange.conditions import PlacedCondition, Undecidable
from deputize.gateway.loading.context import BuildContext
from deputize.http.exchange import Exchange, Head
from deputize.http.messages import Response
from deputize.http.plans import Handler, Plan, Prepare, answer


class SwitchCase(Settings):
    """A condition (always, when absent) and the handler it diverts to."""

    condition: ConditionText | None = None
    """When this case is taken; always, when absent."""
    handler: Reference
    """Answers instead."""


Cases = Sequence[tuple[PlacedCondition | None, Handler]]


class SwitchFilter:
    """The first case that holds answers instead of the rest of the chain.

    An absent header or claim differs from everything and equals nothing. A case that cannot be evaluated, or
    compares something in a context that no filter before it has left, is 500: it may be there to refuse.
    """

    class Config(Settings):
        """The cases tried before the rest of the chain runs, and those tried on its answer."""

        on_request: OneOrMore[SwitchCase] = ()
        """Cases tried before the request goes on."""
        on_response: OneOrMore[SwitchCase] = ()
        """Cases tried on the answer."""

    def __init__(self, on_request: Cases, on_response: Cases) -> None:
        self._on_request = on_request
        self._on_response = on_response

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Look up the handlers."""
        return cls(
            _build_cases(config.on_request, "onRequest", context),
            _build_cases(config.on_response, "onResponse", context),
        )

    def prepare(self, head: Head, next: Prepare) -> Plan:
        """Divert before or after the rest of the chain, or do nothing. Raises `Undecidable`."""
        conditions = (condition for condition, _ in self._on_request if condition is not None)
        if head.exchange is None and not all(each.depends_on_head_alone for each in conditions):
            return Plan.anew(head, lambda at: self.prepare(at, next))
        diverted = _choose(self._on_request, head, None)
        if diverted is not None:
            return diverted.plan(head)
        plan = next(head)
        if not self._on_response:
            return plan

        async def amend(exchange: Exchange, response: Response) -> Response:
            return await self._divert(head.at(exchange), exchange, response)

        return plan.after(head, amend_for=lambda _: amend)

    async def _divert(self, head: Head, exchange: Exchange, response: Response) -> Response:
        try:
            diverted = _choose(self._on_response, head, response)
        except Undecidable:
            await response.body.aclose()
            raise
        if diverted is None:
            return response
        await response.body.aclose()
        return await answer(diverted.plan(head), exchange)


def _choose(cases: Cases, head: Head, response: Response | None) -> Handler | None:
    for condition, handler in cases:
        if condition is None or condition.selects(head, response):
            return handler
    return None


def _build_cases(cases: Sequence[SwitchCase], key: str, context: BuildContext) -> Cases:
    return [
        (
            None if case.condition is None else context.condition(case.condition, f"{key}/{index}/condition"),
            context.refer(case.handler, Handler, f"{key}/{index}/handler"),
        )
        for index, case in enumerate(cases)
    ]
