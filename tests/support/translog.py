"""A real log in a real database file, and the few steps every test of it takes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from meterseal_aggregator.storage.database import Database
from meterseal_aggregator.translog import fsck, sequencer, store
from meterseal_aggregator.translog.sequencer import LogKey, Sequenced
from tests.support.migrated import open_migrated

KEY = LogKey(
    "street.example/log", Ed25519PrivateKey.from_private_bytes(b"k".ljust(32, b"."))
)
NOW = 1_800_000_000


@asynccontextmanager
async def open_log(path: Path) -> AsyncIterator[Database]:
    """Open a migrated database at `path`."""
    database = await open_migrated(path)
    try:
        yield database
    finally:
        await database.close()


def bodies(first: int, count: int) -> list[bytes]:
    """Make log entries by number."""
    return [b"\x03\x01%08d" % i for i in range(first, first + count)]


async def append(db: Database, count: int, first: int = 0) -> list[int]:
    """Append entries by number; returns their ids."""
    async with db.transaction() as tx:
        return await store.append(tx, bodies(first, count))


async def sequence(db: Database) -> Sequenced:
    """Run the sequencer once."""
    return await sequencer.run_once(db, KEY, NOW)


async def head(db: Database) -> store.SignedHead:
    """Give the latest checkpoint."""
    async with db.reading() as tx:
        found = await store.latest(tx)
    assert found is not None
    return found


async def check(db: Database) -> fsck.Report:
    """Run fsck."""
    async with db.reading() as tx:
        return await fsck.check(tx, KEY.vkey)
