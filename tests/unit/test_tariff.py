"""Tariffs have one spelling and one hash, and price every interval of a local year."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterseal_proto.errors import Malformed
from meterseal_proto.tariff import (
    MAX_PRICE,
    Band,
    MicroPerKwh,
    Tariff,
    parse_tariff,
)

FLAT = Tariff("flat-1", "EUR", "UTC", 1_790_000_000, (Band(MicroPerKwh(250_000)),))
DAY_NIGHT = Tariff(
    "day-night", "EUR", "Europe/Madrid", 1_790_000_000,
    (
        Band(MicroPerKwh(300_000), "mon-fri", begin=420, end=1_260),
        Band(MicroPerKwh(100_000), months="11-2", begin=1_380, end=360),
        Band(MicroPerKwh(200_000)),
    ),
)  # fmt: skip


def utc(at: int) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def madrid(at: int) -> datetime:
    return datetime.fromtimestamp(at, ZoneInfo("Europe/Madrid"))


def seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


@pytest.mark.parametrize("tariff", [FLAT, DAY_NIGHT])
def test_a_document_is_read_back_as_it_was_written(tariff: Tariff) -> None:
    assert parse_tariff(tariff.document()) == tariff
    assert len(tariff.hash()) == 32


def test_the_documents_bytes_and_hash_stay_what_they_are() -> None:
    assert FLAT.document() == (
        b'{"bands":[{"price":250000}],"currency":"EUR","id":"flat-1",'
        b'"meterseal":"tariff/1","valid_from":1790000000,"zone":"UTC"}'
    )
    other = replace(FLAT, valid_from=FLAT.valid_from + 1)
    assert FLAT.hash() != other.hash()


@pytest.mark.parametrize(
    ("local", "price"),
    [
        ("2026-06-15T06:59+02:00", 200_000), ("2026-06-15T07:00+02:00", 300_000),
        ("2026-06-15T20:59+02:00", 300_000), ("2026-06-15T21:00+02:00", 200_000),
        ("2026-06-14T12:00+02:00", 200_000), ("2026-06-15T23:30+02:00", 200_000),
        ("2026-12-14T23:30+01:00", 100_000), ("2026-12-15T05:59+01:00", 100_000),
        ("2026-12-15T06:00+01:00", 200_000), ("2027-02-28T23:00+01:00", 100_000),
        ("2027-03-01T00:15+01:00", 200_000),
    ],
)  # fmt: skip
def test_bands_hold_by_local_time_and_the_first_one_counts(
    local: str, price: int
) -> None:
    assert DAY_NIGHT.price(seconds(local), madrid) == price


NIGHT = (Band(MicroPerKwh(100_000), "fri", begin=1_320, end=360),)
AFTER_FRIDAY = (
    Band(MicroPerKwh(100_000), "fri", begin=1_320),
    Band(MicroPerKwh(100_000), "sat", begin=0, end=360),
)
REST = Band(MicroPerKwh(200_000))


@pytest.mark.parametrize(
    ("local", "own_day", "night_after"),
    [
        # The 19th of June 2026 is a Friday.
        ("2026-06-18T23:00+02:00", 200_000, 200_000),
        ("2026-06-19T05:59+02:00", 100_000, 200_000),
        ("2026-06-19T06:00+02:00", 200_000, 200_000),
        ("2026-06-19T22:00+02:00", 100_000, 100_000),
        ("2026-06-19T23:59+02:00", 100_000, 100_000),
        ("2026-06-20T00:00+02:00", 200_000, 100_000),
        ("2026-06-20T05:59+02:00", 200_000, 100_000),
        ("2026-06-20T22:00+02:00", 200_000, 200_000),
    ],
)
def test_a_band_over_midnight_belongs_to_the_weekday_of_each_moment(
    local: str, own_day: int, night_after: int
) -> None:
    for bands, price in ((NIGHT, own_day), (AFTER_FRIDAY, night_after)):
        tariff = replace(DAY_NIGHT, bands=(*bands, REST))
        assert parse_tariff(tariff.document()) == tariff
        assert tariff.price(seconds(local), madrid) == price


def test_a_band_over_midnight_belongs_to_the_month_of_each_moment() -> None:
    july = Band(MicroPerKwh(100_000), months="7", begin=1_320, end=360)
    tariff = replace(DAY_NIGHT, bands=(july, REST))
    nights = ("2026-07-01T05:00+02:00", "2026-07-31T23:00+02:00")
    assert [tariff.price(seconds(at), madrid) for at in nights] == [100_000] * 2
    assert tariff.price(seconds("2026-08-01T05:00+02:00"), madrid) == 200_000


def test_the_hour_that_comes_twice_is_priced_twice() -> None:
    change = seconds("2026-10-25T01:00+00:00")
    starts = [change - 3600 + 900 * n for n in range(12)]
    assert DAY_NIGHT.prices(starts, madrid) == [200_000] * 12
    assert FLAT.prices(starts, utc) == [250_000] * 12


def _changed(**change: object) -> bytes:
    fields = json.loads(DAY_NIGHT.document())
    for key, value in change.items():
        if value is None:
            del fields[key]
        else:
            fields[key] = value
    return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    "document",
    [
        b"", b"[]", b"null", b"{", b"\xff", b"[" * 100_000, b"{" * 40,
        DAY_NIGHT.document() + b"\n", DAY_NIGHT.document().replace(b",", b", "),
        _changed(meterseal="tariff/2"), _changed(id="Has Spaces"), _changed(id=None),
        _changed(currency="euro"), _changed(zone="../../etc/passwd"),
        _changed(valid_from=-1), _changed(valid_from=1.5), _changed(valid_from=True),
        _changed(bands=[]), _changed(bands=[{"price": 1}] * 65), _changed(extra=1),
        _changed(bands=[{"price": 1, "days": "mon-fri"}]),
        _changed(bands=[{"price": -1}]), _changed(bands=[{"price": MAX_PRICE + 1}]),
        _changed(bands=[{"price": 0.25}]), _changed(bands=["x"]), _changed(bands=7),
        _changed(bands=[{"price": 2, "days": "mon-xyz"}, {"price": 1}]),
        _changed(bands=[{"price": 2, "months": "0-13"}, {"price": 1}]),
        _changed(bands=[{"price": 2, "from": "7:00", "to": "21:00"}, {"price": 1}]),
        _changed(bands=[{"price": 2, "from": "24:30", "to": "21:00"}, {"price": 1}]),
        _changed(bands=[{"price": 2, "from": "07:00", "to": "07:00"}, {"price": 1}]),
        _changed(bands=[{"price": 2, "cheap": 1}, {"price": 1}]),
        b" " * 20_000,
    ],
)  # fmt: skip
def test_what_is_no_tariff_is_refused_with_its_reason(document: bytes) -> None:
    with pytest.raises(Malformed):
        parse_tariff(document)


BANDS = st.builds(
    Band,
    price=st.integers(0, MAX_PRICE).map(MicroPerKwh),
    days=st.sampled_from(["mon-sun", "mon-fri", "sat-sun", "wed", "fri-tue"]),
    months=st.sampled_from(["1-12", "4-9", "10-3", "7", "12-1"]),
    begin=st.integers(0, 1_439),
    end=st.integers(1, 1_440),
).filter(lambda band: band.begin != band.end)


@given(st.lists(BANDS, max_size=6), st.integers(0, MAX_PRICE), st.data())
def test_any_tariff_is_read_back_and_prices_every_moment(
    bands: list[Band], rest: int, data: st.DataObject
) -> None:
    tariff = replace(FLAT, bands=(*bands, Band(MicroPerKwh(rest))))
    assert parse_tariff(tariff.document()) == tariff
    at = data.draw(st.integers(1_700_000_000, 1_900_000_000))
    assert tariff.price(at, madrid) in {band.price for band in tariff.bands}
