"""What is to be seen of a running agent from outside: its status file and its two files.

The databases are opened for reading only and closed again at once, so that looking never
makes the daemon wait. It shows registers, unlike the status: whoever may open these files
is the house's own technician. This module must never write, nor lock anything.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from meterseal_agent.meters.registers import POWER
from meterseal_agent.outbox.database import OUTBOX
from meterseal_agent.run import health
from meterseal_agent.sampler import State
from meterseal_proto.errors import Rejected
from meterseal_proto.telemetry import Batch, decode_batch
from meterseal_proto.units import MeterId, RegisterId, obis_text

TELEMETRY: Final = "telemetry.sqlite"
BUSY_S: Final = 0.2
"""How long a look waits for a file; the next one is a second away."""
STALE_S: Final = 30
"""A status older than this many seconds of the agent's own pace tells of a hung agent."""

Document = dict[str, Any]  # Any: the status file, a JSON document


@dataclass(frozen=True, slots=True)
class Reading:
    """A register as it was last kept: `value` in its unit, `at` in UTC Unix seconds."""

    serial: str
    register: RegisterId
    value: int
    at: int


@dataclass(frozen=True, slots=True)
class Glance:
    """One look: the status document, registers, and what telemetry saw last."""

    status: Document | None
    readings: tuple[Reading, ...] = ()
    live: tuple[Reading, ...] = ()
    trouble: str = ""
    serials: dict[bytes, str] = field(default_factory=dict)


def look(folder: Path) -> Glance:
    """Return what there is to see in an agent's data directory; never raises for it."""
    status = health.read(folder)
    if status is None:
        return Glance(None, trouble=f"{folder} holds no status: is the agent running?")
    serials = {bytes.fromhex(r["meter"]): r["serial"] for r in status["registers"]}
    try:
        readings = tuple(_readings(folder / OUTBOX, serials))
        live = tuple(_live(folder / TELEMETRY, serials))
    except (sqlite3.Error, ValueError, Rejected) as error:
        return Glance(status, trouble=f"the files could not be read: {error}")
    return Glance(status, readings, live, "", serials)


def _readings(path: Path, serials: dict[bytes, str]) -> Iterator[Reading]:
    for meter, register, state, value, end in _rows(
        path, "SELECT meter, register, state, value, end_at FROM chains ORDER BY id"
    ):
        kept = State.begin(end, value) if state is None else State.from_json(state)
        serial = serials.get(meter, "")
        yield Reading(serial, RegisterId(register), kept.value, kept.boundary)


def _live(path: Path, serials: dict[bytes, str]) -> Iterator[Reading]:
    """Yield the last sample of each meter, where telemetry is kept."""
    for (payload,) in _rows(
        path,
        "SELECT payload FROM batches WHERE id IN"
        " (SELECT max(id) FROM batches WHERE samples > 0 GROUP BY meter)",
    ):
        yield from _last(decode_batch(payload), serials)


def _last(batch: Batch, serials: dict[bytes, str]) -> Iterator[Reading]:
    row = batch.rows[-1]
    for register, value in zip(batch.registers, row.values, strict=True):
        if value is not None:
            serial = serials.get(MeterId(batch.meter), "")
            yield Reading(serial, register, value, row.at)


def _rows(path: Path, statement: str) -> list[tuple[Any, ...]]:  # Any: database rows
    if not path.exists():
        return []
    uri = f"{path.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_S)) as connection:
        return connection.execute(statement).fetchall()


_UNITS: Final = {
    (1, 8): "Wh",
    (2, 8): "Wh",
    (16, 7): "W",
    (36, 7): "W",
    (56, 7): "W",
    (76, 7): "W",
    (14, 7): "mHz",
    **{(c, 7): "mV" for c in (12, 32, 52, 72)},
    **{(c, 7): "mA" for c in (11, 31, 51, 71)},
}
"""Units of electricity registers by OBIS groups C and D (IEC 62056-6-1, table 5)."""
_MEDIA: Final = {6: "Wh", 7: "L", 8: "L", 9: "L"}


def told(reading: Reading) -> str:
    """Return a value with its unit as people read it, e.g. `16,777.219 kWh`."""
    medium, _, quantity, kind, _, _ = reading.register.to_bytes(6)
    unit = _UNITS.get((quantity, kind), "") if medium == 1 else _MEDIA.get(medium, "")
    value = reading.value
    if unit.startswith("m"):
        return f"{value / 1000:,.3f} {unit[1:]}"
    if unit == "Wh":
        return f"{value / 1000:,.3f} kWh"
    if unit == "L":
        return f"{value / 1000:,.3f} m3"
    return f"{value:,} {unit}".rstrip()


def power_of(glance: Glance, serial: str) -> str:
    """Return a meter's power now, empty where telemetry does not tell."""
    for reading in glance.live:
        if reading.serial == serial and reading.register == POWER:
            return told(reading)
    return ""


def name_of(reading: Reading) -> str:
    """Return a register's OBIS code."""
    return obis_text(reading.register)
