"""Transfers a second on SQLite with every rule, beside inserting as many bare rows.

    python -m bench ledger                     # or: make bench ROOM=ledger

Credits are minted and sold between a thousand members. Batched: a thousand transfers a
commit, in linked pairs as trades are; singly: one commit each; alone: one commit each in one
wait for the database's thread (`store.post_alone`). WAL and synchronous=FULL, as the product
runs. The bare limit is inserting rows of the same size at the same commits by the same way.
Wall time, for a commit waits for the disk; medians of runs by turns, and a ratio is the median
of each run's, so that it holds where a figure depends on who else uses the processor.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

from meterseal_aggregator.ledger import store
from meterseal_aggregator.ledger.model import AccountCode, Transfer, TransferId
from meterseal_aggregator.storage.database import Database, Statements
from meterseal_aggregator.storage.migrate import migrate

RESULTS: Final = Path(__file__).parent / "results" / "ledger.json"
MEMBERS: Final = 1_000
BATCH: Final = 1_000
BATCHES: Final = 20
SINGLES: Final = 1_000
RUNS: Final = 9
BARE: Final = "INSERT INTO bare (id, body) VALUES (?, ?)"
Row = dict[str, str | float]
Run = Callable[[Database, int, int, int], Awaitable[float]]
"""Posts or inserts `count` from number `first` on, `batch` a commit; returns how many a second."""


def transfers(first: int, count: int, *, linked: bool) -> list[Transfer]:
    """Return mints and sales by turns, a pair linked or not, their ids from `first` on."""
    made = []
    for number in range(first, first + count, 2):
        maker, taker = number % MEMBERS, (number * 7 + 1) % MEMBERS
        measured = AccountCode(f"meter:{maker}:measured")
        producer, buyer = (
            AccountCode(f"producer:{maker}"),
            AccountCode(f"buyer:{taker}"),
        )
        mint = moving(number, 250, measured, producer)
        made += [replace(mint, linked=linked), moving(number + 1, 200, producer, buyer)]
    return made


def moving(number: int, wh: int, debit: AccountCode, credit: AccountCode) -> Transfer:
    """Return a transfer as credits and trades write them."""
    named = TransferId(number.to_bytes(32))
    return Transfer(named, wh, debit, credit, "sale", 1_800_000_000, reference=b"slot")


async def ours(database: Database, first: int, count: int, batch: int) -> float:
    """Return transfers a second of `count`, `batch` a commit."""
    wanted = transfers(first, count, linked=batch > 1)
    began = time.perf_counter()
    for at in range(0, count, batch):
        async with database.transaction() as tx:
            results = await store.post(tx, wanted[at : at + batch], now=1_800_000_000)
        assert all(one.entered for one in results)
    return count / (time.perf_counter() - began)


async def bare(database: Database, first: int, count: int, batch: int) -> float:
    """Return rows a second inserted: an id and a hundred bytes, a unique index."""
    rows = [(n.to_bytes(32), bytes(100)) for n in range(first, first + count)]
    began = time.perf_counter()
    for at in range(0, count, batch):
        async with database.transaction() as tx:
            await tx.many(BARE, rows[at : at + batch])
    return count / (time.perf_counter() - began)


async def ours_alone(database: Database, first: int, count: int, _: int) -> float:
    """Return transfers a second of `count`, each in a transaction of its own, one wait."""
    wanted = transfers(first, count, linked=False)
    began = time.perf_counter()
    for one in wanted:
        (result,) = await store.post_alone(database, [one], now=1_800_000_000)
        assert result.entered
    return count / (time.perf_counter() - began)


async def bare_alone(database: Database, first: int, count: int, _: int) -> float:
    """Return rows a second inserted, each in a transaction of its own, one wait."""
    rows = [(n.to_bytes(32), bytes(100)) for n in range(first, first + count)]
    began = time.perf_counter()
    for row in rows:
        await database.at_once(partial(Statements.many, sql=BARE, rows=[row]))
    return count / (time.perf_counter() - began)


async def measure() -> list[Row]:
    """Measure every row, ours and the bare limit by turns."""
    with tempfile.TemporaryDirectory() as folder:
        database = await Database.open(f"sqlite:///{folder}/bench.db")
        try:
            await migrate(database)
            async with database.transaction() as tx:
                await tx.rows("CREATE TABLE bare (id BLOB PRIMARY KEY, body BLOB)")
            return await _measured(database)
        finally:
            await database.close()


@dataclass(frozen=True, slots=True)
class Way:
    """A way to post, with the bare limit that commits in the same way."""

    name: str
    count: int
    batch: int
    ours: Run
    bare: Run


WAYS: Final = (
    Way("1,000 a commit", BATCH * BATCHES, BATCH, ours, bare),
    Way("1 a commit", SINGLES, 1, ours, bare),
    Way("1 a commit, one wait", SINGLES, 1, ours_alone, bare_alone),
)


async def _measured(database: Database) -> list[Row]:
    found: dict[Way, list[tuple[float, float]]] = {way: [] for way in WAYS}
    first = 0
    for _ in range(RUNS):
        for way in WAYS:
            mine = await way.ours(database, first, way.count, way.batch)
            limit = await way.bare(database, first, way.count, way.batch)
            found[way].append((mine, limit))
            first += way.count
    return [row for way, each in found.items() for row in _rows(way, each)]


def _rows(way: Way, each: list[tuple[float, float]]) -> list[Row]:
    against = f"bare limit: rows, {way.name}"
    medians = (
        (against, median(limit for _, limit in each), 1.0),
        (
            f"transfers, {way.name}",
            median(mine for mine, _ in each),
            median(mine / limit for mine, limit in each),
        ),
    )
    return [
        {
            "name": name,
            "value": round(value),
            "unit": "a second",
            "against": against,
            "ratio": round(ratio, 3),
        }
        for name, value, ratio in medians
    ]


def main() -> None:
    """Measure, print the table and write it to bench/results/ledger.json."""
    rows = asyncio.run(measure())
    for one in rows:
        sys.stdout.write(
            f"{one['name']:40} {one['value']:>9,} {one['unit']:9} {one['ratio']:>6} of {one['against']}\n"
        )
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
