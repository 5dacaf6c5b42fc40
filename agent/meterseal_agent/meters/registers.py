"""Raw 16-bit registers and a profile's points to a Sample in integers.

Every number type and both word orders are handled here, once. A pattern that means
"not available" becomes an absence with a reason, never 0. No float leaves this
module, and it must never touch a wire, a disk or a clock.

Precision: SDM meters hold energy as float32 kWh. Its 24-bit significand keeps every
Wh up to 16,384 kWh (2^14 kWh, where its spacing reaches 2^-9 kWh = 1.95 Wh; the
16.7 MWh = 2^24 Wh of the folklore). Above that the meter itself skips Wh. So the
float is scaled exactly (as a fraction) and rounded once, half to even; rounding is
monotone, so a growing register stays growing. INT64 Wh registers are exact.
"""

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from fractions import Fraction
from typing import Final

from meterseal_proto.units import RegisterId, parse_obis

POWER: Final = parse_obis("1-0:16.7.0")
"""Active power of all phases, W, positive into the house."""

MAX_VALUE: Final = (1 << 63) - 1
"""Largest value a sample may hold: what an SQLite integer and a signed wire field keep."""


class Kind(Enum):
    """How a point's registers hold its number (`type` in a profile)."""

    U16 = "u16"
    S16 = "s16"
    U32 = "u32"
    S32 = "s32"
    U64 = "u64"
    S64 = "s64"
    F32 = "f32"
    F64 = "f64"

    @property
    def words(self) -> int:
        """How many 16-bit registers the number takes: 1, 2 or 4."""
        return int(self.value[1:]) // 16


class WordOrder(Enum):
    """Which register of a number comes first; the bytes of a register are big-endian."""

    BIG = "big"
    LITTLE = "little"


class Unit(StrEnum):
    """The integer units samples come in."""

    WATT_HOUR = "Wh"
    LITRE = "L"
    WATT = "W"
    MILLIVOLT = "mV"
    MILLIAMPERE = "mA"
    MILLIHERTZ = "mHz"

    @property
    def cumulative(self) -> bool:
        """Whether the quantity only grows, as energy and volume do."""
        return self in {Unit.WATT_HOUR, Unit.LITRE}


class Absence(StrEnum):
    """Why a point has no value in a sample."""

    NOT_AVAILABLE = "the meter says not available"
    NOT_A_NUMBER = "the meter sent NaN"
    INFINITE = "the meter sent infinity"
    NEGATIVE = "a cumulative register is negative"
    OUT_OF_RANGE = "the value does not fit 63 bits"


@dataclass(frozen=True, slots=True)
class Point:
    """One quantity of a meter: where it stands and how it becomes an integer.

    `address` is the 0-based PDU address; raw number x `scale` is in `unit`.
    `rollover` is the width in `unit` at which the register starts again from 0,
    None where the vendor declares none.
    """

    name: str
    register: RegisterId
    address: int
    kind: Kind
    scale: Fraction
    unit: Unit
    rollover: int | None = None

    @property
    def end(self) -> int:
        """The first address after the point."""
        return self.address + self.kind.words


@dataclass(frozen=True, slots=True)
class Coding:
    """How one meter model writes numbers: word order and its not-available patterns."""

    order: WordOrder
    not_available: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True)
class Sample:
    """What a meter showed at the Unix second `at` (sample time, never publish time).

    `values` are integers in each point's unit; a register that could not be read is
    in `unavailable` with its reason instead. `power_w` is positive into the house.
    """

    at: int
    values: Mapping[RegisterId, int]
    power_w: int | None
    unavailable: Mapping[RegisterId, str]


def to_bytes(words: Sequence[int], order: WordOrder) -> bytes:
    """Return the number's big-endian bytes from its registers as they came."""
    ordered = words if order is WordOrder.BIG else tuple(reversed(words))
    return b"".join(word.to_bytes(2) for word in ordered)


def decode(raw: bytes, point: Point, coding: Coding) -> int | Absence:
    """Return the point's integer value from its big-endian bytes, or why there is none."""
    if raw in coding.not_available:
        return Absence.NOT_AVAILABLE
    number = _number(raw, point.kind)
    if isinstance(number, Absence):
        return number
    value = round(number * point.scale)
    if abs(value) > MAX_VALUE:
        return Absence.OUT_OF_RANGE
    if value < 0 and point.unit.cumulative:
        return Absence.NEGATIVE
    return value


def _number(raw: bytes, kind: Kind) -> Fraction | Absence:
    if kind not in {Kind.F32, Kind.F64}:
        return Fraction(int.from_bytes(raw, signed=kind.value.startswith("s")))
    (number,) = struct.unpack(">f" if kind is Kind.F32 else ">d", raw)
    if math.isnan(number):
        return Absence.NOT_A_NUMBER
    return Absence.INFINITE if math.isinf(number) else Fraction(number)


def to_sample(
    at: int, words: Mapping[int, int], points: Sequence[Point], coding: Coding
) -> Sample:
    """Return the Sample of `points` from registers by PDU address.

    `words` must hold every address of every point (KeyError otherwise: a bug of the
    plan, not of the meter).
    """
    values: dict[RegisterId, int] = {}
    unavailable: dict[RegisterId, str] = {}
    for point in points:
        span = [words[address] for address in range(point.address, point.end)]
        value = decode(to_bytes(span, coding.order), point, coding)
        if isinstance(value, Absence):
            unavailable[point.register] = value.value
        else:
            values[point.register] = value
    return Sample(at, values, values.get(POWER), unavailable)
