"""`TransactionIdOutboundFilter`: names the transaction to the next program (gateway-config reference 7.4)."""

from dataclasses import dataclass
from typing import Self

from deputize.gateway.config.settings import Settings
from deputize.gateway.loading.context import BuildContext
from deputize.http.exchange import Head
from deputize.http.plans import Plan, Prepare

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

    def prepare(self, head: Head, next: Prepare) -> Plan:
        """Set the header, which is another one for each call."""
        exchange = head.exchange
        if exchange is None:
            return Plan.anew(head, lambda at: self.prepare(at, next))
        counted = exchange.find(SubRequests)
        if counted is None:
            counted = SubRequests()
            exchange.put(counted)
        headers = head.headers.copy()
        headers.set(HEADER, f"{exchange.transaction_id}/{counted.sent}")
        counted.sent += 1
        return next(head.with_headers(headers))
