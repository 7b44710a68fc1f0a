import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deputize.kernel import durations
from deputize.kernel.durations import DurationError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("20 seconds", 20),
        ("1 hour and 30 minutes", 5400),
        ("5ms", 0.005),
        ("1d2h", 93600),
        ("1 DAY, 2 hours", 93600),
        ("3 us", 3e-6),
        ("zero", 0),
        ("disabled", 0),
        ("unlimited", None),
        ("Infinity", None),
        ("indefinite", None),
        ("undefined", None),
        (" 10 m ", 600),
    ],
)
def test_durations(text, seconds):
    assert (
        durations.parse(text) == pytest.approx(seconds)
        if seconds is not None
        else durations.parse(text) is None
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "20",
        "seconds",
        "-1 second",
        "1 fortnight",
        "1 s and",
        "1 s x",
        "1.5 s",
        "and 1 s",
        "9" * 20 + " s",
    ],
)
def test_not_durations(text):
    with pytest.raises(DurationError):
        durations.parse(text)


@given(st.text(max_size=40))
def test_any_text_is_a_duration_or_the_one_error(text):
    try:
        seconds = durations.parse(text)
    except DurationError:
        return
    assert seconds is None or seconds >= 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (180 * 86400, "180 days"),
        (5400, "1 hour and 30 minutes"),
        (86461.25, "1 day, 1 minute, 1 second and 250 milliseconds"),
        (0, "zero"),
    ],
)
def test_durations_in_words(seconds, text):
    assert durations.write(seconds) == text


@given(st.integers(0, durations.LONGEST * 10**9))
def test_what_is_written_reads_as_the_same_duration(nanoseconds):
    seconds = nanoseconds / 1e9
    assert durations.parse(durations.write(seconds)) == pytest.approx(seconds, rel=1e-9, abs=1e-9)


def test_an_unknown_unit_is_told_with_those_there_are():
    with pytest.raises(DurationError) as caught:
        durations.parse("8 huors")
    assert str(caught.value) == (
        "'8 huors' uses the unknown unit 'huors' (units are days, hours, minutes, seconds, milliseconds, "
        "microseconds, nanoseconds)"
    )


NANOSECONDS = {
    "days": 86_400 * 10**9,
    "hours": 3600 * 10**9,
    "minutes": 60 * 10**9,
    "seconds": 10**9,
    "milliseconds": 10**6,
    "microseconds": 1000,
    "nanoseconds": 1,
}


@given(
    st.lists(
        st.tuples(st.integers(0, 40_000) | st.integers(0, 10**12 - 1), st.sampled_from(sorted(NANOSECONDS))),
        min_size=1,
        max_size=8,
    )
)
@example([(999_999_999_999, "days"), (1, "days")])
@example([(36_500, "days"), (1, "nanoseconds")])
@example([(36_500, "days")])
@example([(36_499, "days"), (1, "nanoseconds"), (3, "microseconds")])
def test_whatever_is_accepted_is_written_so_that_it_is_read_again(parts):
    text = " and ".join(f"{count} {unit}" for count, unit in parts)
    total = sum(count * NANOSECONDS[unit] for count, unit in parts)
    if total > durations.LONGEST * 10**9:
        with pytest.raises(
            durations.DurationTooLong, match="is longer than 36500 days, the longest duration"
        ):
            durations.parse(text)
        return
    seconds = durations.parse(text)
    assert seconds == total / 10**9
    assert durations.parse(durations.write(seconds)) == seconds
