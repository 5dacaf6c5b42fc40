"""Packing days beside reading their rows: what usage costs before it is billed.

    python -m bench vee                        # or: make bench ROOM=vee

A street of registers tells days of quarter hours, in the tables as intake leaves them. The
bare limit is reading a day's rows in key order and doing nothing with them. Packing is the
duty whole: finding what is due, reading, writing versions, committing. CPU of one core.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from meterseal_aggregator.jobs import until_idle
from meterseal_aggregator.storage.database import Database, Transaction
from meterseal_aggregator.storage.migrate import migrate
from meterseal_aggregator.vee import days
from meterseal_proto.units import IMPORT

RESULTS: Final = Path(__file__).parent / "results" / "vee.json"
DAY_S: Final = 86_400
BEGIN: Final = 1_800_000_000 - 1_800_000_000 % DAY_S
STEP: Final = 900
SLOTS: Final = DAY_S // STEP
REGISTERS: Final = (200, 2_000)
DAYS: Final = 5
BARE: Final = "bare limit: rows read in key order"
_SCAN: Final = """
SELECT register_id, start, length, revision, delta FROM readings
WHERE start >= ? AND start < ?
"""

Row = dict[str, str | float]


async def fill(database: Database, registers: int) -> None:
    """Write a street's readings, seals of a day each, assessed as good."""
    async with database.transaction() as tx:
        for sql in _PLACES:
            await tx.many(sql, [(n,) for n in range(1, registers + 1)])
        await tx.many(_REGISTER, [(n, IMPORT, BEGIN) for n in range(1, registers + 1)])
    for day in range(DAYS):
        async with database.transaction() as tx:
            await _tell(tx, registers, day)
    async with database.transaction() as tx:
        await tx.rows("UPDATE vee_progress SET seal_id = (SELECT max(id) FROM seals)")


async def _tell(tx: Transaction, registers: int, day: int) -> None:
    first, begin = day * registers, BEGIN + day * DAY_S
    ids = [(first + n, n) for n in range(1, registers + 1)]
    await tx.many(
        "INSERT INTO log_entries (id, leaf_hash, body) VALUES (?, randomblob(32), x'0101')",
        [(seal,) for seal, _ in ids],
    )
    await tx.many(
        "INSERT INTO seals (id, register_id, seq, hash, first, step, count, signature,"
        " prev, root, received_at, log_entry_id) VALUES (?, ?, ?, randomblob(32), ?, 900,"
        " 96, zeroblob(64), zeroblob(32), zeroblob(32), 0, ?)",
        [(seal, number, day + 1, begin, seal) for seal, number in ids],
    )
    await tx.many(
        "INSERT INTO readings (register_id, start, length, revision, delta, value,"
        " quality, seal_id) VALUES (?, ?, 900, 0, ?, 0, 14, ?)",
        [
            (number, begin + slot * STEP, (number * 7 + slot) % 900, seal)
            for slot in range(SLOTS)
            for seal, number in ids
        ],
    )
    await tx.many(
        "INSERT INTO vee_trails (register_id, end_at, value, last_delta, last_length)"
        " VALUES (?, ?, 0, 0, 900)"
        " ON CONFLICT (register_id) DO UPDATE SET end_at = excluded.end_at",
        [(number, begin + DAY_S) for _, number in ids],
    )


_PLACES: Final = (
    "INSERT INTO meter_points (id, name, created_at) VALUES (?1, 'p' || ?1, 0)",
    (
        "INSERT INTO meters (id, meter, serial, profile, agent, enrolled_at)"
        " VALUES (?1, randomblob(16), 's' || ?1, 'p', 'a', 0)"
    ),
    "INSERT INTO installations (meter_id, meter_point_id, from_at) VALUES (?1, ?1, 0)",
)
_REGISTER: Final = """
INSERT INTO registers (id, meter_id, register, step, capacity_w, initial_value, initial_at,
  enrolment_hash) VALUES (?1, ?1, ?2, 900, 10000, 0, ?3, randomblob(32))
"""


async def spent(work: Callable[[], Awaitable[object]]) -> float:
    """Return the CPU seconds of some work, this process's threads together."""
    began = time.process_time()
    await work()
    return time.process_time() - began


async def measure_street(registers: int) -> list[Row]:
    """Measure a street of so many registers."""
    with tempfile.TemporaryDirectory() as folder:
        database = await Database.open(f"sqlite:///{folder}/bench.sqlite")
        try:
            await migrate(database)
            await fill(database, registers)
            return await _rows(database, registers)
        finally:
            await database.close()


async def _rows(database: Database, registers: int) -> list[Row]:
    now, count = BEGIN + (DAYS + 1) * DAY_S, registers * DAYS * SLOTS

    async def scan() -> None:
        async with database.reading() as tx:
            for day in range(DAYS):
                begin = BEGIN + day * DAY_S
                assert (
                    len(await tx.rows(_SCAN, (begin, begin + DAY_S)))
                    == registers * SLOTS
                )

    async def pack() -> None:
        await until_idle(lambda: days.run_once(database, now))

    async def ask() -> None:
        async with database.reading() as tx:
            numbers = range(1, registers + 1)
            end = BEGIN + DAYS * DAY_S
            found = await days.usage(tx, numbers, BEGIN, end, known_at=now)
        assert sum(len(one.deltas) for one in found.values()) == count
        assert not any(one.missing for one in found.values())

    bare = count / await spent(scan)
    packed = count / await spent(pack)
    asked = count / await spent(ask)
    of = f"{registers:,} registers, {DAYS} days"
    return [
        _row(f"{BARE}, {of}", bare, bare),
        _row(f"readings packed into days, {of}", packed, bare),
        _row(f"slots of packed days asked for, {of}", asked, bare),
    ]


def _row(name: str, value: float, limit: float) -> Row:
    return {
        "name": name,
        "value": round(value),
        "unit": "rows/s",
        "against": BARE,
        "ratio": round(value / limit, 3),
    }


def main() -> None:
    """Measure, print the table and write it to bench/results/vee.json."""
    rows = [row for n in REGISTERS for row in asyncio.run(measure_street(n))]
    for row in rows:
        sys.stdout.write(
            f"{row['name']:62} {row['value']:>12,} {row['unit']:7} {row['ratio']:>7}\n"
        )
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
