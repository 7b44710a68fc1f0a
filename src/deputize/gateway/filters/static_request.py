"""`StaticRequestFilter`: a request written in the configuration (gateway-config reference 4.6)."""

from collections.abc import Iterable
from typing import Self
from urllib.parse import urlencode, urlsplit

from pydantic import Field, field_validator

from deputize.expressions.gateway import Template
from deputize.gateway.config.settings import OneOrMore, Settings, TemplateText, join_lines
from deputize.gateway.exchange.bindings import depends_on_head_alone
from deputize.gateway.exchange.refusals import refuse_unsendable
from deputize.gateway.loading.context import BuildContext
from deputize.http.exchange import Exchange, Head
from deputize.http.messages import Body, HeaderError, Headers
from deputize.http.plans import Plan, Prepare
from deputize.kernel.uris import UriError, parse_origin, parse_target

_FORM_TYPE = "application/x-www-form-urlencoded"
_BODY_FIELDS = ("Content-Length", "Transfer-Encoding")


class StaticRequestFilter:
    """Passes another request on in place of the one that came in, of which nothing is kept.

    What no header field can carry is refused with 400, as is a `uri` that is none.
    """

    class Config(Settings):
        """The request. Its texts are runtime expressions, which read the request that came in.

        `form` and `entity` exclude each other. `version` has no effect: the handler decides how it asks.
        """

        method: str = Field(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")
        """The method, such as `GET`."""
        uri: TemplateText
        """An absolute http or https URI."""
        version: str = "HTTP/1.1"
        """Accepted, without effect."""
        headers: dict[str, OneOrMore[TemplateText]] = Field({})
        """Header name to its values."""
        form: dict[str, OneOrMore[TemplateText]] = Field({})
        """Parameter name to its values: in the query of a `GET`, else in the body."""
        entity: TemplateText | None = None
        """The body: a text, or a list of lines."""

        _join_lines = field_validator("entity", mode="before")(join_lines)

    def __init__(self, config: Config, context: BuildContext) -> None:
        self._config = config
        self._context = context
        texts = [config.uri, *_all(config.headers), *_all(config.form)]
        texts += [config.entity] if config.entity else []
        self._is_of_head = all(depends_on_head_alone(each.reads) for each in texts)

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Check that only one of them makes the body."""
        if config.form and config.entity:
            raise context.error("entity", "a request has a form or an entity", "remove one of them")
        return cls(config, context)

    def prepare(self, head: Head, next: Prepare) -> Plan:
        """Pass the other request on."""
        if head.exchange is None and not self._is_of_head:
            return Plan.anew(head, lambda at: self.prepare(at, next))
        try:
            made, content = self._make(head)
        except (HeaderError, UriError) as error:
            fault = error
            return Plan.answering(head, lambda exchange: refuse_unsendable(exchange, fault, 400))

        def replace_body(exchange: Exchange) -> None:
            exchange.body = Body(content)

        return next(made).after(made, check=replace_body)

    def _make(self, head: Head) -> tuple[Head, bytes]:
        """Return the head and the body. Raises `HeaderError`, `UriError` or `ExpressionError`."""
        config = self._config
        uri = self._context.text(config.uri, head) or ""
        parts = urlsplit(uri)
        headers = Headers()
        for name, texts in config.headers.items():
            for value in self._values(texts, head):
                headers.add(name, value)
        headers.remove(*_BODY_FIELDS)
        form = urlencode(
            [(name, value) for name, texts in config.form.items() for value in self._values(texts, head)]
        )
        query, content = parts.query, b""
        if config.form and config.method == "GET":
            query = f"{query}&{form}" if query else form
        elif config.form:
            content = form.encode()
            headers.set("Content-Type", _FORM_TYPE)
        elif config.entity:
            content = (self._context.text(config.entity, head) or "").encode()
        target = f"{parts.path or '/'}{f'?{query}' if query else ''}"
        made = head.with_method(config.method).with_origin(parse_origin(uri)).with_headers(headers)
        return made.with_target(parse_target(target.encode())), content

    def _values(self, texts: Iterable[Template], head: Head) -> list[str]:
        return [value for text in texts for value in self._context.texts(text, head)]


def _all(values: dict[str, tuple[Template, ...]]) -> list[Template]:
    return [text for texts in values.values() for text in texts]
