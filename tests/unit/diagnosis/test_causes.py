"""The catalogue holds what is named, and names nothing that no test provokes."""

import re

import pytest

from deputize.diagnosis import causes
from support.source import ROOT, SOURCE

NAMES = [name for name, value in vars(causes).items() if isinstance(value, causes.Cause)]
NAMED = re.compile(r"causes\.([A-Z_]+)\b")


def named_below(folder):
    return {name for path in folder.rglob("*.py") for name in NAMED.findall(path.read_text("utf-8"))}


def test_each_cause_is_named_by_the_program_and_by_a_test():
    assert set(NAMES) - named_below(SOURCE) == set()
    assert set(NAMES) - named_below(ROOT / "tests") == set()


@pytest.mark.parametrize("name", NAMES)
def test_a_cause_has_its_words(name):
    cause = getattr(causes, name)
    assert cause.id == name.lower() or cause.id in causes.CAUSES
    texts = (cause.symptom, cause.cause, cause.fix)
    assert all(text and not text.endswith(".") for text in texts)
    assert cause.setting


def test_ids_are_of_one_cause_each():
    assert len(causes.CAUSES) == len(NAMES)


def test_what_is_not_known_stays_a_name_in_capitals():
    assert causes.AGENT_DISABLED.tell("{agent} of {url}", {"agent": "A {url}"}) == "A {url} of URL"
