from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import httpx2
import pytest

from weather.live import LiveWeather, Unavailable
from weather.model import BUILT_IN, LIVE, Place
from weather.service import NotAnswerable, Wanted, WeatherService

NOW = datetime(2026, 3, 20, 23, 30, tzinfo=UTC)
TOKYO = Wanted("Tokyo")


def service(live: LiveWeather | None = None) -> WeatherService:
    return WeatherService(live, lambda: NOW)


def live_answering(
    respond: Callable[[httpx2.Request], httpx2.Response], monotonic: Callable[[], float] = lambda: 0.0
) -> LiveWeather:
    return LiveWeather(httpx2.AsyncClient(transport=httpx2.MockTransport(respond)), monotonic)


def refuse(request: httpx2.Request) -> httpx2.Response:
    raise httpx2.ConnectError("no way out", request=request)


def open_meteo(request: httpx2.Request) -> httpx2.Response:
    if request.url.host.startswith("geocoding"):
        found = {
            "name": "Springfield",
            "country": "United States",
            "latitude": 39.8,
            "longitude": -89.6,
            "timezone": "America/Chicago",
        }
        return httpx2.Response(200, json={"results": [found]})
    if "daily" in request.url.params:
        first, last = (date.fromisoformat(request.url.params[name]) for name in ("start_date", "end_date"))
        return httpx2.Response(
            200, json={"daily": columns(request.url.params["daily"], (last - first).days + 1)}
        )
    first, last = (datetime.fromisoformat(request.url.params[name]) for name in ("start_hour", "end_hour"))
    return httpx2.Response(
        200, json={"hourly": columns(request.url.params["hourly"], (last - first) // timedelta(hours=1) + 1)}
    )


def columns(names: str, count: int) -> dict[str, list[float]]:
    return {name: [61.0 if name == "weather_code" else 12.0] * count for name in names.split(",")}


async def test_days_begin_today_at_the_place_not_here():
    span = await service().days(TOKYO, None, 2)
    assert [start.date() for start, _ in span.timed()] == [date(2026, 3, 21), date(2026, 3, 22)]
    assert span.source == BUILT_IN


async def test_hours_begin_at_the_full_hour_there():
    span = await service().hours(TOKYO, None, 3)
    assert [start.isoformat() for start, _ in span.timed()] == [
        "2026-03-21T08:00:00",
        "2026-03-21T09:00:00",
        "2026-03-21T10:00:00",
    ]


async def test_a_time_with_a_zone_is_translated_and_one_without_is_local():
    zoned = await service().hours(TOKYO, datetime(2026, 7, 1, 12, tzinfo=UTC), 1)
    local = await service().hours(TOKYO, datetime(2026, 7, 1, 12), 1)
    assert (zoned.start.hour, local.start.hour) == (21, 12)


async def test_periods_cover_each_day_in_four_parts():
    span = await service().periods(TOKYO, None, 2)
    assert [start.hour for start, _ in span.timed()] == [0, 6, 12, 18] * 2
    night, _, afternoon, _ = span.rows[:4]
    assert night.low < afternoon.high


async def test_a_position_near_a_city_is_that_city():
    span = await service().days(Wanted(latitude=48.2, longitude=11.6), None, 1)
    assert (span.place.name, span.source) == ("Munich", BUILT_IN)


async def test_a_position_far_from_every_city_says_whose_climate_it_is():
    span = await service().days(Wanted(latitude=0, longitude=0), None, 1)
    assert span.place.label == "0, 0"
    assert span.source == "built-in climate data of Lagos, 816 km away"


@pytest.mark.parametrize("wanted", [Wanted(), Wanted(" "), Wanted(latitude=1.0)])
async def test_asks_which_place(wanted: Wanted):
    with pytest.raises(NotAnswerable, match="Which place"):
        await service().days(wanted, None, 1)


async def test_an_unknown_place_is_named_beside_known_ones():
    with pytest.raises(NotAnswerable, match=r"'Nowhere'.*Tokyo"):
        await service().geocode("Nowhere", 1)


async def test_live_data_is_labelled_as_such():
    live = service(live_answering(open_meteo))
    days, hours = await live.days(TOKYO, None, 3), await live.hours(TOKYO, None, 5)
    assert (days.source, hours.source) == (LIVE, LIVE)
    assert (len(days.rows), len(hours.rows)) == (3, 5)
    assert (days.rows[0].condition, days.rows[0].rain_chance) == ("rain", 12)


async def test_a_place_the_table_lacks_is_looked_up():
    span = await service(live_answering(open_meteo)).days(Wanted("Springfield"), None, 1)
    assert span.place.label == "Springfield, United States"


@pytest.mark.parametrize("first", [date(2026, 3, 1), date(2026, 6, 1)])
async def test_what_no_forecast_can_know_comes_from_the_climate(first: date):
    assert (await service(live_answering(open_meteo)).days(TOKYO, first, 2)).source == BUILT_IN


async def test_without_the_live_service_the_climate_answers():
    lost = service(live_answering(refuse))
    assert (await lost.days(TOKYO, None, 1)).source == BUILT_IN
    assert (await lost.hours(TOKYO, None, 1)).source == BUILT_IN
    assert (await lost.geocode("tok", 1)).source == BUILT_IN


async def test_a_failure_is_remembered_for_a_while():
    asked, clock = list[str](), [0.0]

    def fail_once(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.url.host)
        return httpx2.Response(503) if len(asked) == 1 else open_meteo(request)

    live = live_answering(fail_once, lambda: clock[0])
    for _ in range(3):
        with pytest.raises(Unavailable):
            await live.places("Springfield", 1)
    clock[0] = 601.0
    assert [place.name for place in await live.places("Springfield", 1)] == ["Springfield"]
    assert len(asked) == 2


@pytest.mark.parametrize("body", [b"not json", b'{"daily": {}}', b'{"daily": {"weather_code": [1]}}'])
async def test_nonsense_is_no_forecast(body: bytes):
    live = live_answering(lambda _: httpx2.Response(200, content=body))
    place = Place(name="X", country="", latitude=0, longitude=0, timezone="UTC")
    with pytest.raises(Unavailable):
        await live.days(place, date(2026, 3, 20), date(2026, 3, 20))
