"""A file of intervals becomes values of a meter's registers: whole, or not at all.

    async with database.reading() as tx:
        places = await places_of(tx, upload)
    claims = prepare(upload, places, now)         # takes a second: beside the loop
    done = await keep(tx, upload, claims, now)

The file names no meter of ours: whoever sends it does. Values bill where no device told the
slot; they never mint. The same file again changes nothing. This module must never write a
part of a file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.vee.intervals import Told, claimed
from meterseal_aggregator.vee.values import (
    Claimed,
    NotValued,
    Place,
    import_values,
    place_of,
)
from meterseal_proto.units import MeterId, RegisterId, obis_text

_NAME: Final = 80
"""Letters of a series' name that an error shows: its end, where its number is."""


@dataclass(frozen=True, slots=True)
class Series:
    """A register's intervals as a file tells them, in order and apart; `name` is the file's."""

    name: str
    register: RegisterId
    intervals: tuple[Told, ...]


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of a `kind` as read, with its SHA-256; its meter, and who sent it.

    Each of its series is of another register.
    """

    kind: str
    sha256: bytes
    series: tuple[Series, ...]
    meter: MeterId
    author: str

    @property
    def name(self) -> str:
        """What stands for it in a value's reason, and in the trail."""
        return f"{self.kind} file {self.sha256.hex()[:16]}"


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of a file: its series and intervals as read, values written now."""

    series: int
    intervals: int
    values: int


async def places_of(tx: Transaction, upload: Upload) -> list[Place]:
    """Return the register of each series; raises NotValued: UNKNOWN, PRIVATE."""
    return [await _place(tx, upload, one) for one in upload.series]


def prepare(
    upload: Upload, places: Sequence[Place], now: int
) -> dict[int, dict[int, Claimed]]:
    """Return what a file says of each register's slots, by start.

    Raises NotValued: SPAN, ABOVE_CAPACITY, each naming the series.
    """
    found = {}
    for series, place in zip(upload.series, places, strict=True):
        try:
            found[place.register_id] = claimed(place, series.intervals, now)
        except NotValued as error:
            raise _of(series, error) from None
    return found


async def keep(
    tx: Transaction,
    upload: Upload,
    claims: Mapping[int, Mapping[int, Claimed]],
    now: int,
) -> Taken:
    """Write what a file says and is not known so yet, at Unix second `now`."""
    count = await import_values(
        tx, claims, reason=upload.name, author=upload.author, now=now
    )
    intervals = sum(len(one.intervals) for one in upload.series)
    return Taken(len(upload.series), intervals, count)


async def _place(tx: Transaction, upload: Upload, series: Series) -> Place:
    try:
        return await place_of(tx, upload.meter, series.register)
    except NotValued as error:
        raise _of(series, error) from None


def _of(series: Series, error: NotValued) -> NotValued:
    register, name = obis_text(series.register), series.name[-_NAME:]
    return NotValued(error.cause, f"series {name} ({register}): {error.detail}")
