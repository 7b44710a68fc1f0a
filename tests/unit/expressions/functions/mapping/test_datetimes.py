import pytest

from deputize.expressions.mapping import compile_mapping

MOMENT = "2026-11-23T20:28:05.067+01:00"


def evaluated(source):
    return compile_mapping(source).evaluate({"t": MOMENT})


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("yyyy-MM-dd", "2026-11-23"),
        ("uuuu/M/d H:m:s", "2026/11/23 19:28:5"),
        ("yy", "26"),
        ("d MMM yyyy", "23 Nov 2026"),
        ("EEEE, d MMMM", "Monday, 23 November"),
        ("EEE E", "Mon Mon"),
        ("hh:mm a", "07:28 PM"),
        ("HH:mm:ss.SSS", "19:28:05.067"),
        ("S SSSSSSSSS", "0 067000000"),
        ("D", "327"),
        ("XXX XX Z xxx", "Z Z +0000 +00:00"),
        ("'at' HH 'o''clock'", "at 19 o'clock"),
        ("''yyyy''", "'2026'"),
    ],
)
def test_format(pattern, expected):
    assert compile_mapping("#datetime.format(t, p)").evaluate({"t": MOMENT, "p": pattern}) == expected


@pytest.mark.parametrize(
    ("text", "pattern", "zone", "expected"),
    [
        ("2026-11-23", "yyyy-MM-dd", "UTC", "2026-11-23T00:00:00.000Z"),
        ("23 Nov 26 07:05 PM", "d MMM yy hh:mm a", "UTC", "2026-11-23T19:05:00.000Z"),
        ("12:00 AM", "hh:mm a", "UTC", "1970-01-01T00:00:00.000Z"),
        ("2026-11-23T20:28:05.067+0100", "yyyy-MM-dd'T'HH:mm:ss.SSSZ", "UTC", "2026-11-23T19:28:05.067Z"),
        ("2026-11-23T20:28-05:30", "yyyy-MM-dd'T'HH:mmXXX", "UTC", "2026-11-24T01:58:00.000Z"),
        ("2026-11-23T20:28Z", "yyyy-MM-dd'T'HH:mmXXX", "UTC", "2026-11-23T20:28:00.000Z"),
        ("2026-060", "yyyy-DDD", "UTC", "2026-03-01T00:00:00.000Z"),
        ("2026-02-30", "yyyy-MM-dd", "UTC", None),
        ("2026-13-01", "yyyy-MM-dd", "UTC", None),
        ("0000-01-01", "yyyy-MM-dd", "UTC", None),
        ("26-11-23", "yyyy-MM-dd", "UTC", None),
        ("2026-11-23 ", "yyyy-MM-dd", "UTC", None),
        ("2026-01-01T00:00+9999", "yyyy-MM-dd'T'HH:mmZ", "UTC", None),
        ("9999-12-31T23:59-05:00", "yyyy-MM-dd'T'HH:mmXXX", "UTC", None),
    ],
)
def test_parse(text, pattern, zone, expected):
    mapping = compile_mapping("#datetime.parse(t, p, z)")
    assert mapping.evaluate({"t": text, "p": pattern, "z": zone}) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("#datetime.parse(1, 'yyyy')", None),
        ("#datetime.toUnixTimestamp(t)", 1795462085),
        ("#datetime.toUnixTimestamp('1969-12-31T23:59:59.5Z')", -1),
        ("#datetime.fromUnixTimestamp(0)", "1970-01-01T00:00:00.000Z"),
        ("#datetime.fromUnixTimestamp(1.5)", "1970-01-01T00:00:01.500Z"),
        ("#datetime.fromUnixTimestamp(9007199254740991)", None),
        ("#datetime.fromUnixTimestamp('0')", None),
        ("#datetime.addSeconds(t, 60)", "2026-11-23T19:29:05.067Z"),
        ("#datetime.addMinutes(t, -28)", "2026-11-23T19:00:05.067Z"),
        ("#datetime.addHours(t, 5)", "2026-11-24T00:28:05.067Z"),
        ("#datetime.addDays(t, 8)", "2026-12-01T19:28:05.067Z"),
        ("#datetime.addWeeks(t, 1)", "2026-11-30T19:28:05.067Z"),
        ("#datetime.addMonths('2024-01-31T00:00:00Z', 1)", "2024-02-29T00:00:00.000Z"),
        ("#datetime.addMonths('2024-01-31T00:00:00Z', -2)", "2023-11-30T00:00:00.000Z"),
        ("#datetime.addYears('2024-02-29', 1)", "2025-02-28T00:00:00.000Z"),
        ("#datetime.addYears(t, 99999)", None),
        ("#datetime.addDays(t, 9223372036854775807)", None),
        ("#datetime.addDays('not a date', 1)", None),
        ("#datetime.addDays(absent, 1)", None),
        ("#datetime.addDays(t, absent)", None),
        ("#datetime.yearsBetween('2000-02-29', '2026-02-28', 0)", 25),
        ("#datetime.yearsBetween('2000-03-01', '2026-03-01', 0)", 26),
        ("#datetime.yearsBetween('2026-03-01', '2000-03-02', 0)", -25),
        ("#datetime.yearsBetween(absent, '2000-03-02', -1)", -1),
        ("#datetime.periodBetween('2024-01-31', '2025-03-01', 'x')", "P1Y1M1D"),
        ("#datetime.periodBetween('2024-01-01', '2024-01-01', 'x')", "P0D"),
        ("#datetime.periodBetween('2024-02-03', '2024-01-01', 'x')", "P-1M-2D"),
        ("#datetime.periodBetween('nope', '2024-01-01', 'x')", "x"),
        ("#datetime.format('nope', 'yyyy')", None),
        ("#datetime.format(absent, 'yyyy')", None),
        ("#datetime.toDateTimeInTimezone(t, 'UTC', 'HH:mmXXX')", "19:28Z"),
        ("#datetime.toDateTimeInTimezone('nope', 'UTC', 'HH:mm')", None),
    ],
)
def test_functions(source, expected):
    value = evaluated(source)
    assert value == expected
    assert type(value) is type(expected)


def test_named_time_zones():
    assert evaluated("#datetime.toDateTimeInTimezone(t, 'America/New_York', 'HH:mm xxx')") == "14:28 -05:00"
    assert (
        evaluated("#datetime.parse('2026-07-01 12:00', 'yyyy-MM-dd HH:mm', 'Europe/Berlin')")
        == "2026-07-01T10:00:00.000Z"
    )
    assert evaluated("#datetime.toDateTimeInTimezone('0001-01-01', 'America/New_York', 'yyyy')") is None


def test_patterns_that_share_digits_in_many_ways_take_no_time():
    mapping = compile_mapping("#datetime.parse(t, p)")
    assert mapping.evaluate({"t": "1" * 64 + "x", "p": "dM" * 32}) is None
    assert mapping.evaluate({"t": "a.b 7", "p": "'a.b' d"}) == "1970-01-07T00:00:00.000Z"
    assert mapping.evaluate({"t": "axb 7", "p": "'a.b' d"}) is None
