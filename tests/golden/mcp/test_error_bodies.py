"""Each `.txt` file holds a request above a line of dashes, and the exact refusal below it."""

from pathlib import Path

import pytest

from deputize.mcp.errors import Rejection
from support.mcp_messages import whole_ladder

CASES = sorted(Path(__file__).parent.glob("*.txt"))


def parse_case(text):
    request, _, expected = text.partition("\n----\n")
    head, _, body = request.partition("\n\n")
    verb, *lines = head.splitlines()
    return verb, [tuple(line.split(": ", 1)) for line in lines], body.encode(), expected.strip()


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_golden_refusals(path):
    verb, pairs, body, expected = parse_case(path.read_text("utf-8"))
    rejection = whole_ladder(verb, pairs, body)
    assert isinstance(rejection, Rejection)
    allow = f"\nAllow: {rejection.allow}" if rejection.allow else ""
    assert f"{rejection.status}{allow}\n{rejection.body().decode()}" == expected
