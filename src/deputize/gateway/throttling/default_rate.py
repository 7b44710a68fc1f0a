"""`DefaultRateThrottlingPolicy`: a rate where another policy sets none."""

from typing import Self

from deputize.gateway.config.settings import Reference, Settings
from deputize.gateway.loading.context import BuildContext
from deputize.gateway.throttling.rate import Rate, RateSettings, ThrottlingRatePolicy
from deputize.http.exchange import Exchange


class DefaultRateThrottlingPolicy:
    """Asks its delegate first, and has a default rate where the delegate sets none."""

    class Config(Settings):
        """The delegate and the default rate."""

        delegate_throttling_rate_policy: Reference
        """The policy that is asked first."""
        default_rate: RateSettings
        """The rate where it sets none."""

    def __init__(self, delegate: ThrottlingRatePolicy, default: Rate) -> None:
        self._delegate = delegate
        self._default = default

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Look up the delegate."""
        delegate = context.refer(
            config.delegate_throttling_rate_policy, ThrottlingRatePolicy, "delegateThrottlingRatePolicy"
        )
        return cls(delegate, config.default_rate.rate)

    def rate_of(self, exchange: Exchange) -> Rate:
        """The delegate's rate, or the default."""
        return self._delegate.rate_of(exchange) or self._default
