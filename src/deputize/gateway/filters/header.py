"""`HeaderFilter`: removes, replaces and adds header fields (gateway-config reference 4.6)."""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field

from deputize.expressions.gateway import Template
from deputize.gateway.config.settings import OneOrMore, Settings, TemplateText
from deputize.gateway.exchange.refusals import refuse_unsendable
from deputize.gateway.loading.context import BuildContext
from deputize.http.exchange import Exchange, Next
from deputize.http.messages import TOKEN, HeaderError, Headers, Response

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

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Build the filter."""
        return cls(config, context)

    async def filter(self, exchange: Exchange, next: Next) -> Response:
        """Change the request on its way in, or the response on its way out."""
        if self._on_request:
            try:
                self._change(exchange.request.headers, exchange, None)
            except HeaderError as error:
                return refuse_unsendable(exchange, error, 400)
            return await next(exchange)
        response = await next(exchange)
        try:
            self._change(response.headers, exchange, response)
        except HeaderError as error:
            await response.body.aclose()
            return refuse_unsendable(exchange, error, 502)
        return response

    def _change(self, headers: Headers, exchange: Exchange, response: Response | None) -> None:
        added = self._evaluate(self._config.add, exchange, response)
        replaced = self._evaluate(self._config.replace, exchange, response)
        headers.remove(*self._config.remove, *(name for name, _ in replaced))
        for name, value in (*replaced, *added):
            headers.add(name, value)

    def _evaluate(
        self, values: Mapping[str, Iterable[Template]], exchange: Exchange, response: Response | None
    ) -> list[tuple[str, str]]:
        return [
            (name, value)
            for name, templates in values.items()
            for each in templates
            for value in self._context.texts(each, exchange, response)
        ]
