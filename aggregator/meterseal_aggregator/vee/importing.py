"""A NEM12 file becomes values of registers that exist: whole, or not at all.

    upload = Upload(read(data), "operator", offset_s=36_000)
    async with database.reading() as tx:
        places = await places_of(tx, upload.file)
    values = prepare(upload, places, now)         # takes a second: beside the loop
    done = await keep(tx, upload, values, now)

A channel is the register of its meter's serial number: E... what was taken (1.8.0), B... what
was given (2.8.0). Imported values bill where no device told the slot; they never mint. The
same file again changes nothing. This module must never write a part of a file.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.vee.nem12 import (
    EXPORTED,
    Channel,
    NemDay,
    NotNem12,
    parse,
)
from meterseal_aggregator.vee.packing import share
from meterseal_aggregator.vee.values import (
    Cause,
    Claimed,
    NotValued,
    Place,
    check_capacity,
    check_open,
    check_span,
    import_values,
    places_of_serial,
)
from meterseal_proto.units import EXPORT, IMPORT, Quality

DAY_S: Final = 86_400
_QUALITIES: Final = {"A": Quality.VALID}
"""What is not actual is an estimate or a substitute."""


@dataclass(frozen=True, slots=True)
class File:
    """A file as read: its SHA-256, and the channels it has."""

    sha256: bytes
    channels: tuple[Channel, ...]


@dataclass(frozen=True, slots=True)
class Upload:
    """A file, who sent it, and the standard time of its days in seconds east of UTC."""

    file: File
    author: str
    offset_s: int


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of a file: its SHA-256, channels and days read, values written now."""

    sha256: bytes
    channels: int
    days: int
    values: int


def read(data: bytes) -> File:
    """Return a file's channels; raises NotValued (FILE) naming line and field.

    It takes up to a second of a processor: done before a transaction, beside the loop.
    """
    try:
        return File(hashlib.sha256(data).digest(), tuple(parse(data)))
    except NotNem12 as error:
        raise NotValued(Cause.FILE, str(error)) from None


async def places_of(tx: Transaction, file: File) -> list[Place]:
    """Return the register of each channel; raises NotValued: UNKNOWN, PRIVATE."""
    return [await _place(tx, channel) for channel in file.channels]


def prepare(
    upload: Upload, places: Sequence[Place], now: int
) -> dict[int, dict[int, Claimed]]:
    """Return what a file says of each register's slots, by start.

    Raises NotValued: FILE, SPAN, ABOVE_CAPACITY, each naming the line.
    """
    found: dict[int, dict[int, Claimed]] = {}
    for channel, place in zip(upload.file.channels, places, strict=True):
        told = found.setdefault(place.register_id, {})
        fresh = dict(
            slot
            for day in channel.days
            for slot in _slots(place, channel, day, upload.offset_s, now)
        )
        if not told.keys().isdisjoint(fresh):
            raise NotValued(
                Cause.FILE,
                f"line {channel.line}, NMISuffix: another channel of this file tells the"
                " same time of that meter's register",
            )
        told |= fresh
    return found


async def keep(
    tx: Transaction,
    upload: Upload,
    claims: Mapping[int, Mapping[int, Claimed]],
    now: int,
) -> Imported:
    """Write what a file says and is not known so yet, at Unix second `now`."""
    file = upload.file
    reason = f"NEM12 file {file.sha256.hex()[:16]}"
    count = await import_values(
        tx, claims, reason=reason, author=upload.author, now=now
    )
    days = sum(len(channel.days) for channel in file.channels)
    return Imported(file.sha256, len(file.channels), days, count)


async def _place(tx: Transaction, channel: Channel) -> Place:
    """Return the one register a channel is of; raises NotValued."""
    code = EXPORT if channel.suffix.startswith(EXPORTED) else IMPORT
    found = await places_of_serial(tx, channel.serial, code)
    if len(found) != 1:
        what = "no meter has" if not found else "several meters have"
        raise NotValued(
            Cause.UNKNOWN,
            f"line {channel.line}, MeterSerialNumber: {what} a register for"
            f" {channel.suffix} under this serial number",
        )
    try:
        check_open(found[0])
    except NotValued as error:
        raise _at(error, channel.line) from None
    return found[0]


def _slots(
    place: Place, channel: Channel, day: NemDay, offset_s: int, now: int
) -> Iterator[tuple[int, Claimed]]:
    """Give a day's slots on the register's grid."""
    midnight = datetime.combine(day.date, datetime.min.time(), UTC)
    begin = int(midnight.timestamp()) - offset_s
    length, step = channel.minutes * 60, place.step
    try:
        check_span(place, begin, begin + DAY_S, until=now, longest_s=DAY_S)
        on_grid = _split if length > step else _merged
        slots = list(on_grid(begin, length, day, step))
        check_capacity(place, max((slot[1] for slot in slots), default=0), step)
    except NotValued as error:
        raise _at(error, day.line) from None
    for start, delta, code in slots:
        quality = _QUALITIES.get(code, Quality.ESTIMATED)
        yield start, Claimed(delta, place.step, quality, f"nem12:{code}")


def _split(
    begin: int, length: int, day: NemDay, step: int
) -> Iterator[tuple[int, int, str]]:
    """Spread intervals longer than the step evenly over its slots."""
    times, rest = divmod(length, step)
    if rest:
        detail = f"its intervals do not divide into the register's {step} s"
        raise NotValued(Cause.SPAN, detail)
    for n, delta in enumerate(day.values):
        if delta is not None:
            for k in range(times):
                at = begin + n * length + k * step
                yield at, share(delta, k, times), day.qualities[n]


def _merged(
    begin: int, length: int, day: NemDay, step: int
) -> Iterator[tuple[int, int, str]]:
    """Add up intervals to the step; a slot with a null part is none, else its worst quality."""
    times, rest = divmod(step, length)
    if rest:
        detail = f"its intervals do not make up the register's {step} s"
        raise NotValued(Cause.SPAN, detail)
    for n in range(0, len(day.values), times):
        parts = [value for value in day.values[n : n + times] if value is not None]
        if len(parts) == times:
            codes = day.qualities[n : n + times]
            worst = next((code for code in codes if code != "A"), "A")
            yield begin + n * length, sum(parts), worst


def _at(error: NotValued, line: int) -> NotValued:
    return NotValued(error.cause, f"line {line}: {error.detail}")
