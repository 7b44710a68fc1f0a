"""`TransactionIdOutboundFilter`: names the transaction to the next program (gateway-config reference 7.4)."""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Self

from deputize.gateway.config.settings import Settings
from deputize.gateway.loading.context import BuildContext
from deputize.http.exchange import Exchange, Next
from deputize.http.messages import Response

HEADER = "X-ForgeRock-TransactionId"


@dataclass(slots=True)
class SubRequests:
    """How many requests this exchange has sent on."""

    sent: int = 0


class TransactionIdOutboundFilter:
    """Sends `<transaction id>/<n>`, n counting from 0 the requests sent on for one exchange.

    What the client sent is replaced.
    """

    class Config(Settings):
        """Nothing to configure."""

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Build the filter."""
        return cls()

    def filter(self, exchange: Exchange, next: Next) -> Awaitable[Response]:
        """Set the header."""
        counted = exchange.find(SubRequests)
        if counted is None:
            counted = SubRequests()
            exchange.put(counted)
        exchange.request.headers.set(HEADER, f"{exchange.transaction_id}/{counted.sent}")
        counted.sent += 1
        return next(exchange)
