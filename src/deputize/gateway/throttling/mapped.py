"""`MappedThrottlingPolicy`: the rate by the value of an expression."""

from collections.abc import Mapping
from typing import Self

from deputize.expressions.gateway import Template
from deputize.gateway.config.settings import Settings, TemplateText
from deputize.gateway.loading.context import BuildContext
from deputize.gateway.throttling.rate import Rate, RateSettings
from deputize.http.exchange import Exchange


class MappedThrottlingPolicy:
    """Looks up the rate by the value of an expression; other values have the default rate."""

    class Config(Settings):
        """`throttlingRateMapper` is evaluated for each request and looked up in `throttlingRatesMapping`."""

        throttling_rate_mapper: TemplateText
        """The value that is looked up for a request."""
        throttling_rates_mapping: dict[str, RateSettings]
        """Value to its rate."""
        default_rate: RateSettings
        """The rate of values without one."""

    def __init__(
        self, mapper: Template, rates: Mapping[str, Rate], default: Rate, context: BuildContext
    ) -> None:
        self._mapper = mapper
        self._rates = rates
        self._default = default
        self._context = context

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Nothing to look up."""
        rates = {value: settings.rate for value, settings in config.throttling_rates_mapping.items()}
        return cls(config.throttling_rate_mapper, rates, config.default_rate.rate, context)

    def rate_of(self, exchange: Exchange) -> Rate:
        """The rate of the exchange's value. Raises `ExpressionError`."""
        return self._rates.get(self._context.text(self._mapper, exchange) or "", self._default)
