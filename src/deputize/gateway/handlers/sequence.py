"""`SequenceHandler`: handlers in turn while postconditions hold (gateway-config reference 5.1)."""

from collections.abc import Sequence
from typing import Self

from pydantic import Field

from deputize.gateway.config.settings import ConditionText, OneOrMore, Reference, Settings
from deputize.gateway.exchange.conditions import PlacedCondition
from deputize.gateway.loading.context import BuildContext
from deputize.http.exchange import Exchange
from deputize.http.messages import Response
from deputize.http.plans import Handler, ask


class SequenceBinding(Settings):
    """A handler, and the condition on its answer for going on to the next (always, when absent)."""

    handler: Reference
    """Answers the request."""
    postcondition: ConditionText | None = None
    """Whether to go on to the next binding after this answer; always, when absent."""


class SequenceHandler:
    """Runs handlers in turn; the last answer obtained is the answer.

    A postcondition that compares something missing does not hold.
    """

    class Config(Settings):
        """The bindings, in the order in which they run."""

        bindings: OneOrMore[SequenceBinding] = Field(min_length=1)
        """The steps, in order."""

    def __init__(self, steps: Sequence[tuple[Handler, PlacedCondition | None]]) -> None:
        self._steps = steps

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Look up the handlers."""
        steps = [
            (
                context.refer(each.handler, Handler, f"bindings/{index}/handler"),
                None
                if each.postcondition is None
                else context.condition(each.postcondition, f"bindings/{index}/postcondition"),
            )
            for index, each in enumerate(config.bindings)
        ]
        return cls(steps)

    async def handle(self, exchange: Exchange) -> Response:
        """Answer with the last response obtained; the ones before it are closed unread."""
        *leading, (last, _) = self._steps
        for handler, postcondition in leading:
            response = await ask(handler, exchange)
            if postcondition is not None and not postcondition.permits(exchange, response):
                return response
            await response.body.aclose()
        return await ask(last, exchange)
