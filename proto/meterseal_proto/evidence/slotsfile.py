"""Usage as it was rated, slot by slot, and how each slot came to be believed.

    {"begin", "deltas": [...], "meter", "qualities": "hex", "register", "step"}
    {"days": [[day, version, first, step, known_at, [deltas], "qualities"], ...],
     "values": [[start, length, delta, quality, source, method, reason, author, known_at,
                 salt], ...]}

The second is the quality history: every version of the local days that the usage is of,
and every value that no device sealed. `salt` is that of an edit's log entry, empty of estimates
and imports. Quantities in Wh or litres, times in Unix seconds. Canonical
JSON. This module must never say which value holds: `claims_usage` of this room does.
"""

from array import array
from dataclasses import dataclass
from typing import Final

from meterseal_proto.boundedjson import MAX_UINT
from meterseal_proto.bundle import (
    Json,
    canonical,
    parse_canonical,
    read_hex,
    read_number,
    read_object,
)
from meterseal_proto.errors import Malformed
from meterseal_proto.evidence.archive import MAX_MEMBER_BYTES
from meterseal_proto.message import MAX_QUALITY
from meterseal_proto.rating.load import MAX_SLOTS
from meterseal_proto.rating.usage import MAX_SLOT, packed, usage_digest
from meterseal_proto.units import MAX_REGISTER, METER_ID_BYTES, MeterId, RegisterId

MAX_VERSIONS: Final = 20_000
"""Versions of days: 400 days, each believed anew fifty times."""
MAX_VALUES: Final = MAX_SLOTS
MAX_TEXT: Final = 200
_DAY_COLUMNS: Final = 7
_VALUE_COLUMNS: Final = 10


@dataclass(frozen=True, slots=True)
class Slots:
    """A register's usage from `begin` on, `step` seconds a slot, one ESPI quality each."""

    meter: MeterId
    register: RegisterId
    begin: int
    step: int
    deltas: tuple[int, ...]
    qualities: bytes

    @property
    def end(self) -> int:
        """The first second after it."""
        return self.begin + self.step * len(self.deltas)

    @property
    def digest(self) -> bytes:
        """The digest by which a statement names these slots."""
        raw = packed(array("I", self.deltas))
        return usage_digest(self.begin, self.step, raw, self.qualities)


@dataclass(frozen=True, slots=True)
class DayVersion:
    """A local day (days since 1970) as it was believed from `known_at` on."""

    day: int
    version: int
    first: int
    step: int
    known_at: int
    deltas: tuple[int, ...]
    qualities: bytes


@dataclass(frozen=True, slots=True)
class ToldValue:
    """A value that no device sealed: `source` estimate, edit or import, and why."""

    start: int
    length: int
    delta: int
    quality: int
    source: str
    method: str
    reason: str
    author: str
    known_at: int
    salt: bytes = b""

    @property
    def end(self) -> int:
        """The first second after it."""
        return self.start + self.length


@dataclass(frozen=True, slots=True)
class History:
    """The versions of days by day and version, and the values in the order they came."""

    days: tuple[DayVersion, ...]
    values: tuple[ToldValue, ...]


def write_slots(slots: Slots) -> bytes:
    """Return the file of a usage."""
    return canonical(
        {
            "begin": slots.begin,
            "deltas": list(slots.deltas),
            "meter": slots.meter.hex(),
            "qualities": slots.qualities.hex(),
            "register": slots.register,
            "step": slots.step,
        }
    )


def read_slots(data: bytes) -> Slots:
    """Return the usage of a file; Rejected names what is wrong with it."""
    top = parse_canonical(data, MAX_MEMBER_BYTES, 4)
    fields = read_object(top, "usage", "begin deltas meter qualities register step")
    deltas = _deltas(fields["deltas"])
    return Slots(
        MeterId(read_hex(fields["meter"], "usage.meter", METER_ID_BYTES)),
        RegisterId(read_number(fields["register"], "usage.register", MAX_REGISTER)),
        read_number(fields["begin"], "usage.begin", MAX_UINT >> 8),
        _step(fields["step"]),
        deltas,
        _codes(fields["qualities"], len(deltas)),
    )


def write_history(history: History) -> bytes:
    """Return the file of a quality history."""
    days: list[Json] = [
        [
            one.day, one.version, one.first, one.step, one.known_at, list(one.deltas),
            one.qualities.hex(),
        ]
        for one in history.days
    ]  # fmt: skip
    values: list[Json] = [
        [
            one.start, one.length, one.delta, one.quality, one.source, one.method,
            one.reason, one.author, one.known_at, one.salt.hex(),
        ]
        for one in history.values
    ]  # fmt: skip
    return canonical({"days": days, "values": values})


def read_history(data: bytes) -> History:
    """Return the history of a file; Rejected names what is wrong with it."""
    most = 2 * MAX_VERSIONS + MAX_VALUES + 4
    fields = read_object(
        parse_canonical(data, MAX_MEMBER_BYTES, most), "history", "days values"
    )
    days, values = fields["days"], fields["values"]
    if not isinstance(days, list) or not isinstance(values, list):
        raise Malformed("history: two lists")
    return History(tuple(map(_day, days)), tuple(map(_value, values)))


def _day(value: Json) -> DayVersion:
    if not isinstance(value, list) or len(value) != _DAY_COLUMNS:
        raise Malformed(f"history.days: a day has {_DAY_COLUMNS} fields")
    deltas = _deltas(value[5])
    return DayVersion(
        _number(value[0]), _number(value[1]), _number(value[2]), _step(value[3]),
        _number(value[4]), deltas, _codes(value[6], len(deltas)),
    )  # fmt: skip


def _value(value: Json) -> ToldValue:
    if not isinstance(value, list) or len(value) != _VALUE_COLUMNS:
        raise Malformed(f"history.values: a value has {_VALUE_COLUMNS} fields")
    source, method, reason, author = (_text(one) for one in value[4:8])
    return ToldValue(
        _number(value[0]), _step(value[1]), _number(value[2]),
        read_number(value[3], "history.quality", MAX_QUALITY),
        source, method, reason, author, _number(value[8]), _maybe(value[9]),
    )  # fmt: skip


def _deltas(value: Json) -> tuple[int, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_SLOTS:
        raise Malformed(f"deltas: 1 to {MAX_SLOTS} of them")
    return tuple(read_number(one, "deltas", MAX_SLOT) for one in value)


def _codes(value: Json, count: int) -> bytes:
    raw = bytes.fromhex(value) if isinstance(value, str) and value.isascii() else b""
    if len(raw) != count or raw.hex() != value:
        raise Malformed("qualities: one byte a slot, in lower-case hex")
    return raw


def _step(value: Json) -> int:
    step = read_number(value, "step", MAX_UINT >> 8)
    if not step:
        raise Malformed("step: some seconds")
    return step


def _number(value: Json) -> int:
    return read_number(value, "history", MAX_UINT)


def _text(value: Json) -> str:
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise Malformed(f"history: a text of at most {MAX_TEXT} characters")
    return value


def _maybe(value: Json) -> bytes:
    return b"" if value == "" else read_hex(value, "history")
