"""The formats of stored secrets; `FORMATS` are those that a store's `format` can name."""

from deputize.kernel.families import Family, having
from deputize.secrets.formats.base64 import Base64Format
from deputize.secrets.formats.plain import PlainFormat
from deputize.secrets.secret import NamedFormat

FORMATS: Family[NamedFormat] = Family(
    "deputize.secret_formats",
    (Base64Format(), PlainFormat()),
    lambda each: (each.name,),
    having("name", "decode"),
)
