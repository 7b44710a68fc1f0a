"""`TracingDecorator`: accepted, for other gateways have it (gateway-config reference 1.8)."""

from typing import Self

from deputize.gateway.config.settings import Settings
from deputize.gateway.loading.context import BuildContext
from deputize.http.plans import Filter, Handler
from deputize.kernel.errors import ConfigurationError
from deputize.kernel.values import JsonValue


class TracingDecorator:
    """Has no effect yet, and is warned about. Always there as `tracing`."""

    class Config(Settings):
        """Nothing to configure."""

    def __init__(self, name: str) -> None:
        self._name = name

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Nothing to look up."""
        return cls(context.name)

    def decorate(
        self, subject: Filter | Handler, written: JsonValue, context: BuildContext
    ) -> Filter | Handler:
        """Return `subject` as it is, with a warning."""
        if written is not False:
            reason = f"the decoration {self._name!r} is not yet supported and has no effect"
            context.deployment.warnings.append(
                ConfigurationError(context.position.below(self._name), reason, "use timer, or remove it")
            )
        return subject
