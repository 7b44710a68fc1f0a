"""An example of each function of gateway expressions, and what it yields.

`gateway.txt` has a line for each function: its name, an expression in which it is called, and the value in
JSON. The reference shows them. `GOLDEN=write` rewrites the values.
"""

import json
import os
from pathlib import Path

import pytest

from deputize.expressions.functions.gateway import GATEWAY_FUNCTIONS
from deputize.expressions.functions.gateway.moments import moment
from deputize.expressions.gateway import compile_template

FOLDER = Path(__file__).parent
FILE = FOLDER / "gateway.txt"
LINES = FILE.read_text("utf-8").splitlines()
BINDINGS = {
    "request": {
        "method": "POST",
        "uri": {"path": "/mcp/tools"},
        "headers": {"Accept": ["*/*"], "X-Scope": ["read", "write"]},
    },
    "attributes": {"tenant": "blue", "tier": 2},
    "now": moment(1_795_462_085),
}


def parts(line):
    name, _, rest = line.partition(": ")
    expression, _, value = rest.rpartition(" ->")
    return name, expression, value.strip()


def evaluated(expression):
    source = expression.replace("&{ig.instance.dir}", str(FOLDER))
    return json.dumps(compile_template(f"${{{source}}}").evaluate(BINDINGS), ensure_ascii=False)


def test_each_function_has_an_example_in_which_it_is_called():
    if os.environ.get("GOLDEN") == "write":
        told = [
            f"{name}: {expression} -> {evaluated(expression)}" for name, expression, _ in map(parts, LINES)
        ]
        FILE.write_text("\n".join(told) + "\n", "utf-8")
    assert [parts(line)[0] for line in LINES] == [function.name for function in GATEWAY_FUNCTIONS.own]
    assert [name for name, expression, _ in map(parts, LINES) if f"{name}(" not in expression] == []


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.partition(":")[0])
def test_what_an_example_yields(line):
    _, expression, value = parts(line)
    assert evaluated(expression) == value
