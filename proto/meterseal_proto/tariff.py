"""A tariff as a document: one spelling, one hash, and the price of every interval.

    {"bands": [{"days": "mon-fri", "from": "07:00", "to": "21:00", "price": 250000}, ...],
     "currency": "EUR", "id": "day-night", "meterseal": "tariff/1",
     "valid_from": 1790000000, "zone": "Europe/Madrid"}

Canonical JSON: keys sorted, no spaces, integers only, UTF-8. `price` is in micro-units of
the currency per kWh (or per m3 of water). The first band that holds an interval's local
start prices it; the last one has no times and prices the rest, so a flat tariff is one
band. The hash is what devices, bills and the log name. Local time needs a time zone
database, which lives on disk, so whoever asks for prices brings the clock of the zone.
This module must never round: amounts are exact.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NewType

from meterseal_proto.boundedjson import read_json, uint
from meterseal_proto.errors import Malformed

MicroPerKwh = NewType("MicroPerKwh", int)
"""Micro-units of a currency per kWh, or per m3."""
LocalTime = Callable[[int], datetime]
"""Unix seconds to local time in the tariff's zone, as zoneinfo tells it."""

FORMAT: Final = "tariff/1"
MAX_BANDS: Final = 64
"""More than any tariff in use has prices."""
MAX_PRICE: Final = (1 << 32) - 1
"""SETTLED 19: prices below 2^32 keep an amount of 2^20 intervals far below the group's order."""
MAX_DOCUMENT_BYTES: Final = 16_384
DAY_NAMES: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EVERY_DAY: Final = "mon-sun"
EVERY_MONTH: Final = "1-12"
_DOMAIN: Final = b"meterseal/tariff/v1\x00"
_ID: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_CURRENCY: Final = re.compile(r"[A-Z][A-Z0-9]{2,7}")
_ZONE: Final = re.compile(r"[A-Za-z0-9_+/-]{1,64}")
_CLOCK: Final = re.compile(r"([01]\d|2[0-4]):([0-5]\d)")
_MINUTES_A_DAY: Final = 1_440
_SPANS_KEPT: Final = 512
"""Spans of days and of months there can be: 56 and 156."""


@dataclass(frozen=True, slots=True)
class Band:
    """One price and when it holds: weekdays, months and minutes of the local day.

    `days` as "mon-fri" or "sat"; `months` as "11-3" or "7"; from `begin` (inclusive) to
    `end` (exclusive) in minutes since midnight. A band may pass over midnight; each of its
    moments is then of the weekday and month that the moment itself is in. So "fri" from
    22:00 to 06:00 is Friday before six and Friday from ten on: the small hours of Saturday
    belong to a band of Saturday's. The night after Friday is "fri" from 22:00 to 24:00
    and "sat" from 00:00 to 06:00, two bands of one price.
    """

    price: MicroPerKwh
    days: str = EVERY_DAY
    months: str = EVERY_MONTH
    begin: int = 0
    end: int = _MINUTES_A_DAY

    def holds(self, at: datetime) -> bool:
        """Tell whether the band prices what begins at this local time."""
        minute = at.hour * 60 + at.minute
        if self.begin < self.end:
            inside = self.begin <= minute < self.end
        else:
            inside = minute >= self.begin or minute < self.end
        return (
            inside
            and at.weekday() in _ring(self.days, _day)
            and at.month - 1 in _ring(self.months, _month)
        )

    @property
    def always(self) -> bool:
        """Whether it holds at all times, as the last band of a tariff must."""
        return self == Band(self.price)


@dataclass(frozen=True, slots=True)
class Tariff:
    """A tariff: prices in `currency` by `bands`, from `valid_from` (Unix s) in `zone`."""

    id: str
    currency: str
    zone: str
    valid_from: int
    bands: tuple[Band, ...]

    def document(self) -> bytes:
        """Return the one spelling of it."""
        fields = {
            "bands": [_band_fields(band) for band in self.bands],
            "currency": self.currency,
            "id": self.id,
            "meterseal": FORMAT,
            "valid_from": self.valid_from,
            "zone": self.zone,
        }
        return canonical(fields)

    def hash(self) -> bytes:
        """Return SHA-256 of a domain and the document, 32 bytes."""
        return hashlib.sha256(_DOMAIN + self.document()).digest()

    def price(self, start: int, local: LocalTime) -> MicroPerKwh:
        """Return the price of the interval that begins at `start` (Unix s)."""
        at = local(start)
        return next(band.price for band in self.bands if band.holds(at))

    def prices(self, starts: Sequence[int], local: LocalTime) -> list[MicroPerKwh]:
        """Return the price of each interval, in order."""
        return [self.price(start, local) for start in starts]


def parse_tariff(document: bytes) -> Tariff:
    """Return the tariff a document spells; Malformed says what is wrong with it."""
    if len(document) > MAX_DOCUMENT_BYTES:
        raise Malformed(f"a tariff has at most {MAX_DOCUMENT_BYTES} bytes")
    try:
        fields = read_json(document, brackets=MAX_BANDS + 2)
        tariff = _tariff(fields)
    except (TypeError, ValueError, KeyError) as error:
        raise Malformed(f"not a tariff: {error}") from None
    if tariff.document() != document:
        raise Malformed("a tariff in another than its one spelling")
    return tariff


def _tariff(fields: Mapping[str, Any]) -> Tariff:  # Any: JSON, checked below
    if not isinstance(fields, dict) or fields.get("meterseal") != FORMAT:
        raise ValueError(f"meterseal must be {FORMAT!r}")
    rows = fields["bands"]
    if not isinstance(rows, list) or not 1 <= len(rows) <= MAX_BANDS:
        raise ValueError(f"bands: 1 to {MAX_BANDS} of them")
    tariff = Tariff(
        *read_names(fields),
        valid_from=uint(fields["valid_from"], "valid_from"),
        bands=tuple(_band(row) for row in rows),
    )
    if not tariff.bands[-1].always:
        raise ValueError("the last band prices the rest: it has a price alone")
    return tariff


def read_names(fields: Mapping[str, Any]) -> tuple[str, str, str]:  # Any: as above
    """Return the id, currency and zone a tariff's JSON names; ValueError for a wrong one.

    KeyError for one that is not there. For tariffs of every kind.
    """
    return (
        _matching(_ID, fields["id"], "id"),
        _matching(_CURRENCY, fields["currency"], "currency"),
        _matching(_ZONE, fields["zone"], "zone"),
    )


def canonical(fields: Mapping[str, object]) -> bytes:
    """Return the one spelling of a tariff's fields."""
    return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()


def _band(row: Mapping[str, Any]) -> Band:  # Any: JSON, as above
    band = Band(
        price=MicroPerKwh(uint(row["price"], "price", MAX_PRICE)),
        days=str(row.get("days", EVERY_DAY)),
        months=str(row.get("months", EVERY_MONTH)),
        begin=_minutes(row.get("from", "00:00")),
        end=_minutes(row.get("to", "24:00")),
    )
    _ring(band.days, _day)
    _ring(band.months, _month)
    if band.begin == band.end:
        raise ValueError("a band ends at another time than it begins")
    return band


def _band_fields(band: Band) -> dict[str, object]:
    fields: dict[str, object] = {"price": band.price}
    whole = Band(band.price)
    if band.days != whole.days:
        fields["days"] = band.days
    if band.months != whole.months:
        fields["months"] = band.months
    if (band.begin, band.end) != (whole.begin, whole.end):
        fields |= {"from": _clock(band.begin), "to": _clock(band.end)}
    return fields


@lru_cache(_SPANS_KEPT)  # a year of quarter hours asks 64 bands 2 million times
def _ring(span: str, place: Callable[[str], tuple[int, int]]) -> frozenset[int]:
    """Return the places from the first to the last name of `span`, round the ring."""
    first, _, last = span.partition("-")
    begin, count = place(first)
    end, _ = place(last or first)
    return frozenset((begin + n) % count for n in range((end - begin) % count + 1))


def _day(name: str) -> tuple[int, int]:
    if name not in DAY_NAMES:
        raise ValueError(f"days: {name!r} is none of {', '.join(DAY_NAMES)}")
    return DAY_NAMES.index(name), len(DAY_NAMES)


def _month(name: str) -> tuple[int, int]:
    if name not in map(str, range(1, 13)):
        raise ValueError(f"months: {name!r} is none of 1 to 12")
    return int(name) - 1, 12


def _minutes(text: object) -> int:
    match = _CLOCK.fullmatch(text) if isinstance(text, str) else None
    minutes = int(match[1]) * 60 + int(match[2]) if match else _MINUTES_A_DAY + 1
    if minutes > _MINUTES_A_DAY:
        raise ValueError(f"{text!r} is no time of day from 00:00 to 24:00")
    return minutes


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _matching(pattern: re.Pattern[str], text: object, name: str) -> str:
    if not isinstance(text, str) or pattern.fullmatch(text) is None:
        raise ValueError(f"{name}: {text!r} is not allowed")
    return text
