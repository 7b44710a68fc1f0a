"""`StaticResponseHandler`: an answer written in the configuration (gateway-config reference 5.1)."""

from typing import Self

from pydantic import Field, field_validator

from deputize.gateway.config.settings import OneOrMore, Settings, TemplateText, join_lines
from deputize.gateway.exchange.refusals import refuse_unsendable
from deputize.gateway.loading.context import BuildContext
from deputize.http.exchange import Exchange, Head
from deputize.http.messages import Body, HeaderError, Headers, Response
from deputize.http.plans import Plan


class StaticResponseHandler:
    """Answers every exchange with the same status, headers and entity; their texts are runtime expressions.

    Where such an expression alone yields a list, a header has a field for each element; lists in the entity
    and maps are JSON.
    """

    class Config(Settings):
        """The answer; `entity` may be a list of lines."""

        status: int = Field(ge=200, le=599)
        """Status code."""
        reason: str | None = None
        """Reason phrase; the usual one of the status when absent."""
        headers: dict[str, OneOrMore[TemplateText]] = Field({})
        """Header name to its values."""
        entity: TemplateText | None = None
        """The body: a text, or a list of lines."""

        _join_lines = field_validator("entity", mode="before")(join_lines)

    def __init__(self, config: Config, context: BuildContext) -> None:
        self._config = config
        self._context = context

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Build the handler."""
        return cls(config, context)

    def plan(self, head: Head) -> Plan:
        """Answer without asking anybody; 400 for a header whose value no field can carry."""
        return Plan.answering(head, lambda exchange: self._answer(head.at(exchange), exchange))

    def _answer(self, head: Head, exchange: Exchange) -> Response:
        config = self._config
        headers = Headers()
        try:
            for name, values in config.headers.items():
                for value in values:
                    for text in self._context.texts(value, head) or [""]:
                        headers.add(name, text)
        except HeaderError as error:
            return refuse_unsendable(exchange, error, 400)
        entity = self._context.text(config.entity, head) if config.entity else None
        return Response(config.status, headers, Body((entity or "").encode()), config.reason)
