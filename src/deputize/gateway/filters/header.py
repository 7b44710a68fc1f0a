"""`HeaderFilter`: removes, replaces and adds header fields (gateway-config reference 4.6)."""

import re
from collections.abc import Awaitable, Iterable, Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field

from deputize.expressions.gateway import Template
from deputize.gateway.config.settings import OneOrMore, Settings, TemplateText
from deputize.gateway.exchange.bindings import depends_on_head_alone
from deputize.gateway.exchange.refusals import refuse_unsendable
from deputize.gateway.loading.context import BuildContext
from deputize.http.exchange import Exchange, Head
from deputize.http.messages import TOKEN, HeaderError, Headers, Response
from deputize.http.plans import Plan, Prepare

_NAME = re.compile(TOKEN)


def _check_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a header name")
    return name


def _to_upper_case(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


HeaderName = Annotated[str, AfterValidator(_check_name)]
HeaderValues = dict[HeaderName, OneOrMore[TemplateText]]


class HeaderFilter:
    """Changes the headers of requests or of responses."""

    class Config(Settings):
        """The changes: `remove` first, then `replace`, then `add`.

        Values are runtime expressions: null adds nothing, a list a field for each element, a map its JSON.
        What no header field can carry, such as a line break in a claim, is refused: a request with 400, an
        answer with 502.
        """

        message_type: Annotated[Literal["REQUEST", "RESPONSE"], BeforeValidator(_to_upper_case)]
        """Which message is changed."""
        remove: OneOrMore[HeaderName] = ()
        """Names of headers that are taken out."""
        replace: HeaderValues = Field({})
        """Header name to the values it has instead of its old ones."""
        add: HeaderValues = Field({})
        """Header name to values that are added."""

    def __init__(self, config: Config, context: BuildContext) -> None:
        self._config = config
        self._context = context
        self._on_request = config.message_type == "REQUEST"
        self._is_of_head = all(
            depends_on_head_alone(template.reads)
            for values in (config.add, config.replace)
            for templates in values.values()
            for template in templates
        )

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Build the filter."""
        return cls(config, context)

    def prepare(self, head: Head, next: Prepare) -> Plan:
        """Change the request on its way in, or the response on its way out."""
        if not self._on_request:

            def amend(exchange: Exchange, response: Response) -> Response | Awaitable[Response]:
                return self._change_answer(head.at(exchange), exchange, response)

            return next(head).after(head, amend_for=lambda _: amend)
        if head.exchange is None and not self._is_of_head:
            return Plan.anew(head, lambda at: self.prepare(at, next))
        headers = head.headers.copy()
        try:
            self._change(headers, head, None)
        except HeaderError as error:
            fault = error
            return Plan.answering(head, lambda exchange: refuse_unsendable(exchange, fault, 400))
        return next(head.with_headers(headers))

    def _change_answer(
        self, head: Head, exchange: Exchange, response: Response
    ) -> Response | Awaitable[Response]:
        try:
            self._change(response.headers, head, response)
        except HeaderError as error:
            return self._refuse_answer(exchange, response, error)
        return response

    async def _refuse_answer(self, exchange: Exchange, response: Response, error: HeaderError) -> Response:
        await response.body.aclose()
        return refuse_unsendable(exchange, error, 502)

    def _change(self, headers: Headers, head: Head, response: Response | None) -> None:
        added = self._evaluate(self._config.add, head, response)
        replaced = self._evaluate(self._config.replace, head, response)
        headers.remove(*self._config.remove, *(name for name, _ in replaced))
        for name, value in (*replaced, *added):
            headers.add(name, value)

    def _evaluate(
        self, values: Mapping[str, Iterable[Template]], head: Head, response: Response | None
    ) -> list[tuple[str, str]]:
        return [
            (name, value)
            for name, templates in values.items()
            for each in templates
            for value in self._context.texts(each, head, response)
        ]
