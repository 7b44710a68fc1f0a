"""Documents that clients look for at the gateway: what is protected, and by whose tokens."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from deputize.gateway.authorities.endpoint import AuthorityError
from deputize.gateway.authorities.issuer import Issuer
from deputize.gateway.exchange.refusals import Refusal
from deputize.http.exchange import Exchange, Head
from deputize.http.messages import Body, Headers, Response
from deputize.http.plans import Filter, Plan
from deputize.kernel.strict_json import dumps

AnswerDocument: TypeAlias = Callable[[Exchange], Response | Awaitable[Response]]
_METHODS: Final = "GET, HEAD"
_ANYBODY: Final = (b"Access-Control-Allow-Origin", b"*")
_PREFLIGHT: Final = (
    _ANYBODY,
    (b"Access-Control-Allow-Methods", _METHODS.encode()),
    (b"Access-Control-Allow-Headers", b"*"),
    (b"Access-Control-Max-Age", b"7200"),
)


class DocumentHandler:
    """Serves a public document to programs, and to web pages of every origin.

    They hold nothing that depends on who asks, and clients that run in a browser read them first. A filter of
    the operator's, such as a `CorsFilter`, takes the place of that rule.
    """

    def __init__(self, answer: AnswerDocument, wrapping: Filter | None) -> None:
        """`wrapping` filters the requests for it."""
        self._answer = answer
        self._wrapping = wrapping

    def plan(self, head: Head) -> Plan:
        """Answer GET and HEAD, and preflights (Fetch standard, CORS protocol)."""
        if self._wrapping is not None:
            return self._wrapping.prepare(head, self._plan)
        if head.method == "OPTIONS":
            return Plan.answering(head, lambda _: Response(204, Headers(_PREFLIGHT)))

        def open_to_all(_: Exchange, response: Response) -> Response:
            response.headers.add(*(part.decode() for part in _ANYBODY))
            return response

        return self._plan(head).after(head, amend_for=lambda _: open_to_all)

    def _plan(self, head: Head) -> Plan:
        if head.method in {"GET", "HEAD"}:
            return Plan.answering(head, self._answer)
        allow = (b"Allow", _METHODS.encode())
        return Plan.answering(head, lambda _: Response(405, Headers([allow])))


def answer_with(document: bytes) -> AnswerDocument:
    """Return what answers with a JSON document."""
    return lambda _: Response(200, Headers([(b"Content-Type", b"application/json")]), Body(document))


def answer_with_metadata(issuer: Issuer) -> AnswerDocument:
    """Return what answers with the issuer's own metadata, as it publishes them (RFC 8414 section 3.2).

    Clients of MCP 2025-03-26 look for them at the gateway. They are not redirected: many of them follow no
    redirect there.
    """

    async def answer(exchange: Exchange) -> Response:
        try:
            metadata = await issuer.metadata.get()
        except AuthorityError as error:
            return Refusal(error.status, "temporarily_unavailable", error.reason).response(exchange)
        return Response(200, Headers([(b"Content-Type", b"application/json")]), Body(dumps(dict(metadata))))

    return answer
