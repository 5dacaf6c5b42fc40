"""A member's own file: what the commitments of his days hide, so that he can count again.

His device writes it on his page, beside the file anybody may have of the same days or
bill: `meterseal-verify BILL --openings USAGE` opens each commitment and recomputes the
bill from usage. Canonical JSON as a bundle is:

    {"days": [{"blindings", "first", "header", "step", "values"}], "format":
     "meterseal/openings/1", "meter", "network", "register"}

`blindings` is one hex text of 32 bytes a slot, `values` Wh or litres, `header` the hash of
the day's header. Who has the file reads the usage: it is for its member alone, and this
module must never be used by a program that is not on his side.
"""

from dataclasses import dataclass, field
from typing import Final

from meterseal_proto.bundle import (
    Json,
    canonical,
    parse_canonical,
    read_hex,
    read_number,
    read_object,
)
from meterseal_proto.errors import Malformed
from meterseal_proto.merkle import MAX_SIZE
from meterseal_proto.message import MAX_STEP
from meterseal_proto.privatefile import MAX_DAYS, MAX_FILE_BYTES
from meterseal_proto.rangeproof import BITS
from meterseal_proto.seal import MAX_RECORDS
from meterseal_proto.secret import SCALAR_BYTES
from meterseal_proto.units import MAX_REGISTER, METER_ID_BYTES, MeterId, RegisterId

FORMAT: Final = "meterseal/openings/1"
MAX_BRACKETS: Final = 2 + 2 * MAX_DAYS
"""A day opens two."""
_MAX_VALUE: Final = (1 << BITS[-1]) - 1


@dataclass(frozen=True, slots=True)
class OpenedDay:
    """One day's values (Wh or litres) and blindings (below n), slot by slot.

    `first` in UTC Unix seconds, `step` in seconds, `header` the hash of its header. A slot
    that was not told has the value 0.
    """

    header: bytes
    first: int
    step: int
    values: tuple[int, ...] = field(repr=False)
    blindings: tuple[int, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class UsageFile:
    """The openings of one register's days, in order of time."""

    network: bytes
    meter: MeterId
    register: RegisterId
    days: tuple[OpenedDay, ...]

    def encode(self) -> bytes:
        """Return the bytes of the file."""
        return canonical(
            {
                "days": [_day_json(day) for day in self.days],
                "format": FORMAT,
                "meter": self.meter.hex(),
                "network": self.network.hex(),
                "register": self.register,
            }
        )


def parse_usage(data: bytes) -> UsageFile:
    """Read a file; raises Rejected (TOO_LARGE or MALFORMED) naming the field."""
    top = read_object(
        parse_canonical(data, MAX_FILE_BYTES, MAX_BRACKETS),
        "file",
        "days format meter network register",
    )
    if top["format"] != FORMAT:
        raise Malformed(f"format: it is {FORMAT}")
    rows = top["days"]
    if not isinstance(rows, list) or not 1 <= len(rows) <= MAX_DAYS:
        raise Malformed(f"days: 1 to {MAX_DAYS} of them")
    return UsageFile(
        read_hex(top["network"], "network", 32),
        MeterId(read_hex(top["meter"], "meter", METER_ID_BYTES)),
        RegisterId(read_number(top["register"], "register", MAX_REGISTER)),
        tuple(_day(row) for row in rows),
    )


def _day_json(day: OpenedDay) -> dict[str, Json]:
    blindings = (one.to_bytes(SCALAR_BYTES) for one in day.blindings)
    return {
        "blindings": b"".join(blindings).hex(),
        "first": day.first,
        "header": day.header.hex(),
        "step": day.step,
        "values": list(day.values),
    }


def _day(value: Json) -> OpenedDay:
    fields = read_object(value, "day", "blindings first header step values")
    values = fields["values"]
    if not isinstance(values, list) or not 1 <= len(values) <= MAX_RECORDS:
        raise Malformed(f"day.values: 1 to {MAX_RECORDS} of them")
    joined = read_hex(fields["blindings"], "day.blindings", SCALAR_BYTES * len(values))
    return OpenedDay(
        read_hex(fields["header"], "day.header", 32),
        read_number(fields["first"], "day.first", MAX_SIZE),
        read_number(fields["step"], "day.step", MAX_STEP),
        tuple(read_number(one, "day.values", _MAX_VALUE) for one in values),
        tuple(
            int.from_bytes(joined[at : at + SCALAR_BYTES])
            for at in range(0, len(joined), SCALAR_BYTES)
        ),
    )
