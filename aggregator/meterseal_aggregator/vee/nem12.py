"""NEM12: interval meter data as Australian utilities exchange it, read strictly; pure.

    for channel in parse(data):
        for day in channel.days:
            day.values        # Wh per interval, None where the file says null

Source: AEMO, Meter Data File Format Specification NEM12 & NEM13, record types 100 (header),
200 (channel), 300 (a day's intervals), 400 (qualities of parts of a day), 500 (manual
reading; counts nothing here) and 900 (end). Days are of local standard time. A file that is
wrong anywhere is refused whole, naming line and field. This module must never repair one.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from meterseal_proto.rating.usage import MAX_SLOT

MAX_BYTES: Final = 2 << 20
"""A year of two channels in intervals of five minutes has 1.5 MB."""
MAX_CHANNELS: Final = 100
MAX_DAYS: Final = 800
"""Days of all channels together: a year of two, written in two seconds at most."""
MAX_FIELD: Final = 240
"""Characters of a field: the longest, a reason's description, has at most so many."""
LENGTHS: Final = (5, 15, 30)
MINUTES: Final = 1_440
EXPORTED: Final = "B"
"""First letter of a suffix for energy given to the network; E is what is taken from it."""
_WH: Final = {"WH": 1, "KWH": 1_000, "MWH": 1_000_000}
_NANO: Final = 10**9
_NUMBER: Final = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,9}))?")
_QUALITY: Final = re.compile(r"[ANV]|[EFS][0-9]{2}")
_FIELDS: Final = {"100": (5, 5), "200": (10, 10), "500": (2, 5), "900": (1, 1)}
"""Least and most fields of the records of fixed width; a 400 has 4 to 6."""
_AFTER_CHANNEL: Final = ("300", "400", "500")


class NotNem12(ValueError):
    """Not a NEM12 file; the message names line and field, and what should be there."""

    def __init__(self, line: int, name: str, detail: str) -> None:
        super().__init__(f"line {line}, {name}: {detail}")


@dataclass(frozen=True, slots=True)
class NemDay:
    """A day of a channel: Wh an interval (None: null) and each one's quality, as A or S14.

    `line` is where it stands in the file.
    """

    date: date
    values: tuple[int | None, ...]
    qualities: tuple[str, ...]
    line: int


@dataclass(slots=True)
class Channel:
    """One register's data: meter's serial number, suffix as E1 or B1, minutes an interval.

    `scale` is how many Wh its unit has, `line` where it begins in the file.
    """

    nmi: str
    suffix: str
    serial: str
    minutes: int
    scale: int
    line: int
    days: list[NemDay] = field(default_factory=list)


def parse(data: bytes) -> list[Channel]:
    """Return the channels of a file in its order; raises NotNem12."""
    reader = _Reader()
    for number, fields in _records(data):
        reader.take(number, fields)
    return reader.finish()


def _records(data: bytes) -> Iterator[tuple[int, list[str]]]:
    if len(data) > MAX_BYTES:
        raise NotNem12(1, "file", f"at most {MAX_BYTES} bytes are taken")
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise NotNem12(line, "file", "only ASCII is taken") from None
    for number, record in enumerate(text.split("\n"), 1):
        fields = record.removesuffix("\r").split(",")
        if any(not one.isprintable() or len(one) > MAX_FIELD for one in fields):
            raise NotNem12(number, "record", f"fields have at most {MAX_FIELD} letters")
        if fields != [""]:
            yield number, fields


@dataclass(slots=True)
class _Reader:
    """Where a file stands: which records may come next hangs on what came."""

    channels: list[Channel] = field(default_factory=list)
    dates: set[date] = field(default_factory=set)
    days: int = 0
    begun: bool = False
    ended: bool = False
    line: int = 1
    waiting: "_Parts | None" = None

    def take(self, line: int, fields: list[str]) -> None:
        self.line, kind = line, fields[0]
        self._check(kind, len(fields))
        if kind != "400":
            self._close()
        if kind in _AFTER_CHANNEL and not self.channels:
            raise NotNem12(line, "RecordIndicator", "a 200 record comes before it")
        match kind:
            case "100":
                self._header(fields)
            case "200":
                self._channel(fields)
            case "300":
                self._day(fields)
            case "400":
                self._part(fields)
            case "900":
                self.ended = True

    def _check(self, kind: str, count: int) -> None:
        """Raise NotNem12 for a record that may not come now, or is not of its size."""
        if kind not in (*_FIELDS, "300", "400"):
            detail = "there are 100, 200, 300, 400, 500 and 900"
        elif self.ended:
            detail = "nothing may follow the 900 record"
        elif self.begun == (kind == "100"):
            detail = "one 100 record begins the file"
        elif kind in _FIELDS and not _FIELDS[kind][0] <= count <= _FIELDS[kind][1]:
            detail = f"a {kind} record has {_FIELDS[kind][1]} fields"
        else:
            return
        raise NotNem12(self.line, "RecordIndicator", detail)

    def finish(self) -> list[Channel]:
        if not self.ended:
            raise NotNem12(self.line, "RecordIndicator", "the 900 record is missing")
        return self.channels

    def _header(self, fields: list[str]) -> None:
        if fields[1] != "NEM12":
            raise NotNem12(self.line, "VersionHeader", "it must be NEM12")
        self.begun = True

    def _channel(self, fields: list[str]) -> None:
        if len(self.channels) >= MAX_CHANNELS:
            detail = f"at most {MAX_CHANNELS} channels a file"
            raise NotNem12(self.line, "RecordIndicator", detail)
        self.channels.append(_channel(self.line, fields))
        self.dates = set()

    def _day(self, fields: list[str]) -> None:
        channel = self.channels[-1]
        self.days += 1
        if self.days > MAX_DAYS:
            raise NotNem12(self.line, "RecordIndicator", f"at most {MAX_DAYS} days")
        day, whole = _day(self.line, fields, channel)
        if day.date in self.dates:
            raise NotNem12(
                self.line, "IntervalDate", "the channel has that day already"
            )
        self.dates.add(day.date)
        if whole == "V":
            self.waiting = _Parts(day, channel.scale, [""] * len(day.values))
        else:
            channel.days.append(day)

    def _part(self, fields: list[str]) -> None:
        if self.waiting is None:
            detail = "a 400 follows a 300 whose QualityMethod is V"
            raise NotNem12(self.line, "RecordIndicator", detail)
        self.waiting.take(self.line, fields)

    def _close(self) -> None:
        if self.waiting is not None:
            self.channels[-1].days.append(self.waiting.day_of())
            self.waiting = None


@dataclass(slots=True)
class _Parts:
    """A day of several qualities, as its 400 records tell them."""

    day: NemDay
    scale: int
    qualities: list[str]

    def take(self, line: int, fields: list[str]) -> None:
        if not 4 <= len(fields) <= 6:
            raise NotNem12(line, "record", "a 400 has 6 fields")
        low = _counted(line, "StartInterval", fields[1], len(self.qualities))
        high = _counted(line, "EndInterval", fields[2], len(self.qualities))
        if high < low:
            raise NotNem12(line, "EndInterval", "it lies before StartInterval")
        quality = _quality(line, fields[3], among="AEFNS")
        for place in range(low - 1, high):
            if self.qualities[place]:
                detail = f"interval {place + 1} has a quality already"
                raise NotNem12(line, "StartInterval", detail)
            self.qualities[place] = quality

    def day_of(self) -> NemDay:
        if "" in self.qualities:
            place = self.qualities.index("") + 1
            raise NotNem12(
                self.day.line, "QualityMethod", f"no 400 tells of interval {place}"
            )
        return _finished(self.day, self.qualities, self.scale)


def _channel(line: int, fields: list[str]) -> Channel:
    nmi, suffix, serial, unit, minutes = (fields[n] for n in (1, 4, 6, 7, 8))
    if not re.fullmatch(r"[0-9A-Z]{10}", nmi):
        raise NotNem12(line, "NMI", "an NMI has ten letters or digits")
    if not re.fullmatch(r"[EB][0-9A-Z]", suffix):
        raise NotNem12(line, "NMISuffix", "only E and B channels (energy) are taken")
    if unit.upper() not in _WH:
        raise NotNem12(line, "UOM", "only Wh, kWh and MWh are taken")
    if minutes not in map(str, LENGTHS):
        raise NotNem12(line, "IntervalLength", "it is 5, 15 or 30 minutes")
    return Channel(nmi, suffix, serial.strip(), int(minutes), _WH[unit.upper()], line)


def _day(line: int, fields: Sequence[str], channel: Channel) -> tuple[NemDay, str]:
    """Return a 300 record's day and its quality; V where 400 records tell the rest."""
    count = MINUTES // channel.minutes
    if not count + 3 <= len(fields) <= count + 7:
        raise NotNem12(line, "record", f"a 300 of this channel has {count + 7} fields")
    quality = _quality(line, fields[count + 2], among="AEFNSV")
    values = [
        _nano(line, n, text, may_lack=quality in ("N", "V"))
        for n, text in enumerate(fields[2 : count + 2], 1)
    ]
    when = _date(line, fields[1])
    raw = NemDay(when, tuple(values), (), line)
    if quality == "V":
        return raw, quality
    return _finished(raw, [quality] * count, channel.scale), quality


def _finished(raw: NemDay, qualities: Sequence[str], scale: int) -> NemDay:
    """Return a day in Wh: its sum is floored from interval to interval, so none is lost twice.

    A null interval has no value, whatever stands there.
    """
    sum_so_far, told = 0, 0
    found: list[int | None] = []
    for place, (nano, quality) in enumerate(zip(raw.values, qualities, strict=True), 1):
        if quality == "N":
            found.append(None)
            continue
        if nano is None:
            raise NotNem12(raw.line, f"IntervalValue{place}", "a number is missing")
        sum_so_far += nano * scale
        delta = sum_so_far // _NANO - told
        told += delta
        if delta > MAX_SLOT:
            raise NotNem12(raw.line, f"IntervalValue{place}", "no meter moves so much")
        found.append(delta)
    return NemDay(raw.date, tuple(found), tuple(qualities), raw.line)


def _nano(line: int, place: int, text: str, *, may_lack: bool) -> int | None:
    """Return a number in 10^-9 of its unit, None for an empty field."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        if not text and may_lack:
            return None
        detail = "a number is wanted, 0 or more, of at most nine decimals"
        raise NotNem12(line, f"IntervalValue{place}", detail)
    return int(match[1]) * _NANO + int((match[2] or "").ljust(9, "0"))


def _date(line: int, text: str) -> date:
    if re.fullmatch(r"[0-9]{8}", text):
        with suppress(ValueError):
            return date(int(text[:4]), int(text[4:6]), int(text[6:]))
    raise NotNem12(line, "IntervalDate", "write it as 20260131")


def _quality(line: int, text: str, *, among: str) -> str:
    if not _QUALITY.fullmatch(text) or text[0] not in among:
        detail = f"it is one of {', '.join(among)}; E, F and S with a method, as S14"
        raise NotNem12(line, "QualityMethod", detail)
    return text


def _counted(line: int, name: str, text: str, most: int) -> int:
    if not re.fullmatch(r"[0-9]{1,3}", text) or not 1 <= int(text) <= most:
        raise NotNem12(line, name, f"it is a number from 1 to {most}")
    return int(text)
