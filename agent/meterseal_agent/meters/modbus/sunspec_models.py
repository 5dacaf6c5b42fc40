"""The SunSpec models that count energy, as points at their place within the model.

Source: SunSpec Alliance, Information Model Reference (json/model_*.json): meters 201-204
and 211-214, inverters 101-103 and 111-113. Integers are scaled by registers of the
model, a power of ten each; floats are not. "Not implemented" has a pattern for each type
(SunSpec Device Information Model Specification, 4.2). An accumulator's is 0, which
a meter that has counted nothing yet shows as well; see `sunspec`.

An inverter counts what it makes: that is export, and its power is negative. Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from meterseal_agent.meters.registers import (
    Coding,
    Form,
    Kind,
    Point,
    Scale,
    Unit,
    WordOrder,
)
from meterseal_proto.units import EXPORT, IMPORT, RegisterId, obis_text, parse_obis

POWER: Final = "1-0:16.7.0"
FREQUENCY: Final = "1-0:14.7.0"
CODING: Final = Coding(
    WordOrder.BIG,
    of_kind=frozenset(
        {
            (Kind.S16, b"\x80\x00"),
            (Kind.U16, b"\xff\xff"),
            (Kind.U32, b"\xff\xff\xff\xff"),
        }
    ),
)
_MILLI: Final = Fraction(1000)
_ONE: Final = Fraction(1)


@dataclass(frozen=True, slots=True)
class Model:
    """What is read of a model: its points by offset from its own first register.

    `counts` are the registers its devices keep.
    """

    points: tuple[Point, ...]
    counts: frozenset[RegisterId]

    @property
    def size(self) -> int:
        """How many registers have to be read, the model's id and length included."""
        ends = [p.end for p in self.points]
        ends += [s.end for p in self.points for s in p.scaled_by]
        return max(ends)


@dataclass(frozen=True, slots=True)
class _Row:
    """Neighbouring quantities of one unit, from `offset` on."""

    codes: Sequence[str]
    offset: int
    unit: Unit
    factor: Fraction
    kind: Kind
    scale_at: int | None = None

    def points(self) -> list[Point]:
        scales: tuple[Scale, ...] = ()
        if self.scale_at is not None:
            scales = (Scale("sf", self.scale_at, Kind.S16, Form.EXPONENT),)
        return [
            Point(
                name=code,
                register=parse_obis(code),
                address=self.offset + i * self.kind.words,
                kind=self.kind,
                scale=self.factor,
                unit=self.unit,
                scaled_by=scales,
            )
            for i, code in enumerate(self.codes)
        ]


_AMPERES: Final = ("1-0:31.7.0", "1-0:51.7.0", "1-0:71.7.0")
_VOLTS: Final = ("1-0:32.7.0", "1-0:52.7.0", "1-0:72.7.0")
_WATTS: Final = (POWER, "1-0:36.7.0", "1-0:56.7.0", "1-0:76.7.0")
_IN: Final = (obis_text(IMPORT),)
_OUT: Final = (obis_text(EXPORT),)


def _model(*rows: _Row) -> Model:
    points = tuple(point for row in rows for point in row.points())
    return Model(points, frozenset(p.register for p in points if p.unit.cumulative))


_METER: Final = _model(
    _Row(_OUT, 38, Unit.WATT_HOUR, _ONE, Kind.U32, 54),
    _Row(_IN, 46, Unit.WATT_HOUR, _ONE, Kind.U32, 54),
    _Row(_AMPERES, 3, Unit.MILLIAMPERE, _MILLI, Kind.S16, 6),
    _Row(_VOLTS, 8, Unit.MILLIVOLT, _MILLI, Kind.S16, 15),
    _Row((FREQUENCY,), 16, Unit.MILLIHERTZ, _MILLI, Kind.S16, 17),
    _Row(_WATTS, 18, Unit.WATT, _ONE, Kind.S16, 22),
)
_FLOAT_METER: Final = _model(
    _Row(_OUT, 60, Unit.WATT_HOUR, _ONE, Kind.F32),
    _Row(_IN, 68, Unit.WATT_HOUR, _ONE, Kind.F32),
    _Row(_AMPERES, 4, Unit.MILLIAMPERE, _MILLI, Kind.F32),
    _Row(_VOLTS, 12, Unit.MILLIVOLT, _MILLI, Kind.F32),
    _Row((FREQUENCY,), 26, Unit.MILLIHERTZ, _MILLI, Kind.F32),
    _Row(_WATTS, 28, Unit.WATT, _ONE, Kind.F32),
)
_INVERTER: Final = _model(
    _Row(_OUT, 24, Unit.WATT_HOUR, _ONE, Kind.U32, 26),
    _Row(_AMPERES, 3, Unit.MILLIAMPERE, _MILLI, Kind.U16, 6),
    _Row(_VOLTS, 10, Unit.MILLIVOLT, _MILLI, Kind.U16, 13),
    _Row((POWER,), 14, Unit.WATT, -_ONE, Kind.S16, 15),
    _Row((FREQUENCY,), 16, Unit.MILLIHERTZ, _MILLI, Kind.U16, 17),
)
_FLOAT_INVERTER: Final = _model(
    _Row(_OUT, 32, Unit.WATT_HOUR, _ONE, Kind.F32),
    _Row(_AMPERES, 4, Unit.MILLIAMPERE, _MILLI, Kind.F32),
    _Row(_VOLTS, 16, Unit.MILLIVOLT, _MILLI, Kind.F32),
    _Row((POWER,), 22, Unit.WATT, -_ONE, Kind.F32),
    _Row((FREQUENCY,), 24, Unit.MILLIHERTZ, _MILLI, Kind.F32),
)

METERS: Final[Mapping[int, Model]] = {
    **dict.fromkeys((201, 202, 203, 204), _METER),
    **dict.fromkeys((211, 212, 213, 214), _FLOAT_METER),
}
INVERTERS: Final[Mapping[int, Model]] = {
    **dict.fromkeys((101, 102, 103), _INVERTER),
    **dict.fromkeys((111, 112, 113), _FLOAT_INVERTER),
}
