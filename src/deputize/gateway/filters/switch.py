"""`SwitchFilter`: diverts exchanges to other handlers by conditions (gateway-config reference 4.7)."""

from collections.abc import Sequence
from typing import Self

from deputize.gateway.config.settings import ConditionText, OneOrMore, Reference, Settings
from deputize.gateway.exchange.conditions import PlacedCondition, Undecidable
from deputize.gateway.loading.context import BuildContext
from deputize.http.exchange import Exchange, Handler, Next
from deputize.http.messages import Response


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

    async def filter(self, exchange: Exchange, next: Next) -> Response:
        """Divert before or after the rest of the chain, or do nothing. Raises `Undecidable`."""
        diverted = _choose(self._on_request, exchange, None)
        if diverted is not None:
            return await diverted.handle(exchange)
        response = await next(exchange)
        try:
            diverted = _choose(self._on_response, exchange, response)
        except Undecidable:
            await response.body.aclose()
            raise
        if diverted is None:
            return response
        await response.body.aclose()
        return await diverted.handle(exchange)


def _choose(cases: Cases, exchange: Exchange, response: Response | None) -> Handler | None:
    for condition, handler in cases:
        if condition is None or condition.selects(exchange, response):
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
