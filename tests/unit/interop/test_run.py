"""A row that fails fails the run, one that cannot be tried here is shown, and none ends the others."""

import pytest
from demo.programs import ProgramFailed
from interop import __main__ as run
from interop.families import FAMILIES
from interop.install import NotRun
from interop.row import Family, Row, RowFailed


def row(raised=None, name="Client"):
    def attempt(setting):
        if raised:
            raise raised
        return "what was seen"

    return Row(name, "does something", attempt)


def outcomes(*rows, quick=False):
    family = Family("family", "Real clients", rows, dict)
    return [(each["outcome"], each["seen"]) for each in run.try_all(None, [family], quick=quick)]


@pytest.mark.parametrize("failure", [RowFailed("no browser"), ProgramFailed("no record"), ValueError("odd")])
def test_a_failure_is_shown_and_does_not_end_the_others(failure, capsys):
    (first, seen), second = outcomes(row(failure), row())
    assert (first, second) == ("failed", ("passed", "what was seen"))
    assert str(failure) in seen


def test_what_cannot_be_tried_here_is_no_failure():
    assert outcomes(row(NotRun("npm is not installed"))) == [("not run", "npm is not installed")]


def test_a_quick_run_has_the_quick_rows():
    rows = (row(), Row("Quick", "does it", lambda setting: "fast", quick=True))
    assert outcomes(*rows, quick=True) == [("passed", "fast")]


def test_rows_not_tried_keep_what_was_seen_of_them_and_others_are_forgotten():
    tried, kept = ((each.title, row.name, row.task) for each in FAMILIES[:1] for row in each.rows[:2])

    def result(identity, seen):
        return dict(zip(run.IDENTITY, identity, strict=True)) | {"outcome": "passed", "seen": seen}

    gone = ("Real clients", "Gone", "does nothing")
    before = [result(each, "before") for each in (tried, kept, gone)]
    rows = run.document(before, [result(tried, "now")])["rows"]
    assert rows == [result(tried, "now"), result(kept, "before")]


@pytest.mark.parametrize(("outcome", "code"), [("passed", 0), ("not run", 0), ("failed", 1)])
def test_only_a_failure_fails_the_run(outcome, code):
    assert run.exit_code([{"outcome": "passed"}, {"outcome": outcome}]) == code
