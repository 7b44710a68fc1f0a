from datetime import date, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import when

TODAY = date(2026, 3, 18)  # a Wednesday


@pytest.mark.parametrize(
    ("sentence", "day"),
    [
        ("today", TODAY),
        ("rain tonight?", TODAY),
        ("Tomorrow in Paris", date(2026, 3, 19)),
        ("the day after tomorrow", date(2026, 3, 20)),
        ("yesterday", date(2026, 3, 17)),
        ("in 3 days", date(2026, 3, 21)),
        ("on Friday", date(2026, 3, 20)),
        ("next wednesday", date(2026, 3, 25)),
        ("on 2026-05-01", date(2026, 5, 1)),
        ("on 1 May", date(2026, 5, 1)),
        ("the 2nd of January", date(2027, 1, 2)),
        ("Sept. 3, 2027", date(2027, 9, 3)),
        ("March 18", TODAY),
        ("31 February", None),
        ("2026-13-01", None),
        ("may I ask something", None),
        ("no date at all", None),
    ],
)
def test_finds_days(sentence: str, day: date | None):
    assert when.find(sentence, TODAY).day == day


@pytest.mark.parametrize(
    ("sentence", "moment"),
    [
        ("at 3pm", time(15)),
        ("at 12 am", time(0)),
        ("12pm", time(12)),
        ("at 15:30", time(15, 30)),
        ("3:05 pm", time(15, 5)),
        ("2026-05-01T07:45", time(7, 45)),
        ("at noon", time(12)),
        ("midnight", time(0)),
        ("at 7 o'clock", time(7)),
        ("for 3 days", None),
        ("at 25:00", None),
    ],
)
def test_finds_times_of_day(sentence: str, moment: time | None):
    assert when.find(sentence, TODAY).time == moment


def test_hands_back_the_sentence_without_the_words_that_told_the_time():
    assert when.find("weather in Paris tomorrow at 3pm please", TODAY).rest == "weather in Paris please"


def test_fills_in_what_is_missing():
    assert when.find("at 3pm", TODAY).at(TODAY, time()).isoformat() == "2026-03-18T15:00:00"
    assert when.find("tomorrow", TODAY).at(TODAY, time(12)).isoformat() == "2026-03-19T12:00:00"


@given(st.text(max_size=200))
def test_no_sentence_makes_looking_fail(sentence: str):
    when.find(sentence, TODAY)
