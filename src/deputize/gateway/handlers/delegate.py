"""`Delegate`: another heap object under decorations of its own."""

from deputize.gateway.config.settings import Reference, Settings
from deputize.gateway.loading.context import BuildContext


class Delegate:
    """Stands for another object, which decorations beside this `type` decorate here only."""

    class Config(Settings):
        """The object."""

        delegate: Reference
        """A handler, a filter, or any other object."""

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> object:
        """Find the object."""
        return context.refer(config.delegate, object, "delegate")
