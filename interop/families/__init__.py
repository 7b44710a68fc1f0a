"""The families, in the order of the table: one file each, and this tuple, which the program reads."""

from interop.families import (
    apache,
    assistants,
    bridges,
    conformance,
    foreign_authorities,
    inspector,
    libraries,
    python_sdks,
    strict_clients,
    typescript_sdks,
)
from interop.row import Family

FAMILIES: tuple[Family, ...] = (
    conformance.FAMILY,
    inspector.FAMILY,
    bridges.FAMILY,
    python_sdks.FAMILY,
    typescript_sdks.FAMILY,
    assistants.FAMILY,
    libraries.FAMILY,
    strict_clients.FAMILY,
    apache.FAMILY,
    foreign_authorities.FAMILY,
)
