"""How a store's settings say in which format each of its secrets is stored."""

from collections.abc import Iterable

from deputize.gateway.config.settings import Reference, Settings
from deputize.gateway.loading.context import BuildContext
from deputize.secrets.formats import FORMATS
from deputize.secrets.secret import SecretFormat


class FormatMapping(Settings):
    """The format of one secret, which takes precedence over the store's."""

    secret_id: str
    """The secret meant."""
    format: Reference
    """How this one is written."""


def find_format(reference: Reference, context: BuildContext, key: str) -> SecretFormat:
    """The format of that name, or the format object referred to at `key`. Raises `ConfigurationError`."""
    named = FORMATS.by_name.get(reference) if isinstance(reference, str) else None
    return named or context.refer(reference, SecretFormat, key)


def find_mapped_formats(mappings: Iterable[FormatMapping], context: BuildContext) -> dict[str, SecretFormat]:
    """Secret id to the format mapped to it. Raises `ConfigurationError`."""
    return {
        each.secret_id: find_format(each.format, context, f"mappings/{index}/format")
        for index, each in enumerate(mappings)
    }
