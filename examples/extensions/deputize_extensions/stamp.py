"""A filter of the gateway, the smallest extension there is."""

from deputize.gateway.config.settings import Settings, TemplateText


class StampFilter:
    """Adds a header to every answer."""

    class Config(Settings):
        """What to add."""

        value: TemplateText
        """The header's value, a runtime expression."""

    def __init__(self, value, context):
        self._value = value
        self._context = context

    @classmethod
    def build(cls, config, context):
        """Keep the expression and what evaluates it."""
        return cls(config.value, context)

    async def filter(self, exchange, next):
        """Pass on, then add the header."""
        response = await next(exchange)
        response.headers.set("X-Stamp", self._context.text(self._value, exchange, response) or "")
        return response
