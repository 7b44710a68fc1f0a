"""What pyproject.toml asks for is what the code imports.

No more, no less, and each in the extra that needs it.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "deputize"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
DISTRIBUTIONS = packages_distributions()
NOT_IMPORTED = {"tzdata", "psycopg"}
"""Data that zoneinfo reads, and a driver that SQLAlchemy loads by its name in the database's URL."""
AUTHORITY = (SOURCE / "authority",)
GATEWAY = (SOURCE / "gateway", SOURCE / "mcp")


def imported(path: Path) -> set[str]:
    """The distributions that the files of a folder import, by normalized name."""
    found: set[str] = set()
    for file in path.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found.update(alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                found.add(node.module.partition(".")[0])
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


OF_AUTHORITY, OF_GATEWAY = imported_by(*AUTHORITY), imported_by(*GATEWAY)
OF_BOTH = (OF_AUTHORITY & OF_GATEWAY) | imported_by(
    *(each for each in SOURCE.iterdir() if each.is_dir() and each not in {*AUTHORITY, *GATEWAY})
)


@pytest.mark.parametrize(
    ("requirements", "imports"),
    [
        (PROJECT["dependencies"], OF_BOTH),
        (PROJECT["optional-dependencies"]["authority"], OF_AUTHORITY - OF_BOTH),
        (PROJECT["optional-dependencies"]["gateway"], OF_GATEWAY - OF_BOTH),
        (PROJECT["optional-dependencies"]["postgresql"], {"sqlalchemy"}),  # with what its asyncio needs
    ],
    ids=["both", "authority", "gateway", "postgresql"],
)
def test_the_packages_asked_for_are_those_imported(requirements, imports):
    assert set(declared(requirements)) - NOT_IMPORTED == imports


@pytest.mark.parametrize(("extra", "folder"), [("samples", "samples"), ("demo", "demo")])
def test_what_an_extra_asks_for_is_imported(extra, folder):
    assert set(declared(PROJECT["optional-dependencies"][extra])) <= imported_by(ROOT / folder)
