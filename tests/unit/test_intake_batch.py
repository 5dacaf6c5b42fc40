"""Batches through intake on a real file: what is kept, what is answered, what it costs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from meterseal_aggregator.intake import store
from meterseal_aggregator.intake.batch import Intake, Notary
from meterseal_aggregator.storage.database import Database, Transaction
from meterseal_proto.intervals import Interval
from meterseal_proto.keys import Algorithm
from tests.support.devices import BEGAN_AT, GENESIS, device
from tests.support.frontdesk import RECEIPT_KEY, front_desk

MOST_STATEMENTS = 14


async def test_a_seal_is_kept_logged_and_answered(tmp_path: Path) -> None:
    one = device()
    async with front_desk(tmp_path, [one]) as desk:
        sent = one.tell(100, 200)
        receipts = (await desk.take(sent.by("pi-1")))["pi-1"]
        assert len(receipts) == 1
        (answer,) = receipts[0].durable
        assert (answer.seq, answer.hash) == (1, sent.digest)
        assert receipts[0].log_by == int(desk.now) + 60
        async with desk.database.reading() as tx:
            assert (await store.heads(tx, [one.register_id])) == {1: one.head}
            found = await store.readings(tx, 1, Interval(BEGAN_AT, 7200), 900)
        assert [(r.start, r.delta, r.value) for r in found] == [
            (BEGAN_AT, 100, 1100),
            (BEGAN_AT + 900, 200, 1300),
        ]
        assert await desk.count("log_entries") == 1


async def test_the_same_batch_again_gives_the_same_receipts(tmp_path: Path) -> None:
    one, two = device(1), device(2, agent="pi-2", algorithm=Algorithm.P256)
    async with front_desk(tmp_path, [one, two]) as desk:
        batch = [one.tell(5).by("pi-1"), one.tell(6).by("pi-1"), two.tell(7).by("pi-2")]
        far = two.seal(two.records([9_000_000]))
        batch += [far.by("pi-2"), batch[0]]
        first = await desk.intake.deliver(batch)
        assert await desk.intake.deliver(batch) == first
        assert await desk.count("seals") == 3
        assert await desk.count("quarantine") == 1


class Counting(Database):
    """A database that tells how many statements its last writing transaction ran."""

    statements = 0

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """See Database."""
        async with super().transaction() as tx:
            yield tx
            self.statements = tx.statements


async def _statements(folder: Path, size: int) -> int:
    devices = [device(n) for n in range(1, size + 1)]
    async with front_desk(folder, devices) as desk:
        database = await Counting.open(f"sqlite:///{folder}/intake.sqlite")
        intake = Intake(database, Notary(GENESIS, RECEIPT_KEY), lambda: desk.now)
        good = [d.tell(3).by("pi-1") for d in devices]
        bad = [d.seal(d.records([9_000_000])) for d in devices]
        forged = [s.by("pi-1")._replace(payload=s.payload[:-1]) for s in bad]
        twins = [
            d.seal(d.records([1]), s.seal.header)
            for d, s in zip(devices, bad, strict=True)
        ]
        await intake.deliver(good)
        await intake.deliver([*good, *(s.by("pi-1") for s in [*bad, *twins]), *forged])
        counted = database.statements
        intake.close()
        await database.close()
    return counted


async def test_statements_do_not_grow_with_the_batch(tmp_path: Path) -> None:
    for name in ("small", "large"):
        (tmp_path / name).mkdir()
    small = await _statements(tmp_path / "small", 1)
    assert await _statements(tmp_path / "large", 60) == small
    assert small <= MOST_STATEMENTS
