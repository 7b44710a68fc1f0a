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

    def prepare(self, head, next):
        """Pass on, and add the header to each answer."""

        def stamp(exchange, response):
            value = self._context.text(self._value, head.at(exchange), response)
            response.headers.set("X-Stamp", value or "")
            return response

        return next(head).after(head, amend_for=lambda _: stamp)
