"""Answers as people read them: a heading, then a line for each row."""

from collections.abc import Iterable

from weather.model import DailyForecast, Forecast, Hour, HourlyForecast, PeriodForecast, Places, WeatherAtTime


def places(answer: Places) -> str:
    """Write one line for each place."""
    rows = (
        f"{place.label}: latitude {place.latitude:g}, longitude {place.longitude:g}, {place.timezone}"
        for place in answer.places
    )
    return _text(f"Places (source: {answer.source}):", rows)


def daily(answer: DailyForecast) -> str:
    """Write one line for each day."""
    rows = (
        f"{day.date:%a %d %b %Y}: {day.condition}, {day.low:g} to {day.high:g} {answer.temperature_unit}, "
        f"{_air(answer, day.rain_chance, day.wind)}"
        for day in answer.days
    )
    return _text(_heading("Daily forecast for", answer), rows)


def periods(answer: PeriodForecast) -> str:
    """Write one line for each period."""
    rows = (
        f"{period.start:%a %d %b} {period.name}: {period.condition}, {period.low:g} to {period.high:g} "
        f"{answer.temperature_unit}, "
        f"{_air(answer, period.rain_chance, period.wind)}"
        for period in answer.periods
    )
    return _text(_heading("Forecast by part of day for", answer), rows)


def hourly(answer: HourlyForecast) -> str:
    """Write one line for each hour."""
    return _text(_heading("Hourly forecast for", answer), (_hour(answer, hour) for hour in answer.hours))


def at_time(answer: WeatherAtTime) -> str:
    """Write the one hour."""
    return _text(_heading("Weather for", answer), [_hour(answer, answer.weather)])


def _heading(what: str, answer: Forecast) -> str:
    return f"{what} {answer.place.label} (source: {answer.source}):"


def _hour(answer: Forecast, hour: Hour) -> str:
    air = _air(answer, hour.rain_chance, hour.wind)
    return (
        f"{hour.time:%a %d %b %H:%M}: {hour.condition}, {hour.temperature:g} {answer.temperature_unit}, {air}"
    )


def _air(answer: Forecast, rain_chance: int, wind: float) -> str:
    return f"{rain_chance} % chance of rain, wind {wind:g} {answer.wind_unit}"


def _text(heading: str, rows: Iterable[str]) -> str:
    return "\n".join([heading, *rows])
