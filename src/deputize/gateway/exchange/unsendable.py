"""What an exchange is answered when an expression yields a value that no header field can carry."""

import structlog

from deputize.gateway.exchange.oauth_contexts import RefusalContext
from deputize.http.exchange import Exchange
from deputize.http.messages import HeaderError, Response

log = structlog.get_logger()


def refuse_unsendable(exchange: Exchange, error: HeaderError, status: int) -> Response:
    """The refusal.

    Such values come from what clients and users say about themselves, such as a claim with a line break.

    They are not encoded on the way: two users must not look the same to a server that does not decode.
    """
    log.warning(
        "a computed header cannot be sent",
        reason=str(error),
        fix="encode the value in its expression, for example with urlEncodeQueryParameterNameOrValue",
        transaction=exchange.transaction_id,
    )
    exchange.put(RefusalContext("header_not_possible", str(error)))
    return Response(status)
