"""What pyproject.toml asks for is what the code imports.

No more, no less, and each in the extra that needs it.
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from support.source import ROOT, SOURCE, imported_modules

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
DISTRIBUTIONS = packages_distributions()
NOT_IMPORTED = {"tzdata", "psycopg", "python-multipart"}
"""Data that zoneinfo reads, a driver that SQLAlchemy loads by its name in the database's URL, and what
Starlette reads forms with.
"""
AUTHORITY = (SOURCE / "authority",)
GATEWAY = (SOURCE / "gateway", SOURCE / "mcp")


def imported(path: Path) -> set[str]:
    """The distributions that the files of a folder import, by normalized name."""
    found = {name.partition(".")[0] for file in path.rglob("*.py") for name in imported_modules(file)}
    # pydantic_core is pydantic's own, in its very version
    return {distribution(name) for name in found - {"pydantic_core"} if distribution(name)}


def distribution(module: str) -> str:
    """What brings a module; "" for the standard library and for this repository's own."""
    if module in sys.stdlib_module_names or module not in DISTRIBUTIONS:
        return ""
    return normalized(DISTRIBUTIONS[module][0])


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(requirements: list[str]) -> Iterator[str]:
    """The distributions in a list of requirements, other than this one's extras."""
    for requirement in requirements:
        name = normalized(re.match(r"[\w.-]+", requirement)[0])
        if name != "deputize":
            yield name


def imported_by(*folders: Path) -> set[str]:
    return set().union(*(imported(folder) for folder in folders)) - {"deputize"}


@cache
def imported_by_part() -> dict[str, set[str]]:
    """What both programs import, and what one of them imports beyond that."""
    authority, gateway = imported_by(*AUTHORITY), imported_by(*GATEWAY)
    shared = [each for each in SOURCE.iterdir() if each.is_dir() and each not in {*AUTHORITY, *GATEWAY}]
    both = (authority & gateway) | imported_by(*shared)
    return {"both": both, "authority": authority - both, "gateway": gateway - both}


def test_what_both_programs_import_is_asked_for_without_an_extra():
    assert set(declared(PROJECT["dependencies"])) - NOT_IMPORTED == imported_by_part()["both"]


@pytest.mark.parametrize("program", ["authority", "gateway"])
def test_what_one_program_imports_is_asked_for_in_its_extra(program):
    asked = set(declared(PROJECT["optional-dependencies"][program]))
    assert asked - NOT_IMPORTED == imported_by_part()[program]


def test_postgresql_asks_for_its_driver_and_what_sqlalchemys_asyncio_needs():
    asked = set(declared(PROJECT["optional-dependencies"]["postgresql"]))
    assert asked - NOT_IMPORTED == {"sqlalchemy"}


@pytest.mark.parametrize(("extra", "folder"), [("samples", "samples"), ("demo", "demo")])
def test_what_an_extra_asks_for_is_imported(extra, folder):
    assert set(declared(PROJECT["optional-dependencies"][extra])) <= imported_by(ROOT / folder)
