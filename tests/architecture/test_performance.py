"""Every figure about speed is one that was measured: the page is what its results and its template make."""

import copy
import re
from pathlib import Path

import pytest
from bench.benchmarks import BENCHMARKS
from bench.measure import Findings, Result
from bench.page import HERE, PAGE, TEMPLATE, Pages, read_results
from bench.report import FIGURES, FOLDER

ROOT = Path(__file__).resolve().parents[2]
RESULTS = read_results()


def test_the_page_is_what_results_and_template_make():
    assert PAGE.read_text("utf-8") == Pages(RESULTS).render(), "run python -m bench.page"


def test_every_benchmark_has_results_with_a_picture_and_no_others_lie_about():
    assert {path.stem for path in FOLDER.glob("*.json")} == set(BENCHMARKS)
    assert {path.stem for path in FOLDER.glob("*.svg")} == set(BENCHMARKS)


def test_every_benchmark_is_shown_once():
    page = PAGE.read_text("utf-8")
    assert [page.count(f"results/{name}.svg") for name in BENCHMARKS] == [1] * len(BENCHMARKS)


@pytest.mark.parametrize("found", RESULTS, ids=lambda found: found["benchmark"])
def test_a_figure_that_changes_changes_the_page(found):
    changed = copy.deepcopy(RESULTS)
    result = changed[RESULTS.index(found)]["results"][0]
    result["medians"][found["figures"][0]] += 1234.5
    assert Pages(changed).render() != Pages(RESULTS).render()


@pytest.mark.parametrize("found", RESULTS, ids=lambda found: found["benchmark"])
def test_goals_are_judged_by_the_results_that_stand_beside_them(found):
    """Who changes a goal and not the results file, or the other way round, is told."""
    results = {each["name"]: Result(each["name"], tuple(each["rounds"])) for each in found["results"]}
    findings = Findings(results=results, facts=found["facts"])
    judged = [goal.judge(findings) for goal in BENCHMARKS[found["benchmark"]].goals]
    assert [each["what"] for each in judged] == [each["what"] for each in found["goals"]]
    for now, then in zip(judged, found["goals"], strict=True):
        reached = then["reached"] and pytest.approx(then["reached"], abs=0.002, rel=0.002)
        assert now == {**then, "reached": reached}  # results are kept rounded


WORDS = re.compile(r"\bp50\b|\bp99\b|\bES256\b|\d{4}-[a-z-]+\.md")
"""Names that hold digits."""


def test_no_figure_is_written_by_hand():
    prose = re.sub(r"\{\{.*?\}\}|\{%.*?%\}", "", (HERE / TEMPLATE).read_text("utf-8"))
    assert re.findall(r".*\d.*", WORDS.sub("", prose)) == []


def test_every_figure_of_a_benchmark_has_a_heading():
    assert {figure for each in BENCHMARKS.values() for figure in each.figures} <= set(FIGURES)
