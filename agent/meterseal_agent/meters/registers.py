"""Raw 16-bit registers and a profile's points to a Sample in integers.

Every number type and both word orders are handled here, once. A pattern that means
"not available" becomes an absence with a reason, never 0. No float leaves this
module, and it must never touch a wire, a disk or a clock.

Precision: SDM meters hold energy as float32 kWh. Its 24-bit significand keeps every
Wh up to 16,384 kWh (2^14 kWh, where its spacing reaches 2^-9 kWh = 1.95 Wh; the
16.7 MWh = 2^24 Wh of the folklore). Above that the meter itself skips Wh. So the
float is scaled exactly (as a fraction) and rounded once, half to even; rounding is
monotone, so a growing register stays growing. INT64 Wh registers are exact.

Scale: a point may be scaled by other registers of the meter, a transformer ratio or
SunSpec's power of ten. Such a `Scale` is read with the point and multiplied as a
fraction; where the meter tells no scale the point is absent, never guessed.
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
MAX_EXPONENT: Final = 10
"""SunSpec Information Model Specification, `sunssf`: powers of ten from -10 to 10."""


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
    VAR_HOUR = "varh"
    VOLT_AMPERE_HOUR = "VAh"
    WATT = "W"
    VAR = "var"
    VOLT_AMPERE = "VA"
    MILLIVOLT = "mV"
    MILLIAMPERE = "mA"
    MILLIHERTZ = "mHz"
    PER_MILLE = "permille"

    @property
    def cumulative(self) -> bool:
        """Whether the quantity only grows, as energy and volume do."""
        return self in {
            Unit.WATT_HOUR,
            Unit.LITRE,
            Unit.VAR_HOUR,
            Unit.VOLT_AMPERE_HOUR,
        }


class Absence(StrEnum):
    """Why a point has no value in a sample."""

    NOT_AVAILABLE = "the meter says not available"
    NOT_A_NUMBER = "the meter sent NaN"
    INFINITE = "the meter sent infinity"
    NEGATIVE = "a cumulative register is negative"
    OUT_OF_RANGE = "the value does not fit 63 bits"
    UNSCALED = "the meter does not tell the scale of this value"
    ANOTHER = "this is not the meter its profile is for"


class Form(Enum):
    """How a scale register holds its factor: itself, or as a power of ten.

    A mark is no factor: it must show the number of the profile, as a model's id does,
    or the points it is named for are not what the profile says.
    """

    FACTOR = "factor"
    EXPONENT = "exponent"
    MARK = "mark"


@dataclass(frozen=True, slots=True)
class Scale:
    """A register of the meter that scales points: raw x `scale`, or 10 to the raw.

    A mark's raw number must be `scale`.
    """

    name: str
    address: int
    kind: Kind
    form: Form
    scale: Fraction = Fraction(1)

    @property
    def end(self) -> int:
        """The first address after the register."""
        return self.address + self.kind.words


@dataclass(frozen=True, slots=True)
class Point:
    """One quantity of a meter: where it stands and how it becomes an integer.

    `address` is the 0-based PDU address; raw number x `scale` x every register of
    `scaled_by` is in `unit`. `rollover` is the width in `unit` at which the register
    starts again from 0, None where the vendor declares none. `absent` are patterns
    that mean "not available" at this point only. `folded` marks Schneider's
    four-quadrant power factor, which says "leading" by going beyond 1 or -1.
    """

    name: str
    register: RegisterId
    address: int
    kind: Kind
    scale: Fraction
    unit: Unit
    rollover: int | None = None
    scaled_by: tuple[Scale, ...] = ()
    absent: frozenset[bytes] = frozenset()
    folded: bool = False

    @property
    def end(self) -> int:
        """The first address after the point."""
        return self.address + self.kind.words


@dataclass(frozen=True, slots=True)
class Coding:
    """How one meter model writes numbers: word order and its not-available patterns.

    `not_available` holds for every type of its width, `of_kind` for one type only:
    0xFFFF is "none" in a U16 of many meters and an honest -1 in their S16.
    """

    order: WordOrder
    not_available: frozenset[bytes] = frozenset()
    of_kind: frozenset[tuple[Kind, bytes]] = frozenset()

    def none(self, raw: bytes, kind: Kind) -> bool:
        """Tell whether the big-endian bytes are this model's way to say no value."""
        return raw in self.not_available or (kind, raw) in self.of_kind


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


def is_volume(register: RegisterId) -> bool:
    """Tell whether a register counts litres: gas, water, what flows through a heat meter.

    EN 13757-1, value groups: A 7 to 9 are gas, cold and hot water; A 5 and 6, cooling and
    heat, have their volume in C 2.
    """
    a, _, c, _, _, _ = register.to_bytes(6)
    return a in (7, 8, 9) or (a in (5, 6) and c == 2)


def to_bytes(words: Sequence[int], order: WordOrder) -> bytes:
    """Return the number's big-endian bytes from its registers as they came."""
    ordered = words if order is WordOrder.BIG else tuple(reversed(words))
    return b"".join(word.to_bytes(2) for word in ordered)


def decode(
    raw: bytes, point: Point, coding: Coding, factor: Fraction = Fraction(1)
) -> int | Absence:
    """Return the point's integer value from its big-endian bytes, or why there is none.

    `factor` is what the point's scale registers come to.
    """
    if coding.none(raw, point.kind) or raw in point.absent:
        return Absence.NOT_AVAILABLE
    number = _number(raw, point.kind)
    if isinstance(number, Absence):
        return number
    if point.folded:
        number = _folded(number)
    value = round(number * point.scale * factor)
    if abs(value) > MAX_VALUE:
        return Absence.OUT_OF_RANGE
    if value < 0 and point.unit.cumulative:
        return Absence.NEGATIVE
    return value


def factor_of(
    words: Mapping[int, int], scales: Sequence[Scale], coding: Coding
) -> Fraction | Absence:
    """Return the product of scale registers, or why there is none.

    UNSCALED where the meter tells no scale, ANOTHER where a mark is missing.
    """
    product = Fraction(1)
    for scale in scales:
        raw = _raw(words, scale, coding)
        if scale.form is Form.MARK:
            if _number(raw, scale.kind) != scale.scale:
                return Absence.ANOTHER
            continue
        factor = _factor(raw, scale, coding)
        if factor is None:
            return Absence.UNSCALED
        product *= factor
    return product


def _factor(raw: bytes, scale: Scale, coding: Coding) -> Fraction | None:
    number = _number(raw, scale.kind)
    if coding.none(raw, scale.kind) or isinstance(number, Absence):
        return None
    if scale.form is Form.EXPONENT:
        whole = number.denominator == 1 and abs(number) <= MAX_EXPONENT
        return Fraction(10) ** int(number) if whole else None
    # A ratio of nothing, or a negative one, is a setting nobody made.
    return number * scale.scale if number > 0 else None


def _folded(number: Fraction) -> Fraction:
    # Schneider's 4Q_FP_PF: the sign is the power's direction, beyond 1 it leads.
    if number > 1:
        return 2 - number
    return -2 - number if number < -1 else number


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

    `words` must hold every address of every point and of its scales (KeyError
    otherwise: a bug of the plan, not of the meter).
    """
    values: dict[RegisterId, int] = {}
    unavailable: dict[RegisterId, str] = {}
    for point in points:
        value = _value(words, point, coding)
        if isinstance(value, Absence):
            unavailable[point.register] = value.value
        else:
            values[point.register] = value
    return Sample(at, values, values.get(POWER), unavailable)


def _value(words: Mapping[int, int], point: Point, coding: Coding) -> int | Absence:
    factor = factor_of(words, point.scaled_by, coding)
    if isinstance(factor, Absence):
        return factor
    return decode(_raw(words, point, coding), point, coding, factor)


def _raw(words: Mapping[int, int], place: Point | Scale, coding: Coding) -> bytes:
    span = [words[address] for address in range(place.address, place.end)]
    return to_bytes(span, coding.order)
