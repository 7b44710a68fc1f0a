"""How stored bytes are read as secrets, in the order a reader wants."""

from deputize.secrets.formats.base64 import Base64Format
from deputize.secrets.formats.pem import PemFormat
from deputize.secrets.formats.plain import PlainFormat

FORMATS = (Base64Format, PlainFormat, PemFormat)
