"""The message beside: samples of one meter, compact, as a deterministic CBOR array.

    [1, meter, clock, begin, end, registers, [[dt, value, ...], ...]]

It says "in [begin, end) I have these samples and no others", so that whoever collects
such messages knows what it lacks. `registers` is six OBIS bytes after six; each row holds
one value a register as the difference to the row before (the first: to 0), null where
there was none, and `dt` seconds since the row before (the first: since `begin`). Nothing
here is sealed, billed or minted. This module must never be asked for a committed
register: what may be told at all is decided where the sample is taken.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from meterseal_proto.boundedjson import uint
from meterseal_proto.encoding import Value, decode, encode
from meterseal_proto.errors import Malformed
from meterseal_proto.spans import Span
from meterseal_proto.units import METER_ID_BYTES, MeterId, RegisterId

TELEMETRY_VERSION: Final = 1
MAX_ROWS: Final = 100
MAX_COLUMNS: Final = 64
"""Rows and registers of a message: at nine bytes a value both together stay below the
64 KiB of a message."""
MAX_CLOCK: Final = 2
REGISTER_BYTES: Final = 6
_LIMIT: Final = 1 << 63


@dataclass(frozen=True, slots=True)
class Row:
    """One sample: `at` in UTC Unix seconds, one value a register or None."""

    at: int
    values: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """All samples of a meter in `span`, oldest first, at strictly growing times.

    `clock` is how far their times may be trusted: 2 kept by a time service, 1 doubtful.
    Values are integers in the unit of their register (mV, mA, W, mHz, Wh, litres).
    """

    meter: MeterId
    clock: int
    span: Span
    registers: tuple[RegisterId, ...]
    rows: tuple[Row, ...]


def encode_batch(batch: Batch) -> bytes:
    """Return the payload for an agent's `tel` topic."""
    rows: list[Value] = []
    at, last = batch.span.begin, [0] * len(batch.registers)
    for row in batch.rows:
        told: list[Value] = [row.at - at]
        for column, value in enumerate(row.values):
            told.append(None if value is None else value - last[column])
            last[column] = last[column] if value is None else value
        rows.append(told)
        at = row.at
    names = b"".join(r.to_bytes(REGISTER_BYTES) for r in batch.registers)
    span = batch.span
    return encode(
        [TELEMETRY_VERSION, batch.meter, batch.clock, span.begin, span.end, names, rows]
    )


def decode_batch(payload: bytes) -> Batch:
    """Return the batch in `payload`; Malformed or Rejected(TOO_LARGE) says what is wrong."""
    fields = decode(payload)
    if not isinstance(fields, tuple) or len(fields) != 7:
        raise Malformed("telemetry is an array of 7")
    version, meter, clock, begin, end, names, rows = fields
    if type(version) is not int or version != TELEMETRY_VERSION:
        raise Malformed(f"telemetry version: only {TELEMETRY_VERSION} is known")
    if not isinstance(meter, bytes) or len(meter) != METER_ID_BYTES:
        raise Malformed(f"meter: {METER_ID_BYTES} bytes")
    try:
        span = Span(uint(begin, "begin"), uint(end, "end"))
        trust = uint(clock, "clock", MAX_CLOCK)
    except ValueError as error:
        raise Malformed(str(error)) from None
    registers = _registers(names)
    if not isinstance(rows, tuple) or len(rows) > MAX_ROWS:
        raise Malformed(f"rows: at most {MAX_ROWS}")
    return Batch(MeterId(meter), trust, span, registers, _rows(rows, span, registers))


def _registers(names: Value) -> tuple[RegisterId, ...]:
    if not isinstance(names, bytes) or len(names) % REGISTER_BYTES:
        raise Malformed(f"registers: {REGISTER_BYTES} bytes each")
    found = [
        RegisterId(int.from_bytes(names[at : at + REGISTER_BYTES]))
        for at in range(0, len(names), REGISTER_BYTES)
    ]
    if len(found) > MAX_COLUMNS or len(set(found)) < len(found):
        raise Malformed(f"registers: at most {MAX_COLUMNS}, each once")
    return tuple(found)


def _rows(
    rows: Sequence[Value], span: Span, registers: Sequence[RegisterId]
) -> tuple[Row, ...]:
    found: list[Row] = []
    at, last = span.begin, [0] * len(registers)
    for row in rows:
        if not isinstance(row, tuple) or len(row) != len(registers) + 1:
            raise Malformed("a row is its seconds and one value a register")
        dt, *told = row
        if type(dt) is not int or dt < (1 if found else 0) or at + dt >= span.end:
            raise Malformed("the times of rows grow within the span")
        at += dt
        values = tuple(_value(last, i, change) for i, change in enumerate(told))
        found.append(Row(at, values))
    return tuple(found)


def _value(last: list[int], column: int, change: Value) -> int | None:
    """Return a column's next value, and remember it for the row after."""
    if change is None:
        return None
    if type(change) is not int or not -_LIMIT <= last[column] + change < _LIMIT:
        raise Malformed("a value is an integer of 64 bits, or null")
    last[column] += change
    return last[column]
