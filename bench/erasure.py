"""Erasing a member with years of data: how long it takes, and how long others wait for it.

    python -m bench erasure                    # or: make bench ROOM=erasure

Homes of hourly readings for two years, in the tables as intake leaves them: readings, their
salts, a seal a day. One member who moved out is erased, then the file is written anew
without what was deleted, while another task writes a row every few milliseconds and notes
how long it waited for the writer. The bare limit is copying the database's bytes once, with
fsync. Wall time; bytes written are all to the file and its log, by the kernel's own count.
"""

import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from meterseal_aggregator.erasure import duty
from meterseal_aggregator.erasure.erase import By, ask, confirm
from meterseal_aggregator.erasure.model import Why
from meterseal_aggregator.storage.database import Database, Transaction
from meterseal_aggregator.storage.migrate import migrate
from meterseal_proto.units import IMPORT

RESULTS: Final = Path(__file__).parent / "results" / "erasure.json"
HOUR_S: Final = 3_600
DAY_S: Final = 86_400
BEGIN: Final = 1_800_000_000 - 1_800_000_000 % DAY_S
DAYS: Final = 731
HOMES: Final = (50, 200)
MEMBER: Final = 7
NOW: Final = BEGIN + (DAYS + 30) * DAY_S
BY: Final = By("token:op", bytes(32), NOW, NOW)
BETWEEN_WRITES_S: Final = 0.005
BARE: Final = "bare limit: the file copied once"

Row = dict[str, str | float]


async def fill(database: Database, homes: int) -> None:
    """Write what so many homes told in two years; the member moved out at the end."""
    async with database.transaction() as tx:
        for sql in _PLACES:
            await tx.many(sql, [(n,) for n in range(1, homes + 1)])
        homely = [(n, IMPORT, BEGIN) for n in range(1, homes + 1)]
        await tx.many(_REGISTER, homely)
        left = [
            (n, n, BEGIN, BEGIN + DAYS * DAY_S if n == MEMBER else None)
            for n in range(1, homes + 1)
        ]
        await tx.many(
            "INSERT INTO tenancies (member_id, meter_point_id, from_at, to_at)"
            " VALUES (?, ?, ?, ?)",
            left,
        )
    for day in range(DAYS):
        async with database.transaction() as tx:
            await _tell(tx, homes, day)


async def _tell(tx: Transaction, homes: int, day: int) -> None:
    first, begin = day * homes, BEGIN + day * DAY_S
    ids = [(first + n, n) for n in range(1, homes + 1)]
    await tx.many(_ENTRY, [(seal,) for seal, _ in ids])
    await tx.many(_SEAL, [(seal, home, day + 1, begin, seal) for seal, home in ids])
    # A home's day comes in one message: so rows lie as intake inserts them.
    await tx.many(
        _READING,
        [
            (home, begin + hour * HOUR_S, (home * 7 + hour) % 900, seal)
            for seal, home in ids
            for hour in range(24)
        ],
    )
    salts = [(home, begin + hour * HOUR_S) for _, home in ids for hour in range(24)]
    await tx.many(_SALT, salts)


_PLACES: Final = (
    "INSERT INTO members (id, name, created_at) VALUES (?1, 'member ' || ?1, 0)",
    "INSERT INTO meter_points (id, name, created_at) VALUES (?1, 'p' || ?1, 0)",
    (
        "INSERT INTO meters (id, meter, serial, profile, agent, enrolled_at)"
        " VALUES (?1, randomblob(16), 's' || ?1, 'p', 'a' || ?1, 0)"
    ),
    "INSERT INTO installations (meter_id, meter_point_id, from_at) VALUES (?1, ?1, 0)",
)
_REGISTER: Final = """
INSERT INTO registers (id, meter_id, register, step, capacity_w, initial_value, initial_at,
  enrolment_hash) VALUES (?1, ?1, ?2, 3600, 10000, 0, ?3, randomblob(32))
"""
_ENTRY: Final = (
    "INSERT INTO log_entries (id, leaf_hash, body) VALUES (?, randomblob(32),"
    " randomblob(237))"
)
_SEAL: Final = """
INSERT INTO seals (id, register_id, seq, hash, first, step, count, signature, prev, root,
  received_at, log_entry_id) VALUES (?, ?, ?, randomblob(32), ?, 3600, 24, randomblob(64),
  randomblob(32), randomblob(32), 0, ?)
"""
_READING: Final = """
INSERT INTO readings (register_id, start, length, revision, delta, value, quality, seal_id)
VALUES (?, ?, 3600, 0, ?, 0, 14, ?)
"""
_SALT: Final = """
INSERT INTO salts (register_id, start, revision, salt) VALUES (?, ?, 0, randomblob(16))
"""


@dataclass(slots=True)
class Waits:
    """How long somebody who writes a row now and then waited for it, in seconds."""

    longest: float = 0.0
    count: int = 0

    async def write(self, database: Database) -> None:
        """Write until cancelled."""
        while True:
            began = time.perf_counter()
            async with database.transaction() as tx:
                await tx.rows("UPDATE bench_ticks SET n = n + 1")
            self.longest = max(self.longest, time.perf_counter() - began)
            self.count += 1
            await asyncio.sleep(BETWEEN_WRITES_S)


@dataclass(frozen=True, slots=True)
class Spent:
    """What some work took: seconds, bytes written, and the longest wait of a writer."""

    seconds: float
    written: int
    waited: float


async def spent(database: Database, work: Callable[[], Awaitable[object]]) -> Spent:
    """Do some work while somebody else writes."""
    waits = Waits()
    other = asyncio.create_task(waits.write(database))
    # His first write is through before the clock starts.
    while not waits.count:
        await asyncio.sleep(BETWEEN_WRITES_S)
    waits.longest, written = 0.0, _written()
    began = time.perf_counter()
    await work()
    took = time.perf_counter() - began
    seen = waits.count
    # The wait he is in ends.
    while waits.count == seen:
        await asyncio.sleep(BETWEEN_WRITES_S)
    other.cancel()
    await asyncio.gather(other, return_exceptions=True)
    return Spent(took, _written() - written, waits.longest)


def _written() -> int:
    """Return how many bytes this process had the kernel write so far."""
    told = Path("/proc/self/io").read_text()
    return int(dict(line.split(": ") for line in told.splitlines())["wchar"])


async def measure(homes: int) -> list[Row]:
    """Measure erasing one of so many homes' members."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.sqlite"
        database = await Database.open(f"sqlite:///{path}")
        try:
            await migrate(database)
            await fill(database, homes)
            async with database.transaction() as tx:
                await tx.rows("CREATE TABLE bench_ticks (n INTEGER) STRICT")
                await tx.rows("INSERT INTO bench_ticks VALUES (0)")
            return await _rows(database, path, homes)
        finally:
            await database.close()


async def _rows(database: Database, path: Path, homes: int) -> list[Row]:
    copied = _copied(path)

    async def erase() -> None:
        async with database.transaction() as tx:
            _, code = await ask(tx, MEMBER, Why.ASKED, BY)
        async with database.transaction() as tx:
            await confirm(tx, MEMBER, code, BY)

    async def clear() -> None:
        while await duty.run_once(database, BY.network, NOW, NOW):
            pass

    size = path.stat().st_size
    found = {
        "erased": await spent(database, erase),
        "cleared": await spent(database, clear),
    }
    who = f"{homes} homes, {size / 1e6:,.0f} MB"
    rows: list[Row] = [_row(f"{who}: copied", copied, "s", BARE, 1.0)]
    for name, one in found.items():
        rows += [
            _row(f"{who}: {name}", one.seconds, "s", BARE, one.seconds / copied),
            _row(
                f"{who}: {name}, longest wait of a writer",
                one.waited,
                "s",
                BARE,
                one.waited / copied,
            ),
            _row(
                f"{who}: {name}, bytes written",
                one.written / 1e6,
                "MB",
                "the file's size",
                one.written / size,
            ),
        ]
    return rows


def _copied(path: Path) -> float:
    """Return the seconds it takes to copy the file, until it is on the disk."""
    other = path.with_suffix(".copy")
    began = time.perf_counter()
    shutil.copyfile(path, other)
    with other.open("rb+") as file:
        os.fsync(file.fileno())
    took = time.perf_counter() - began
    other.unlink()
    return took


def _row(name: str, value: float, unit: str, against: str, ratio: float) -> Row:
    return {
        "name": name,
        "value": round(value, 3),
        "unit": unit,
        "against": against,
        "ratio": round(ratio, 3),
    }


def main() -> None:
    """Measure, print the table and write it to bench/results/erasure.json."""
    rows = [row for homes in HOMES for row in asyncio.run(measure(homes))]
    for one in rows:
        sys.stdout.write(
            f"{one['name']:58} {one['value']:>9,} {one['unit']:3} {one['ratio']:>7}"
            f" of {one['against']}\n"
        )
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
