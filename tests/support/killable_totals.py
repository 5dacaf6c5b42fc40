"""The duty in a process of its own that kills itself (SIGKILL) at a moment it is told.

    python killable_totals.py FOLDER HOW NOW URL URL URL

HOW is `asked` (the first answer of a trustee is here and not kept), `kept` (the first
transaction that wrote is committed), or `never`. It says `did N` when it lives to its end.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from meterseal_aggregator.jobs import until_idle
from meterseal_aggregator.privacy.trustees import job
from meterseal_aggregator.privacy.trustees.client import TrusteeClient
from meterseal_aggregator.privacy.trustees.pinned import pinned
from meterseal_aggregator.privacy.trustees.round import Office
from meterseal_aggregator.storage.database import Database, Transaction
from tests.support.enrolling import GENESIS
from tests.support.trusteeship import context_of


def die() -> None:
    """Be gone, as in a power cut."""
    os.kill(os.getpid(), signal.SIGKILL)


class Mortal(Database):
    """A database whose process dies once its first writing transaction is committed."""

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """See Database."""
        async with super().transaction() as tx:
            before = await tx.rows("SELECT total_changes()")
            yield tx
            after = await tx.rows("SELECT total_changes()")
        if after != before:
            die()


class MortalClient(TrusteeClient):
    """A client whose process dies with the first answer in its hand."""

    async def ask(self, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        """See TrusteeClient."""
        await super().ask(path, body)
        die()
        raise AssertionError


async def main(folder: Path, how: str, now: int, urls: list[str]) -> None:
    """Run the duty until it is idle, or dead."""
    kind = Mortal if how == "kept" else Database
    made = MortalClient if how == "asked" else TrusteeClient
    database = await kind.open(f"sqlite:///{folder}/aggregator.sqlite")
    async with database.reading() as tx:
        trustees = await pinned(tx)
    assert trustees is not None
    tls = context_of(str(folder / "tls"), "aggregator")
    clients = [made(url, tls) for url in urls]
    office = Office(database, GENESIS, trustees, [one.ask for one in clients])
    print("did", await until_idle(lambda: job.run_once(office, now)))
    for one in clients:
        await one.close()
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4:]))
