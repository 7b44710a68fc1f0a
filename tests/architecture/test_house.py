"""The shape of the source: no helper cut finer than readers think, no word for two things, no circles."""

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from support.source import SOURCE, nodes_below

MOST_SINGLE_USE = 0.12
NESTED_BY_CONVENTION = {"Config"}
"""The class of a heap type's settings, which is always read with its owner's name before it."""

BY_NAME = {("deputize.authority.directory.objects.policy", "deputize.authority.signon.steps")}
"""Imports by name that close a circle: sign-on steps know all of the authority, and policies must know what
the settings of a step are (decision 0013)."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions() -> list[tuple[Path, Function]]:
    return [
        (path, node)
        for path, nodes in nodes_below().items()
        for node in nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def single_use() -> list[str]:
    """Private functions and methods whose name is read once in their file; decorated ones are registered."""
    uses = {path: Counter(names_read(nodes)) for path, nodes in nodes_below().items()}
    return [
        f"{path.relative_to(SOURCE)}:{node.lineno} {node.name}"
        for path, node in functions()
        if node.name.startswith("_")
        and not node.name.startswith("__")
        and not node.decorator_list
        and uses[path][node.name] == 1
    ]


def names_read(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr


def module_name(path: Path) -> str:
    parts = ("deputize", *path.relative_to(SOURCE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports() -> Mapping[str, set[str]]:
    """Module to the modules of this package that it imports: at the top, inside a function, or by name."""
    known = {module_name(path) for path in nodes_below()}
    found: dict[str, set[str]] = {}
    for path, nodes in nodes_below().items():
        own = found.setdefault(module_name(path), set())
        for node in nodes:
            if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                for alias in node.names:
                    inner = f"{node.module}.{alias.name}"
                    own |= {inner if inner in known else node.module} & known
            elif isinstance(node, ast.Import):
                own |= {alias.name for alias in node.names} & known
            elif isinstance(node, ast.Call) and list(names_read([node.func])) == ["import_module"]:
                own |= {name.value for name in node.args if isinstance(name, ast.Constant)} & known
        own.discard(module_name(path))
    return found


def test_helpers_used_once_are_the_exception():
    found, total = single_use(), len(functions())
    assert len(found) / total < MOST_SINGLE_USE, f"{len(found)} of {total}:\n" + "\n".join(found)


def test_a_class_name_means_one_thing():
    places = defaultdict(list)
    for path, nodes in nodes_below().items():
        for node in nodes:
            if isinstance(node, ast.ClassDef) and node.name not in NESTED_BY_CONVENTION:
                places[node.name].append(f"{path.relative_to(SOURCE)}:{node.lineno}")
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_no_files_import_each_other_in_a_circle():
    found = imports()
    for importer, imported in BY_NAME:
        found[importer].remove(imported)
    try:
        order = list(TopologicalSorter(found).static_order())
    except CycleError as error:
        raise AssertionError(" -> ".join(error.args[1])) from error
    assert len(order) == len(nodes_below())


def test_every_property_draws_its_share_of_examples():
    """A fixed number is drawn by the fast suite as well."""
    tests = SOURCE.parents[1] / "tests"
    fixed = [
        str(path.relative_to(tests))
        for path in sorted(tests.rglob("test_*.py"))
        if re.search(r"max_examples=\s*\d", path.read_text("utf-8"))
    ]
    assert fixed == []
