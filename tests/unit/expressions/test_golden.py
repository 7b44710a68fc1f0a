"""Every syntax error an operator can cause.

`tests/golden/expressions/` holds a source and, below a line of dashes, the message.

A source that starts with `template:` is a gateway string, any other a mapping. `GOLDEN=write` rewrites the
messages.
"""

import os
from pathlib import Path

import pytest

from deputize.expressions import ExpressionError
from deputize.expressions.gateway import compile_template
from deputize.expressions.mapping import compile_mapping

CASES = sorted(Path(__file__).parents[2].joinpath("golden", "expressions").glob("*.txt"))
LINE = "\n---\n"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_message(case):
    source, _, expected = case.read_text().partition(LINE)
    message = message_for(source)
    if os.environ.get("GOLDEN") == "write":
        case.write_text(f"{source}{LINE}{message}\n")
    else:
        assert message == expected.removesuffix("\n")


def message_for(source):
    template = source.removeprefix("template:")
    compiled = compile_template if template != source else compile_mapping
    with pytest.raises(ExpressionError) as caught:
        compiled(template).evaluate({"user": {"name": "Jo", "tags": ["a"]}, "request": {"method": "GET"}})
    return str(caught.value)


def test_there_are_cases():
    assert len(CASES) > 20
