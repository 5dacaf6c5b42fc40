"""Committed days through intake on a real file: what is taken, what is not, and why."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from meterseal_aggregator.intake.batch import Intake, Notary
from meterseal_aggregator.intake.port import Incoming
from meterseal_proto.committed import CommittedRecord, header_over, records_of
from meterseal_proto.committed_message import decode_committed
from meterseal_proto.encoding import decode, encode
from meterseal_proto.errors import Reason
from meterseal_proto.units import IMPORT, Quality
from tests.support.committed import CommittedDevice, Day, committed_device
from tests.support.devices import BEGAN_AT, GENESIS, device
from tests.support.frontdesk import RECEIPT_KEY, Counting, FrontDesk, front_desk

SLOTS = [7, None, 0, 65_535]
DURABLE = "durable"
DAY_S = len(SLOTS) * 900


async def said(desk: FrontDesk, *days: Day, agent: str = "pi-1") -> list[str]:
    """Deliver days as one batch; returns what was said of each."""
    answers = await desk.answers(*(day.by(agent) for day in days))
    return [answers.get(day.digest, DURABLE) for day in days]


async def test_a_day_is_kept_logged_and_answered(tmp_path: Path) -> None:
    one = committed_device()
    async with front_desk(tmp_path, [one]) as desk:
        first, second = one.tell(SLOTS), one.tell([1])
        receipts = (await desk.take(first.by("pi-1"), second.by("pi-1")))["pi-1"]
        assert [(a.seq, a.hash) for a in receipts[0].durable] == [(2, second.digest)]
        for table in ("seals", "readings", "salts", "quarantine"):
            assert await desk.count(table) == 0
        for table in (
            *("committed_seals", "commitments", "range_proofs", "backups"),
            *("masked_openings", "log_entries"),
        ):
            assert await desk.count(table) == 2
        head = await desk.rows("SELECT seq, hash, end_at, value FROM heads")
        assert head == [(2, second.digest, BEGAN_AT + DAY_S + 900, 0)]
        states = await desk.rows("SELECT DISTINCT state FROM range_proofs")
        assert states == [("pending",)]


async def test_the_same_days_again_get_the_same_answers(tmp_path: Path) -> None:
    one = committed_device()
    async with front_desk(tmp_path, [one]) as desk:
        batch = [one.tell(SLOTS).by("pi-1"), one.tell([3]).by("pi-1")]
        first = await desk.intake.deliver(batch)
        assert await desk.intake.deliver(batch) == first
        assert await desk.intake.deliver([batch[0]]) != []
        assert await desk.count("committed_seals") == 2


async def test_an_open_seal_for_a_committed_register_is_refused_and_not_kept(
    tmp_path: Path,
) -> None:
    hidden = committed_device()
    async with front_desk(tmp_path, [hidden]) as desk:
        shown = replace(
            device(1, register=IMPORT), key=hidden.key, head=hidden.head
        ).tell(43_981)
        answers = await desk.answers(shown.by("pi-1"))
        assert answers == {shown.digest: "mode"}
        assert not Reason.MODE.final
        assert await desk.rows("SELECT payload FROM quarantine") == [(b"",)]


async def test_a_committed_seal_for_an_open_register_is_refused(tmp_path: Path) -> None:
    shown = device(1, register=IMPORT)
    async with front_desk(tmp_path, [shown]) as desk:
        hidden = committed_device(1)
        hidden.head = shown.head
        assert await said(desk, hidden.day(SLOTS)) == ["mode"]
        assert await desk.count("log_entries") == 0


async def test_other_bits_than_enrolled_are_refused(tmp_path: Path) -> None:
    one = committed_device()
    async with front_desk(tmp_path, [one]) as desk:
        wider = replace(one, start=replace(one.start, bits=32))
        assert await said(desk, wider.day([1 << 20])) == ["mode"]


async def test_a_sum_that_is_not_the_sum_is_a_wrong_signature(tmp_path: Path) -> None:
    one = committed_device()
    async with front_desk(tmp_path, [one]) as desk:
        day = one.day(SLOTS)
        liar = replace(day.seal.header, sum=day.seal.records[0].commitment)
        lie = one.seal(liar, day.seal.records, day.openings, backed=SLOTS)
        (receipt,) = (await desk.take(lie.by("pi-1")))["pi-1"]
        assert [r.reason for r in receipt.refused] == [Reason.BAD_SIGNATURE]
        assert await desk.count("committed_seals") == 0


async def test_a_tampered_commitment_is_a_wrong_signature(tmp_path: Path) -> None:
    one = committed_device()
    async with front_desk(tmp_path, [one]) as desk:
        fields = decode(one.day(SLOTS).payload)
        assert isinstance(fields, tuple)
        rows = [list(row) for row in fields[9]]
        rows[0][0] = one.key.public.raw
        payload = encode([*fields[:9], rows, *fields[10:]])
        (receipt,) = (await desk.take(Incoming("pi-1", payload, None)))["pi-1"]
        assert [r.reason for r in receipt.refused] == [Reason.BAD_SIGNATURE]


async def test_a_parcel_the_seal_key_did_not_sign_is_a_wrong_signature(
    tmp_path: Path,
) -> None:
    """Else who forwards a day could spoil its proof, and the device would be blamed."""
    one = committed_device()
    async with front_desk(tmp_path, [one]) as desk:
        day = one.day(SLOTS)
        envelope = day.seal.envelope
        spoiled = replace(envelope.parcel, backup=bytes(818))
        seal = replace(day.seal, envelope=replace(envelope, parcel=spoiled))
        assert await said(desk, replace(day, seal=seal)) == ["bad-signature"]
        assert await said(desk, day) == [DURABLE]


async def test_another_agents_day_is_refused(tmp_path: Path) -> None:
    one = committed_device()
    async with front_desk(tmp_path, [one]) as desk:
        assert await said(desk, one.day(SLOTS), agent="pi-9") == ["unknown-meter"]


async def test_a_restored_snapshot_that_seals_a_number_twice_is_evidence(
    tmp_path: Path,
) -> None:
    one = committed_device()
    async with front_desk(tmp_path, [one]) as desk:
        snapshot = replace(one)
        first, second = one.tell(SLOTS), snapshot.tell([1, 2, 3, 4])
        assert await said(desk, first) == [DURABLE]
        assert await said(desk, second) == ["equivocation"]
        kept = await desk.rows("SELECT hash FROM quarantine WHERE reason = 11")
        assert kept == [(second.digest,)]
        spans = await desk.rows("SELECT from_at, to_at FROM equivocations")
        assert spans == [(BEGAN_AT, BEGAN_AT + DAY_S)]


async def test_two_contents_for_one_number_in_one_batch_are_equivocation(
    tmp_path: Path,
) -> None:
    one = committed_device()
    async with front_desk(tmp_path, [one]) as desk:
        first, second = replace(one).tell(SLOTS), replace(one).tell([1])
        answers = await said(desk, first, second)
        assert sorted(answers) == [DURABLE, "equivocation"]


def other_quality(one: CommittedDevice, quality: int) -> Day:
    day = one.day(SLOTS)
    records = records_of(one.place(), day.openings, [quality] * len(SLOTS))
    header = header_over(one.next_header(), records, one.bits)
    return one.seal(header, records, day.openings, backed=SLOTS)


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        (BEGAN_AT + 900, "gap"),
        (BEGAN_AT + 1, "off-grid"),
        (BEGAN_AT - 900, "equivocation"),
    ],
)
async def test_a_day_begins_where_the_last_one_ended(
    tmp_path: Path, first: int, reason: str
) -> None:
    one = committed_device()
    async with front_desk(tmp_path, [one]) as desk:
        assert await said(desk, one.day(SLOTS, first)) == [reason]


async def test_after_a_quarantined_day_the_chain_goes_on(tmp_path: Path) -> None:
    one = committed_device()
    async with front_desk(tmp_path, [one]) as desk:
        gap = one.day(SLOTS, BEGAN_AT + 900)
        assert await said(desk, gap) == ["gap"]
        one.answered(gap, Reason.GAP)
        assert await said(desk, one.tell(SLOTS)) == [DURABLE]


async def test_a_step_of_its_own_is_off_the_grid(tmp_path: Path) -> None:
    one = committed_device()
    async with front_desk(tmp_path, [one]) as desk:
        assert await said(desk, replace(one, step=1_800).day([5])) == ["off-grid"]


@pytest.mark.parametrize("quality", [Quality.VALIDATED, Quality.ESTIMATED, 0])
async def test_only_what_a_device_says_is_a_quality(
    tmp_path: Path, quality: int
) -> None:
    one = committed_device()
    async with front_desk(tmp_path, [one]) as desk:
        assert await said(desk, other_quality(one, quality)) == ["inconsistent"]


@pytest.mark.parametrize(
    ("values", "days", "answer"),
    [
        (SLOTS, 131, "time-window"),
        ([None, None], 131, DURABLE),
        ([None, None], 401, "time-window"),
        (SLOTS, 129, DURABLE),
    ],
)
async def test_a_silent_day_may_be_told_as_late_as_edits_reach(
    tmp_path: Path, values: Sequence[int | None], days: int, answer: str
) -> None:
    one = committed_device()
    async with front_desk(tmp_path, [one]) as desk:
        desk.now = BEGAN_AT + days * 86_400
        assert await said(desk, one.day(values)) == [answer]


async def test_a_day_that_has_not_ended_comes_too_early(tmp_path: Path) -> None:
    one = committed_device()
    async with front_desk(tmp_path, [one]) as desk:
        desk.now = BEGAN_AT + DAY_S - 301
        assert await said(desk, one.day(SLOTS)) == ["too-early"]


async def fail(desk: FrontDesk, day: Day) -> None:
    """Let a day's proof have failed."""
    async with desk.database.transaction() as tx:
        await tx.rows(
            "UPDATE range_proofs SET state = 'failed', checked_at = 1 WHERE seal_id ="
            " (SELECT id FROM committed_seals WHERE hash = ?)",
            (day.digest,),
        )


async def test_a_failed_day_is_told_again_with_the_next_revision(
    tmp_path: Path,
) -> None:
    one = committed_device()
    async with front_desk(tmp_path, [one]) as desk:
        bad, next_day = one.tell(SLOTS), one.tell([1])
        assert await said(desk, bad, next_day) == [DURABLE, DURABLE]
        await fail(desk, bad)
        again = one.day(SLOTS, BEGAN_AT, 1)
        assert await said(desk, again) == [DURABLE]
        one.answered(again)
        assert one.head.end == BEGAN_AT + DAY_S + 900
        head = await desk.rows("SELECT seq, hash, end_at, value FROM heads")
        assert head == [(3, again.digest, one.head.end, 0)]
        assert await said(desk, one.tell([2])) == [DURABLE]


@pytest.mark.parametrize(
    ("failed", "first", "revision", "values", "answer"),
    [
        (False, BEGAN_AT, 1, SLOTS, "inconsistent"),
        (True, BEGAN_AT, 2, SLOTS, "inconsistent"),
        (True, BEGAN_AT, 0, SLOTS, "equivocation"),
        (True, BEGAN_AT, 1, [1], "inconsistent"),
        (True, BEGAN_AT + 900, 1, SLOTS, "inconsistent"),
        (True, BEGAN_AT + DAY_S, 1, SLOTS, "inconsistent"),
    ],
)
async def test_revisions_are_no_way_around(
    tmp_path: Path,
    failed: bool,
    first: int,
    revision: int,
    values: Sequence[int | None],
    answer: str,
) -> None:
    one = committed_device()
    async with front_desk(tmp_path, [one]) as desk:
        told = one.tell(SLOTS)
        assert await said(desk, told) == [DURABLE]
        if failed:
            await fail(desk, told)
        assert await said(desk, one.day(values, first, revision)) == [answer]


async def test_a_revision_told_twice_is_equivocation(tmp_path: Path) -> None:
    one = committed_device()
    async with front_desk(tmp_path, [one]) as desk:
        bad = one.tell(SLOTS)
        assert await said(desk, bad) == [DURABLE]
        await fail(desk, bad)
        again = one.day(SLOTS, BEGAN_AT, 1)
        one.answered(again)
        other = one.day([1, 2, 3, 4], BEGAN_AT, 1)
        assert await said(desk, again, other) == [DURABLE, "equivocation"]
        assert await said(desk, one.day([1, 2, 3, 4], BEGAN_AT, 1)) == ["equivocation"]


async def test_days_cost_a_fixed_number_of_statements_more(tmp_path: Path) -> None:
    counts = []
    for size in (1, 12):
        folder = tmp_path / str(size)
        folder.mkdir()
        hidden = [committed_device(n) for n in range(1, size + 1)]
        async with front_desk(folder, hidden) as desk:
            database = await Counting.open(f"sqlite:///{folder}/intake.sqlite")
            intake = Intake(database, Notary(GENESIS, RECEIPT_KEY), lambda: desk.now)
            await intake.deliver([one.tell([1]).by("pi-1") for one in hidden])
            again = [replace(one).tell([1]) for one in hidden]
            await intake.deliver([day.by("pi-1") for day in again])
            counts.append(database.statements)
            intake.close()
            await database.close()
    assert counts[0] == counts[1] <= 12


async def test_open_and_committed_registers_share_a_batch(tmp_path: Path) -> None:
    shown, hidden = device(1), committed_device(2)
    async with front_desk(tmp_path, [shown, hidden]) as desk:
        sent, day = shown.tell(5), hidden.tell(SLOTS)
        answers = await desk.answers(sent.by("pi-1"), day.by("pi-1"))
        assert answers == {sent.digest: DURABLE, day.digest: DURABLE}
        kept = await desk.rows(
            "SELECT 'open', s.hash, e.body FROM seals s JOIN log_entries e ON e.id = s.id"
            " UNION ALL SELECT 'hidden', s.hash, e.body FROM committed_seals s"
            " JOIN log_entries e ON e.id = s.id"
        )
        for kind, digest, body in kept:
            one = sent if kind == "open" else day
            assert digest == one.digest
            assert body.endswith(one.seal.signature)


def test_a_record_is_not_its_neighbour() -> None:
    """Start, quality and revision are part of a leaf, not only the commitment."""
    c = committed_device().day([1]).seal.records[0].commitment
    leaves = {
        CommittedRecord(900, c, 14).leaf(),
        CommittedRecord(1_800, c, 14).leaf(),
        CommittedRecord(900, c, 10).leaf(),
        CommittedRecord(900, c, 14, 1).leaf(),
    }
    assert len(leaves) == 4


def test_decode_keeps_to_its_network() -> None:
    day = committed_device().day([1])
    other = decode_committed(day.payload, bytes(32))
    assert other.header.digest(GENESIS.chain_id) != day.digest
