from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weather import climate
from weather.places import City, beginning, cities, named, nearest, zone

DATES = st.dates(min_value=date(2000, 1, 1), max_value=date(2100, 12, 31))
CITIES = st.sampled_from(cities())


def tokyo() -> City:
    return named("Tokyo")[0]


def test_every_city_has_a_full_and_sensible_climate():
    assert len(cities()) >= 60
    for city in cities():
        assert len(city.highs) == len(city.lows) == len(city.wet_days) == 12, city.place.name
        assert all(low < high for low, high in zip(city.lows, city.highs, strict=True)), city.place.name
        assert all(0 <= days <= 28 for days in city.wet_days), city.place.name
        assert zone(city.place).utcoffset(datetime(2026, 1, 1)) is not None


@pytest.mark.parametrize(
    "name", ["Tokyo", " tOKYO ", "Bogota", "São Paulo", "sao paulo", "London, UK", "Boston, USA"]
)
def test_finds_a_city_whatever_accents_and_case(name: str):
    assert len(named(name)) == 1


@pytest.mark.parametrize("name", ["", "Tok", "Paris, Texas", "Atlantis"])
def test_does_not_take_one_city_for_another(name: str):
    assert named(name) == []


def test_finds_cities_by_the_beginning_of_their_name():
    assert [city.place.name for city in beginning("san")] == ["San Francisco"]
    assert beginning("") == []


def test_finds_the_nearest_city():
    city, kilometres = nearest(48.2, 11.6)
    assert city.place.name == "Munich"
    assert kilometres < 10


def test_a_place_without_known_time_zone_gets_the_hour_of_its_longitude():
    place = tokyo().place.model_copy(update={"timezone": "No/Where"})
    assert zone(place).utcoffset(None) == timedelta(hours=9)


@given(city=CITIES, on=DATES)
def test_a_day_stays_near_the_means_of_its_month_and_its_neighbours(city: City, on: date):
    weather = climate.day(city, on)
    months = [(on.month - 2) % 12, on.month - 1, on.month % 12]
    assert min(city.lows[month] for month in months) - 2 <= weather.low < weather.high
    assert weather.high <= max(city.highs[month] for month in months) + 2
    assert 0 <= weather.rain_chance <= 100
    assert weather == climate.day(city, on)


@given(city=CITIES, on=DATES)
def test_hours_span_exactly_the_range_of_their_day(city: City, on: date):
    whole = climate.day(city, on)
    hours = [climate.hour(city, datetime(on.year, on.month, on.day, hour)) for hour in range(24)]
    degrees = [hour.high for hour in hours]
    assert (min(degrees), max(degrees)) == (whole.low, whole.high)
    assert (degrees[climate.COLDEST_HOUR], degrees[climate.WARMEST_HOUR]) == (whole.low, whole.high)


def test_summer_is_warmer_than_winter_on_both_hemispheres():
    sydney = named("Sydney")[0]
    assert climate.day(tokyo(), date(2026, 8, 1)).high > climate.day(tokyo(), date(2026, 2, 1)).high
    assert climate.day(sydney, date(2026, 8, 1)).high < climate.day(sydney, date(2026, 2, 1)).high
