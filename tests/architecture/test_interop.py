"""What the page says of other programs is what was seen: it is made of the results, and these are whole."""

import copy
import json

import pytest
from interop.families import FAMILIES
from interop.page import MARKS, PAGE, RESULTS, render

FOUND = json.loads(RESULTS.read_text("utf-8"))
ROWS = [(family.title, row.name, row.task) for family in FAMILIES for row in family.rows]


def test_the_page_is_what_results_and_template_make():
    assert PAGE.read_text("utf-8") == render(FOUND), "run python -m interop.page"


def test_every_row_has_a_result_and_there_are_no_others():
    assert [(each["family"], each["program"], each["task"]) for each in FOUND["rows"]] == ROWS
    assert len(set(ROWS)) == len(ROWS), "two rows cannot be told apart"


def test_the_versions_are_those_that_are_installed():
    pinned = {name: version for family in FAMILIES for name, version in family.versions().items()}
    assert FOUND["versions"] == pinned


def test_rows_that_a_change_has_to_pass_did():
    quick = {(row.name, row.task) for family in FAMILIES for row in family.rows if row.quick}
    failed = {(each["program"], each["task"]) for each in FOUND["rows"] if each["outcome"] == "failed"}
    assert quick & failed == set()


@pytest.mark.parametrize("outcome", MARKS)
def test_another_outcome_makes_another_page(outcome):
    changed = copy.deepcopy(FOUND)
    changed["rows"][0]["outcome"] = next(each for each in MARKS if each != outcome)
    same = copy.deepcopy(FOUND)
    same["rows"][0]["outcome"] = outcome
    assert render(changed) != render(same)
