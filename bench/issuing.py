"""Bills a second through the database: read, rated, guarded, numbered, logged, posted, told.

    python -m bench issuing                    # or: make bench ROOM=issuing

HOUSEHOLDS homes with a month of quarter-hours each, known as packed days, by a tariff of two
times of use, a standing charge and a tax. The bare limit is inserting the rows that issuing
leaves, in batches of the same size, in a database of the same schema. The goal is 100,000
households in a minute. Wall time, which is what a night has; CPU time is told beside it.
"""

import asyncio
import json
import random
import resource
import sqlite3
import sys
import tempfile
import time
from array import array
from pathlib import Path
from typing import Final

from meterseal_aggregator.billing.statements.due import BATCH
from meterseal_aggregator.billing.statements.duty import Biller
from meterseal_aggregator.billing.statements.workers import rating_processes
from meterseal_aggregator.jobs import until_idle
from meterseal_aggregator.storage.database import Database
from meterseal_proto.rating.usage import packed
from meterseal_proto.units import IMPORT, Quality
from tests.support.billinghouse import (
    BEFORE,
    CODE,
    HOUR,
    JUNE,
    MAY,
    NETWORK,
    Utility,
    a_utility,
    days_of,
)
from tests.support.migrated import open_migrated

RESULTS: Final = Path(__file__).parent / "results" / "issuing.json"
HOUSEHOLDS: Final = (2_000, 10_000)
GOAL: Final = 100_000 / 60
"""Bills a second that are asked for, on two cores."""
WORKERS: Final = 2
LANES: Final = WORKERS + 1
"""Batches under way: while workers rate some, one is read or written."""
NOW: Final = JUNE + 6 * HOUR
TABLES: Final = (
    "bills", "bill_standings", "bill_acts", "bill_usage", "ledger_transfers",
    "log_entries", "member_events",
)  # fmt: skip

REGISTER: Final = "id, meter_id, register, step, capacity_w, initial_value, initial_at, enrolment_hash"

Row = dict[str, str | float]


async def fill(utility: Utility, count: int) -> None:
    """Let `count` homes be supplied, each with a month of usage."""
    draw = random.Random(1)  # noqa: S311 - usage to time, no secret
    days = [
        packed(array("I", [draw.randrange(400) for _ in range(96)])) for _ in range(64)
    ]
    good = bytes([Quality.VALIDATED]) * 96
    homes = range(1, count + 1)
    async with utility.database.transaction() as tx:
        for table, columns, rows in (
            ("members", "id, name, created_at", [(n, f"m{n}", 0) for n in homes]),
            ("meter_points", "id, name, created_at", [(n, f"p{n}", 0) for n in homes]),
            (
                "tenancies",
                "member_id, meter_point_id, from_at",
                [(n, n, BEFORE) for n in homes],
            ),
            (
                "meters",
                "id, meter, serial, profile, agent, enrolled_at",
                [(n, n.to_bytes(16), f"S{n}", "x", "a", 0) for n in homes],
            ),
            (
                "installations",
                "meter_id, meter_point_id, from_at",
                [(n, n, BEFORE) for n in homes],
            ),
            (
                "registers",
                REGISTER,
                [(n, n, IMPORT, 900, 9_000, 0, BEFORE, n.to_bytes(32)) for n in homes],
            ),
            (
                "supplies",
                "member_id, meter_point_id, tariff_code, from_at, billed_to",
                [(n, n, CODE, MAY, MAY) for n in homes],
            ),
            (
                "usage_days",
                "register_id, day, version, first, step, deltas, qualities, known_at",
                [
                    (n, day, 1, first, 900, days[(n + day) % 64], good, end + HOUR)
                    for n in homes
                    for day, first, end in days_of(MAY, JUNE)
                ],
            ),
        ):
            marks = ",".join("?" for _ in rows[0])
            await tx.many(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)  # noqa: S608


def cpu_s() -> float:
    """Return the CPU seconds of this process and its ended children."""
    used = [
        resource.getrusage(who)
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    ]
    return sum(one.ru_utime + one.ru_stime for one in used)


async def issued(folder: Path, count: int) -> tuple[float, float]:
    """Bill all; returns bills a second, and CPU milliseconds a bill."""
    async with a_utility(folder) as utility:
        await fill(utility, count)
        start_cpu = cpu_s()
        await lanes(utility.database, WORKERS)
        starting = cpu_s() - start_cpu
        began_cpu = cpu_s()
        took = await lanes(utility.database, count)
        spent = cpu_s() - began_cpu - starting
        assert len(await utility.bills()) == min(count, 10_000)
        await bare_copy(utility.database, folder)
    return (count - 2 * WORKERS) / took, spent / count * 1e3


async def lanes(database: Database, count: int) -> float:
    """Bill up to `count` homes by new workers; returns the seconds once they have started."""
    async with rating_processes(WORKERS) as rater:
        biller = Biller(database, NETWORK, rater)
        # The workers start before the clock does: a service keeps them.
        await biller.run_once(NOW, WORKERS)
        began = time.perf_counter()
        if count > WORKERS:
            await asyncio.gather(
                *(until_idle(lambda: biller.run_once(NOW)) for _ in range(LANES))
            )
        return time.perf_counter() - began


async def bare_copy(database: Database, folder: Path) -> None:
    """Keep the rows that issuing left, for the bare limit."""
    found: dict[str, list[tuple[object, ...]]] = {}
    async with database.reading() as tx:
        for table in TABLES:
            found[table] = await tx.rows(f"SELECT * FROM {table}")  # noqa: S608
    _LEFT[folder] = found


_LEFT: Final[dict[Path, dict[str, list[tuple[object, ...]]]]] = {}


async def bare(folder: Path, count: int) -> float:
    """Insert the same rows in batches of the same size; returns bills a second."""
    found = _LEFT.pop(folder)
    database = await open_migrated(folder / "bare.sqlite")
    await database.close()
    # Members and supplies are not there: what is timed is the rows, not who they are of.
    connection = sqlite3.connect(folder / "bare.sqlite", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    batches = -(-count // BATCH)
    began = time.perf_counter()
    for n in range(batches):
        connection.execute("BEGIN IMMEDIATE")
        for table, rows in found.items():
            size = -(-len(rows) // batches)
            part = rows[n * size : (n + 1) * size]
            if part:
                marks = ",".join("?" for _ in part[0])
                connection.executemany(f"INSERT INTO {table} VALUES ({marks})", part)  # noqa: S608
        connection.execute("COMMIT")
    took = time.perf_counter() - began
    connection.close()
    return count / took


async def measure() -> list[Row]:
    """Measure every row."""
    rows: list[Row] = []
    for count in HOUSEHOLDS:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            reached, spent_ms = await issued(folder, count)
            limit = await bare(folder, count)
        rows.append(_row(f"{count:,} households billed", reached, "bills/s", GOAL))
        rows.append(_row(f"CPU a bill, of {count:,}", spent_ms, "ms", 2 / GOAL * 1e3))
        rows.append(
            _row(f"their rows inserted bare, {count:,}", limit, "bills/s", GOAL)
        )
    return rows


def _row(name: str, value: float, unit: str, goal: float) -> Row:
    return {
        "name": name,
        "value": round(value, 3),
        "unit": unit,
        "against": f"goal {goal:.2f}",
        "ratio": round(value / goal, 3),
    }


def main() -> None:
    """Measure, print the table and write it to bench/results/issuing.json."""
    rows = asyncio.run(measure())
    for row in rows:
        sys.stdout.write(
            f"{row['name']:40} {row['value']:>11,} {row['unit']:9} {row['ratio']:>6} of {row['against']}\n"
        )
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
