"""A transaction that is rolled back at its end, so that nothing of a rehearsal is kept.

    async with rehearsal(database, dry=True) as tx: ...     # as the real one, to the letter

This module must never hide an error: what would fail, fails.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from meterseal_aggregator.storage.database import Database, Transaction


class _Over(Exception):
    """Ends a rehearsal."""


@asynccontextmanager
async def rehearsal(database: Database, *, dry: bool) -> AsyncIterator[Transaction]:
    """Open the writing transaction; `dry` rolls it back where it would be committed."""
    try:
        async with database.transaction() as tx:
            yield tx
            _go_on(dry=dry)
    except _Over:
        pass


def _go_on(*, dry: bool) -> None:
    if dry:
        raise _Over
