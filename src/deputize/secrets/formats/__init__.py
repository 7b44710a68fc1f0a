"""How stored bytes are read as secrets; `FORMATS` are those that a store's `format` can name."""

from deputize.kernel.families import Family
from deputize.secrets.formats.base64 import Base64Format
from deputize.secrets.formats.plain import PlainFormat
from deputize.secrets.secret import NamedFormat


def _name(found: NamedFormat) -> tuple[str, ...]:
    return (found.name,)


def _flaw(found: object) -> str:
    return "" if isinstance(found, NamedFormat) else "it lacks name or decode"


FORMATS: Family[NamedFormat] = Family(
    "deputize.secret_formats", (Base64Format(), PlainFormat()), _name, _flaw
)
