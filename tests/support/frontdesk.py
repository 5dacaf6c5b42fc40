"""Intake on a real database file, with enrolled devices and a clock that stands still."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from meterseal_aggregator.intake.batch import Intake, Notary
from meterseal_aggregator.intake.port import Incoming
from meterseal_aggregator.storage.database import Database, Transaction
from meterseal_proto.receipt import Receipt, open_receipt
from tests.support.committed import CommittedDevice, enrol_committed
from tests.support.devices import BEGAN_AT, GENESIS, Device, enrol
from tests.support.migrated import open_migrated

RECEIPT_KEY = Ed25519PrivateKey.from_private_bytes(bytes(31) + b"\x07")
NOW = BEGAN_AT + 86_400


class Counting(Database):
    """A database that tells how many statements its last writing transaction ran."""

    statements = 0

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """See Database."""
        async with super().transaction() as tx:
            yield tx
            self.statements = tx.statements


@dataclass(slots=True)
class FrontDesk:
    """Intake with its database; `now` is what its clock says."""

    database: Database
    intake: Intake
    now: float = NOW

    async def deliver(self, agent: str, payloads: Sequence[bytes]) -> list[Receipt]:
        """Deliver an agent's payloads as one batch; returns the opened receipts."""
        batch = [Incoming(agent, payload, None) for payload in payloads]
        return (await self.take(*batch)).get(agent, [])

    async def take(self, *messages: Incoming) -> dict[str, list[Receipt]]:
        """Deliver a batch; returns the opened receipts by agent."""
        found: dict[str, list[Receipt]] = {}
        for reply in await self.intake.deliver(messages):
            receipt = open_receipt(reply.payload, RECEIPT_KEY.public_key())
            found.setdefault(reply.agent, []).append(receipt)
        return found

    async def answers(self, *messages: Incoming) -> dict[bytes, str]:
        """Deliver a batch; returns what was said of each header hash that was named."""
        found: dict[bytes, str] = {}
        for receipts in (await self.take(*messages)).values():
            for receipt in receipts:
                found.update((a.hash, "durable") for a in receipt.durable)
                found.update((r.hash, r.reason.text) for r in receipt.refused)
        return found

    async def rows(self, sql: str, params: Sequence[object] = ()) -> list[tuple]:  # type: ignore[type-arg]
        """Return the rows of a select."""
        async with self.database.reading() as tx:
            return await tx.rows(sql, params)

    async def count(self, table: str) -> int:
        """Return how many rows a table has."""
        return int((await self.rows(f"SELECT count(*) FROM {table}"))[0][0])  # noqa: S608 - a name of ours


@asynccontextmanager
async def front_desk(
    folder: Path, devices: Sequence[Device | CommittedDevice] = ()
) -> AsyncIterator[FrontDesk]:
    """Open intake on a new database file in `folder`, where `devices` are enrolled."""
    database = await open_migrated(folder / "intake.sqlite")
    async with database.transaction() as tx:
        await enrol(tx, [one for one in devices if isinstance(one, Device)])
        hidden = [one for one in devices if isinstance(one, CommittedDevice)]
        await enrol_committed(tx, hidden)
    intake = Intake(database, Notary(GENESIS, RECEIPT_KEY), lambda: desk.now)
    desk = FrontDesk(database, intake)
    try:
        yield desk
    finally:
        intake.close()
        await database.close()
