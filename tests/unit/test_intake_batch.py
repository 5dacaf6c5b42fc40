"""Batches through intake on a real file: what is kept, what is answered, what it costs."""

from dataclasses import replace
from pathlib import Path

import pytest

from meterseal_aggregator.intake import store
from meterseal_aggregator.intake.batch import Intake, Notary
from meterseal_aggregator.intake.port import Incoming
from meterseal_aggregator.translog.store import Rotten
from meterseal_proto.errors import Reason, Unavailable
from meterseal_proto.intervals import Interval
from meterseal_proto.keys import Algorithm
from meterseal_proto.receipt import MAX_ANSWERS, open_receipt
from tests.support.devices import BEGAN_AT, GENESIS, device, enrol, rotate
from tests.support.frontdesk import RECEIPT_KEY, Counting, front_desk
from tests.support.misdeeds import OTHER_KEY, high_s

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


async def test_where_the_clock_runs_fast_the_promise_is_kept_in_real_seconds(
    tmp_path: Path,
) -> None:
    one = device()
    async with front_desk(tmp_path, [one]) as desk:
        notary = Notary(GENESIS, RECEIPT_KEY, log_within_s=60 * 360)
        hasty = Intake(desk.database, notary, lambda: desk.now)
        (reply,) = await hasty.deliver([one.tell(1).by("pi-1")])
        hasty.close()
        receipt = open_receipt(reply.payload, RECEIPT_KEY.public_key())
        assert receipt.log_by == int(desk.now) + 60 * 360


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


async def test_a_batch_in_any_order_is_judged_in_the_order_of_the_chain(
    tmp_path: Path,
) -> None:
    one = device()
    async with front_desk(tmp_path, [one]) as desk:
        sent = [one.tell(n) for n in range(6)]
        answers = await desk.answers(*(s.by("pi-1") for s in reversed(sent)))
        assert answers == {sent[-1].digest: "durable"}
        assert await desk.count("seals") == 6


async def test_a_forged_twin_in_the_batch_does_not_spoil_the_answer(
    tmp_path: Path,
) -> None:
    one = device()
    async with front_desk(tmp_path, [one]) as desk:
        sent = one.tell(5)
        forged = Incoming("pi-1", high_s(sent), None)
        (receipt,) = (await desk.take(forged, sent.by("pi-1"), forged))["pi-1"]
        assert [a.hash for a in receipt.durable] == [sent.digest]
        assert receipt.refused == ()


async def test_statements_do_not_grow_with_the_batch(tmp_path: Path) -> None:
    for name in ("small", "large"):
        (tmp_path / name).mkdir()
    small = await _statements(tmp_path / "small", 1)
    assert await _statements(tmp_path / "large", 60) == small
    assert small <= MOST_STATEMENTS


async def test_a_change_in_the_registry_holds_from_the_next_batch_on(
    tmp_path: Path,
) -> None:
    one, later = device(1), device(2)
    async with front_desk(tmp_path, [one]) as desk:
        await desk.take(one.tell(1).by("pi-1"))
        new = later.tell(1)
        assert await desk.answers(new.by("pi-1")) == {new.digest: "unknown-meter"}
        async with desk.database.transaction() as tx:
            await enrol(tx, [later])
            await rotate(tx, one, OTHER_KEY.public, last_seq=1)
        old = one.seal(one.records([2]))
        by_new_key = replace(one, key=OTHER_KEY).tell(2)
        assert await desk.answers(new.by("pi-1"), old.by("pi-1")) == {
            new.digest: "durable",
            old.digest: "key-revoked",
        }
        answers = await desk.answers(by_new_key.by("pi-1"))
        assert answers == {by_new_key.digest: "durable"}
        async with desk.database.transaction() as tx:
            await tx.rows("UPDATE meters SET agent = 'pi-2' WHERE id = 1")
        again = await desk.answers(by_new_key.by("pi-1"), by_new_key.by("pi-2"))
        assert again == {by_new_key.digest: "durable"}
        assert desk.intake.tally.reasons[Reason.UNKNOWN_METER] == 2


async def test_a_crash_before_the_commit_leaves_nothing(tmp_path: Path) -> None:
    one = device()
    async with front_desk(tmp_path, [one]) as desk:
        sent = one.tell(5)
        before = await desk.rows("SELECT count(*) FROM log_entries")

        def stop(stage: str) -> None:
            if stage == "rows":
                raise KeyboardInterrupt

        crashing = Intake(
            desk.database, Notary(GENESIS, RECEIPT_KEY), lambda: desk.now, stop
        )
        with pytest.raises(KeyboardInterrupt):
            await crashing.deliver([sent.by("pi-1")])
        crashing.close()
        for table in ("seals", "readings", "salts", "heads"):
            assert await desk.count(table) == 0
        assert await desk.rows("SELECT count(*) FROM log_entries") == before
        assert await desk.answers(sent.by("pi-1")) == {sent.digest: "durable"}


async def test_a_full_disk_makes_intake_unavailable_until_there_is_room(
    tmp_path: Path,
) -> None:
    devices = [device(n) for n in range(1, 31)]
    async with front_desk(tmp_path, devices) as desk:
        sent = [d.tell(*range(90)) for d in devices]
        async with desk.database.transaction() as tx:
            await tx.rows("PRAGMA max_page_count = 1")
        with pytest.raises(Unavailable):
            await desk.intake.deliver([one.by("pi-1") for one in sent])
        async with desk.database.transaction() as tx:
            await tx.rows("PRAGMA max_page_count = 100000")
        answers = await desk.answers(*(one.by("pi-1") for one in sent))
        assert answers == {one.digest: "durable" for one in sent}


async def test_a_receipt_holds_no_more_answers_than_the_protocol_allows(
    tmp_path: Path,
) -> None:
    devices = [device(n) for n in range(1, MAX_ANSWERS + 3)]
    async with front_desk(tmp_path, devices) as desk:
        batch = [d.tell(1).by("pi-1") for d in devices]
        receipts = (await desk.take(*batch))["pi-1"]
        assert [len(r.durable) + len(r.refused) for r in receipts] == [MAX_ANSWERS, 2]


async def test_readings_come_by_page_and_in_the_order_they_arrived(
    tmp_path: Path,
) -> None:
    one, two = device(1), device(2)
    async with front_desk(tmp_path, [one, two]) as desk:
        await desk.take(one.tell(1, 2).by("pi-1"), two.tell(3).by("pi-1"))
        await desk.take(one.tell(4).by("pi-1"))
        async with desk.database.reading() as tx:
            every = await store.arrived(tx, 0)
            later = await store.arrived(tx, 2)
            page = await store.readings(tx, 1, Interval(BEGAN_AT + 1, 1800), 900)
    assert sorted((r.register_id, r.delta) for r in every) == [
        (1, 1),
        (1, 2),
        (1, 4),
        (2, 3),
    ]
    assert [r.delta for r in later] == [4]
    assert [(r.start, r.delta) for r in page] == [
        (BEGAN_AT + 900, 2),
        (BEGAN_AT + 1800, 4),
    ]


async def test_a_seal_comes_back_as_it_was_sent_and_rot_is_named(
    tmp_path: Path,
) -> None:
    one = device()
    async with front_desk(tmp_path, [one]) as desk:
        sent = one.tell(1, 2)
        await desk.take(sent.by("pi-1"))
        async with desk.database.reading() as tx:
            by_seq = await store.seal(tx, 1, 1, GENESIS)
            assert by_seq == await store.seal_row(tx, 1, GENESIS)
            assert await store.seal(tx, 1, 2, GENESIS) is None
        assert by_seq is not None
        assert (by_seq.seal, by_seq.digest) == (sent.seal, sent.digest)


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("seals", "first = first + 900"),
        ("seals", "signature = zeroblob(64)"),
        ("seals", "root = zeroblob(32)"),
        ("readings", "delta = delta + 1"),
        ("salts", "salt = zeroblob(16)"),
    ],
)
async def test_rot_in_a_seal_is_named_and_never_served(
    tmp_path: Path, table: str, change: str
) -> None:
    one = device()
    async with front_desk(tmp_path, [one]) as desk:
        await desk.take(one.tell(1, 2).by("pi-1"))
        async with desk.database.transaction() as tx:
            await tx.rows(f"DROP TRIGGER {table}_are_never_changed")
            await tx.rows(f"UPDATE {table} SET {change}")  # noqa: S608 - the test's own words
        async with desk.database.reading() as tx:
            with pytest.raises(Rotten, match="seals 1"):
                await store.seal(tx, 1, 1, GENESIS)


async def test_an_erased_seal_has_no_records_any_more(tmp_path: Path) -> None:
    one = device()
    async with front_desk(tmp_path, [one]) as desk:
        await desk.take(one.tell(1, 2).by("pi-1"))
        async with desk.database.transaction() as tx:
            await tx.rows("DELETE FROM salts")
        async with desk.database.reading() as tx:
            kept = await store.seal(tx, 1, 1, GENESIS)
        assert kept is not None
        assert (kept.erased, kept.seal.records, kept.seal.salts) == (True, (), ())
