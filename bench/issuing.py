"""Bills a second through the database: read, rated, guarded, numbered, logged, posted, told.

A part of the room `billing`. Homes with a month of quarter-hours each, known as packed days,
by a tariff of two times of use, a standing charge and a tax. The bare limit is inserting the
rows that issuing leaves, in batches of the same size, in a database of the same schema. The
goal is 100,000 households in a minute. Wall time, which is what a night has; CPU time is told
beside it, because others may use the machine. Memory does not grow with the households.
"""

import asyncio
import random
import resource
import sqlite3
import tempfile
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from meterseal_aggregator.app.serve import calm_the_collector
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

FILLED: Final = 1_000
"""Homes written at a time."""
REGISTER: Final = "id, meter_id, register, step, capacity_w, initial_value, initial_at, enrolment_hash"

Row = dict[str, str | float]


async def fill(utility: Utility, count: int) -> None:
    """Let `count` homes be supplied, each with a month of usage."""
    draw = random.Random(1)  # noqa: S311 - usage to time, no secret
    days = [
        packed(array("I", [draw.randrange(400) for _ in range(96)])) for _ in range(64)
    ]
    for first in range(1, count + 1, FILLED):
        homes = range(first, min(count + 1, first + FILLED))
        await _fill(utility, homes, days)


async def _fill(utility: Utility, homes: range, days: Sequence[bytes]) -> None:
    good = bytes([Quality.VALIDATED]) * 96
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


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast homes were billed: wall and bare in bills a second, CPU in ms a bill."""

    wall: float
    cpu_ms: float
    bare: float


async def issued(folder: Path, count: int) -> Speed:
    """Bill all of a new utility's homes, then insert what that left."""
    async with a_utility(folder) as utility:
        await fill(utility, count)
        # As the service does.
        calm_the_collector()
        start_cpu = cpu_s()
        await lanes(utility.database, WORKERS)
        starting = cpu_s() - start_cpu
        began_cpu = cpu_s()
        took = await lanes(utility.database, count)
        spent = cpu_s() - began_cpu - starting
        async with utility.database.reading() as tx:
            ((bills,),) = await tx.rows("SELECT count(*) FROM bills")
        assert bills == count
        limit = await bare(folder, count)
    return Speed((count - 2 * WORKERS) / took, spent / count * 1e3, limit)


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


async def bare(folder: Path, count: int) -> float:
    """Insert the same rows in batches of the same size; returns bills a second."""
    await (await open_migrated(folder / "bare.sqlite")).close()
    # Members and supplies are not there: what is timed is the rows, not who they are of.
    into = sqlite3.connect(folder / "bare.sqlite", isolation_level=None)
    into.execute("PRAGMA journal_mode=WAL")
    into.execute("PRAGMA synchronous=FULL")
    source = sqlite3.connect(folder / "utility.sqlite")
    batches, took = -(-count // BATCH), 0.0
    left = {
        table: source.execute(f"SELECT * FROM {table}")  # noqa: S608
        for table in TABLES
    }
    sizes = {table: -(-_count(source, table) // batches) for table in TABLES}
    for _ in range(batches):
        parts = {table: rows.fetchmany(sizes[table]) for table, rows in left.items()}
        began = time.perf_counter()
        into.execute("BEGIN IMMEDIATE")
        for table, part in parts.items():
            if part:
                marks = ",".join("?" for _ in part[0])
                into.executemany(f"INSERT INTO {table} VALUES ({marks})", part)  # noqa: S608
        into.execute("COMMIT")
        took += time.perf_counter() - began
    into.close()
    source.close()
    return count / took


def _count(source: sqlite3.Connection, table: str) -> int:
    ((found,),) = source.execute(f"SELECT count(*) FROM {table}")  # noqa: S608
    return int(found)


def rows_of(count: int) -> list[Row]:
    """Measure billing some households, and inserting their rows bare."""
    with tempfile.TemporaryDirectory() as name:
        speed = asyncio.run(issued(Path(name), count))
    bare_name = f"bare inserts of a bill's rows, {count:,} homes"
    most_ms = WORKERS / GOAL * 1e3
    goal = f"the {GOAL:,.0f} of 100,000 in a minute"
    return [
        _row(bare_name, speed.bare, "bills/s", bare_name, speed.bare),
        _row(f"issued, {count:,} homes", speed.wall, "bills/s", goal, GOAL),
        _row(
            f"CPU of all processes, {count:,} homes",
            speed.cpu_ms,
            "ms/bill",
            f"the {most_ms:.2f} ms that two cores have",
            most_ms,
        ),
    ]


def _row(name: str, value: float, unit: str, against: str, limit: float) -> Row:
    return {
        "name": name,
        "value": round(value, 3),
        "unit": unit,
        "against": against,
        "ratio": round(value / limit, 4),
    }
