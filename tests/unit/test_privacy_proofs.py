"""Range proofs are checked in batches: the bad days are found, answered, and told again."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from meterseal_aggregator.intake import check as intake_check
from meterseal_aggregator.intake.failed import set_aside
from meterseal_aggregator.privacy import check, proofs
from meterseal_aggregator.privacy.telling import TELL_AGAIN_S, tell_failures
from meterseal_proto.errors import Reason
from meterseal_proto.receipt import Receipt, open_receipt
from tests.support.committed import CommittedDevice, Day, committed_device
from tests.support.devices import BEGAN_AT, GENESIS
from tests.support.frontdesk import RECEIPT_KEY, FrontDesk, front_desk

SLOTS = [7, None, 0, 65_535]


class Line:
    """Where agents are told unasked; `there` are those that hear."""

    def __init__(self, *there: str) -> None:
        self.there = set(there)
        self.heard: list[tuple[str, Receipt]] = []

    def tell(self, agent: str, payload: bytes) -> bool:
        """See Tell."""
        if agent not in self.there:
            return False
        receipt = open_receipt(payload, RECEIPT_KEY.public_key())
        self.heard.append((agent, receipt))
        return True


async def checked(desk: FrontDesk) -> list[bytes]:
    """Check one batch; returns the header hashes of days that failed."""
    done = await proofs.run_once(desk.database, GENESIS, int(desk.now), set_aside)
    return [day.digest for day in done.failed]


async def told(desk: FrontDesk, line: Line) -> int:
    return await tell_failures(
        desk.database, GENESIS.network, RECEIPT_KEY, line.tell, int(desk.now)
    )


async def states(desk: FrontDesk) -> list[str]:
    rows = await desk.rows("SELECT state FROM range_proofs ORDER BY seal_id")
    return [row[0] for row in rows]


def flipped(one: CommittedDevice, day: Day, at: int) -> Day:
    proof = bytearray(day.seal.envelope.parcel.proof)
    proof[at] ^= 1
    return one.with_proof(day, bytes(proof))


@asynccontextmanager
async def audited(folder: Path, *devices: CommittedDevice) -> AsyncIterator[FrontDesk]:
    """Open a front desk; at the end every finding of the audit must be good."""
    async with front_desk(folder, devices) as desk:
        yield desk
        async with desk.database.reading() as tx:
            found = await check.findings(tx, GENESIS)
            found += await intake_check.findings(tx, GENESIS)
        assert [finding for finding in found if not finding.ok] == []


async def test_a_day_whose_proof_holds_is_verified(tmp_path: Path) -> None:
    one = committed_device()
    async with audited(tmp_path, one) as desk:
        await desk.take(one.tell(SLOTS).by("pi-1"), one.tell([3]).by("pi-1"))
        assert await checked(desk) == []
        assert await states(desk) == ["verified", "verified"]
        assert await checked(desk) == []
        assert await desk.count("quarantine") == 0


@pytest.mark.parametrize("at", [0, 1, 40, 70, 100, 200, 300, 364, 400, 458])
async def test_a_proof_with_one_bit_flipped_fails_alone(
    tmp_path: Path, at: int
) -> None:
    good = [committed_device(n) for n in (1, 2, 3)]
    bad = committed_device(4)
    async with audited(tmp_path, *good, bad) as desk:
        day = flipped(bad, bad.day([5]), at)
        days = [one.tell([5]) for one in good]
        await desk.take(*(one.by("pi-1") for one in [*days, day]))
        assert await checked(desk) == [day.digest]
        kinds = await desk.rows(
            "SELECT s.hash, p.state FROM range_proofs p"
            " JOIN committed_seals s ON s.id = p.seal_id"
        )
        assert {h for h, state in kinds if state == "failed"} == {day.digest}
        assert {state for h, state in kinds if h != day.digest} == {"verified"}


async def test_another_meters_proof_and_another_days_prove_nothing(
    tmp_path: Path,
) -> None:
    one, two = committed_device(1), committed_device(2)
    async with audited(tmp_path, one, two) as desk:
        first, other = one.tell([5]), two.tell([5])
        second = one.day([5])
        stolen = one.with_proof(second, other.seal.envelope.parcel.proof)
        one.answered(stolen)
        third = one.day([5])
        stale = one.with_proof(third, first.seal.envelope.parcel.proof)
        days = [first, other, stolen, stale]
        await desk.take(*(day.by("pi-1") for day in days))
        assert set(await checked(desk)) == {stolen.digest, stale.digest}


async def test_two_proofs_swapped_between_days_both_fail(tmp_path: Path) -> None:
    """What one lacks the other has: weights drawn afresh keep them from cancelling."""
    one, two = committed_device(1), committed_device(2)
    async with audited(tmp_path, one, two) as desk:
        a, b = one.day([5]), two.day([5])
        mine, other = (d.seal.envelope.parcel.proof for d in (a, b))
        days = [one.with_proof(a, other), two.with_proof(b, mine)]
        await desk.take(*(day.by("pi-1") for day in days))
        assert set(await checked(desk)) == {a.digest, b.digest}


async def test_a_failed_day_is_evidence_and_answered_proof_ever_after(
    tmp_path: Path,
) -> None:
    one = committed_device()
    async with audited(tmp_path, one) as desk:
        day = flipped(one, one.day(SLOTS), 0)
        assert await desk.answers(day.by("pi-1")) == {day.digest: "durable"}
        one.answered(day)
        following = one.tell([1])
        await desk.take(following.by("pi-1"))
        await checked(desk)
        assert await desk.answers(day.by("pi-1")) == {day.digest: "proof"}
        assert await desk.answers(following.by("pi-1")) == {following.digest: "durable"}
        kept = await desk.rows("SELECT reason, chained, hash, seq FROM quarantine")
        assert kept == [(Reason.PROOF, 1, day.digest, 1)]
        counted = await desk.rows("SELECT agent, reason, seen, kept FROM refusals")
        assert counted == [("pi-1", Reason.PROOF, 1, 1)]
        assert await desk.count("log_entries") == 2


async def test_the_next_revision_of_a_failed_day_is_taken_and_verified(
    tmp_path: Path,
) -> None:
    one = committed_device()
    async with audited(tmp_path, one) as desk:
        bad = flipped(one, one.day(SLOTS), 0)
        one.answered(bad)
        await desk.take(bad.by("pi-1"), one.tell([1]).by("pi-1"))
        assert await checked(desk) == [bad.digest]
        again = one.day(SLOTS, BEGAN_AT, 1)
        assert await desk.answers(again.by("pi-1")) == {again.digest: "durable"}
        one.answered(again)
        assert await checked(desk) == []
        assert await states(desk) == ["failed", "verified", "verified"]
        assert await desk.answers(one.tell([2]).by("pi-1")) != {}


async def test_an_agent_is_told_once_an_hour_until_it_tells_the_day_again(
    tmp_path: Path,
) -> None:
    one, two = committed_device(1), committed_device(2, agent="pi-2")
    async with audited(tmp_path, one, two) as desk:
        bad = [flipped(d, d.day(SLOTS), 0) for d in (one, two)]
        for device, day in zip((one, two), bad, strict=True):
            device.answered(day)
            await desk.take(day.by(device.agent))
        line = Line("pi-1")
        assert await told(desk, line) == 0
        await checked(desk)
        assert await told(desk, line) == 1
        ((agent, receipt),) = line.heard
        assert agent == receipt.agent == "pi-1"
        assert [(r.hash, r.reason) for r in receipt.refused] == [
            (bad[0].digest, Reason.PROOF)
        ]
        assert await told(desk, line) == 0
        line.there.add("pi-2")
        assert await told(desk, line) == 1
        desk.now += TELL_AGAIN_S
        assert await told(desk, line) == 2
        again = one.day(SLOTS, BEGAN_AT, 1)
        await desk.take(again.by("pi-1"))
        desk.now += TELL_AGAIN_S
        assert await told(desk, line) == 1
        assert line.heard[-1][0] == "pi-2"


async def test_a_crash_between_check_and_write_leaves_proofs_pending(
    tmp_path: Path,
) -> None:
    one = committed_device()
    async with audited(tmp_path, one) as desk:
        day = flipped(one, one.day(SLOTS), 0)
        await desk.take(day.by("pi-1"))

        async def crash(*_: object) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            await proofs.run_once(desk.database, GENESIS, 1, crash)
        assert await states(desk) == ["pending"]
        assert await checked(desk) == [day.digest]
        assert await states(desk) == ["failed"]


async def test_a_verdict_is_given_once(tmp_path: Path) -> None:
    one = committed_device()
    async with front_desk(tmp_path, [one]) as desk:
        await desk.take(one.tell(SLOTS).by("pi-1"))
        await checked(desk)
        for change in ("state = 'failed'", "checked_at = 7", "proof = x'00'"):
            async with desk.database.transaction() as tx:
                with pytest.raises(Exception, match="judged once"):
                    await tx.rows(f"UPDATE range_proofs SET {change}")  # noqa: S608 - the test's own words


MEDDLING = {
    "a commitment is changed": "UPDATE commitments SET points = zeroblob(132)",
    "a quality is changed": "UPDATE commitments SET qualities = x'0e0e0e0e'",
    "a signature rots": "UPDATE committed_seals SET signature = zeroblob(64)",
    "a day is moved": "UPDATE committed_seals SET first = first + 900",
    "a sum is another": "UPDATE committed_seals SET sum = zeroblob(33)",
    "a revision is another": "UPDATE committed_seals SET revision = 3",
    "a head is further than the days": "UPDATE heads SET end_at = end_at + 900",
    "a day is lost": "DELETE FROM committed_seals WHERE seq = 1",
}


@pytest.mark.parametrize("sql", MEDDLING.values(), ids=MEDDLING.keys())
async def test_the_audit_finds_what_was_meddled_with(tmp_path: Path, sql: str) -> None:
    one = committed_device()
    async with front_desk(tmp_path, [one]) as desk:
        days = [one.tell(SLOTS), one.tell(SLOTS)]
        await desk.take(*(day.by("pi-1") for day in days))
        async with desk.database.transaction() as tx:
            await tx.rows("PRAGMA defer_foreign_keys = ON")
            for name in (
                *("committed_seals_are_never_changed", "commitments_are_never_changed"),
                *("committed_seals_are_never_deleted", "heads_only_go_forward"),
            ):
                await tx.rows(f"DROP TRIGGER {name}")
            if sql.startswith("DELETE"):
                for table in ("range_proofs", "backups", "masked_openings"):
                    if table == "range_proofs":
                        await tx.rows("DROP TRIGGER range_proofs_are_never_deleted")
                    await tx.rows(f"DELETE FROM {table} WHERE seal_id = 1")  # noqa: S608 - the test's own words
                await tx.rows("DELETE FROM commitments WHERE seal_id = 1")
            await tx.rows(sql)
        assert not all(await _audit(desk))


async def _audit(desk: FrontDesk) -> Sequence[bool]:
    async with desk.database.reading() as tx:
        found = await check.findings(tx, GENESIS)
        found += await intake_check.findings(tx, GENESIS)
    return [finding.ok for finding in found]


def test_a_day_is_bound_to_its_envelope_by_the_seal_key_alone() -> None:
    """Whoever forwards a day cannot blame its device with another proof."""
    one, two = committed_device(1), committed_device(2)
    day = one.day([5])
    forged = replace(two, meter=one.meter).with_proof(day, bytes(360))
    parcel = forged.seal.envelope.parcel
    digest = parcel.digest(day.digest)
    assert not one.key.public.verify(digest, forged.seal.envelope.signature)
