"""Transfers a second on SQLite with every rule, beside inserting as many bare rows.

    python -m bench ledger                     # or: make bench ROOM=ledger

Credits are minted and sold between a thousand members. Batched: a thousand transfers a
commit, in linked pairs as trades are; singly: one commit each. WAL and synchronous=FULL, as
the product runs. The bare limit is inserting rows of the same size at the same commits. Wall
time, for a commit waits for the disk; medians of alternating runs.
"""

import asyncio
import json
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Final

from meterseal_aggregator.ledger import store
from meterseal_aggregator.ledger.model import AccountCode, Transfer, TransferId
from meterseal_aggregator.storage.database import Database
from meterseal_aggregator.storage.migrate import migrate

RESULTS: Final = Path(__file__).parent / "results" / "ledger.json"
MEMBERS: Final = 1_000
BATCH: Final = 1_000
BATCHES: Final = 20
SINGLES: Final = 2_000
RUNS: Final = 5
Row = dict[str, str | float]


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
            await tx.many(
                "INSERT INTO bare (id, body) VALUES (?, ?)", rows[at : at + batch]
            )
    return count / (time.perf_counter() - began)


async def measure() -> list[Row]:
    """Measure every row, ours and the bare limit by turns."""
    with tempfile.TemporaryDirectory() as folder:
        database = await Database.open(f"sqlite:///{folder}/bench.db")
        try:
            await migrate(database)
            async with database.transaction() as tx:
                await tx.rows("CREATE TABLE bare (id BLOB PRIMARY KEY, body BLOB)")
            return [
                *await _rows(database, 0, BATCH * BATCHES, BATCH),
                *await _rows(database, 1 << 40, SINGLES, 1),
            ]
        finally:
            await database.close()


async def _rows(database: Database, base: int, count: int, batch: int) -> list[Row]:
    found, limit = [], []
    for run in range(RUNS):
        first = base + run * count
        found.append(await ours(database, first, count, batch))
        limit.append(await bare(database, first, count, batch))
    against = f"bare limit: rows, {batch:,} a commit"
    each = [(against, median(limit)), (f"transfers, {batch:,} a commit", median(found))]
    return [
        {
            "name": name,
            "value": round(value),
            "unit": "a second",
            "against": against,
            "ratio": round(value / each[0][1], 3),
        }
        for name, value in each
    ]


def main() -> None:
    """Measure, print the table and write it to bench/results/ledger.json."""
    rows = asyncio.run(measure())
    for one in rows:
        sys.stdout.write(
            f"{one['name']:36} {one['value']:>9,} {one['unit']:9} {one['ratio']:>6} of {one['against']}\n"
        )
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
