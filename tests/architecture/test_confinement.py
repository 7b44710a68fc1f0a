"""Third-party libraries stay where they were put, so that replacing one touches one package."""

import sys
from functools import cache

import pytest

from support.source import SOURCE, imported_modules

CONFINED = {
    "joserfc": ("jose",),
    "cryptography": ("jose", "secrets", "http/tls.py", "cli"),
    "sqlalchemy": ("authority/storage",),
    "alembic": ("authority/storage",),
    "jinja2": ("authority/signon", "authority/console"),
    "fastapi": ("authority/management",),
    "starlette": ("authority/management", "authority/console"),
    "nh3": ("authority/signon",),
    "argon2": ("authority",),
    "fido2": ("authority/factors",),
    "pyotp": ("authority/factors",),
    "segno": ("authority/factors",),
    "httptools": ("http/listener", "http/upstream"),
    "re2": ("expressions", "gateway", "mcp"),
    "regex": ("expressions",),
    "yaml": ("authority/environment_file",),
    "click": ("cli",),
    "cedarpy": ("gateway/policies",),
    "pydantic_core": (
        "kernel/strict_json.py",
        "mcp/shapes.py",
        "gateway/config",
        "authority/environment_file",
        "authority/directory/objects",
    ),
    "rich": ("cli",),
}
NEVER = {
    "mcp", "mcp_types", "httpx", "httpx2", "requests", "aiohttp", "uvicorn",
    "pickle", "marshal", "shelve",
}  # fmt: skip
PURE = ("kernel", "oauth", "mcp", "expressions")
IMPURE = {"asyncio", "socket", "ssl", "sqlite3", "subprocess", "secrets", "random", "time", "threading", "os"}
IMPURE_ALLOWED = {("kernel/clock.py", "time"), ("kernel/ids.py", "secrets")}


@cache
def imports() -> tuple[tuple[str, str], ...]:
    return tuple(
        (path.relative_to(SOURCE).as_posix(), name.partition(".")[0])
        for path in sorted(SOURCE.rglob("*.py"))
        for name in imported_modules(path)
    )


def test_there_are_imports_to_judge():
    assert len(imports()) > 100


@pytest.mark.parametrize("library", sorted(CONFINED))
def test_a_library_is_imported_only_where_it_belongs(library):
    strays = [file for file, name in imports() if name == library and not file.startswith(CONFINED[library])]
    assert strays == []


def test_some_libraries_are_never_imported():
    assert [pair for pair in imports() if pair[1] in NEVER] == []


def test_the_kernel_imports_the_standard_library_and_one_parser():
    strays = {
        pair
        for pair in imports()
        if pair[0].startswith("kernel/") and pair[1] not in {*sys.stdlib_module_names, "deputize"}
    }
    assert strays == {("kernel/strict_json.py", "pydantic_core")}


def test_the_protocol_layers_do_no_io_and_draw_no_randomness():
    strays = [
        pair
        for pair in imports()
        if pair[0].startswith(PURE) and pair[1] in IMPURE and pair not in IMPURE_ALLOWED
    ]
    assert strays == []
