"""Wrong proofs cost their agent time, and nobody else: bounds on what one may make us do."""

from collections.abc import Sequence
from pathlib import Path

from meterseal_agent.seal.committer import MAX_REVISION
from meterseal_aggregator.intake.committed import LAST_REVISION
from meterseal_aggregator.intake.failed import set_aside
from meterseal_aggregator.privacy import proofs
from meterseal_aggregator.privacy.proofs import (
    FROM_ONE,
    REMEMBERED_S,
    WRONG_A_DAY,
)
from meterseal_aggregator.privacy.telling import A_TIME, tell_failures
from meterseal_proto.committed import statement_of
from meterseal_proto.errors import Reason
from meterseal_proto.rangechecker import Claim, failing
from meterseal_proto.rangeproof import proof_bytes
from meterseal_proto.receipt import MAX_ANSWERS, open_receipt
from tests.support.committed import CommittedDevice, Day, committed_device
from tests.support.devices import BEGAN_AT, GENESIS
from tests.support.frontdesk import RECEIPT_KEY, FrontDesk, front_desk

NOTHING = bytes(proof_bytes(16, 1))


def wrong(one: CommittedDevice, count: int) -> list[Day]:
    """Tell `count` days of a slot, none of which is proved."""
    found = []
    for _ in range(count):
        day = one.day([1], proof=NOTHING)
        one.answered(day)
        found.append(day)
    return found


async def send(desk: FrontDesk, agent: str, days: Sequence[Day]) -> None:
    said = await desk.answers(*(day.by(agent) for day in days))
    assert set(said.values()) == {"durable"}


async def run(desk: FrontDesk) -> tuple[int, int]:
    """Check once; returns how many days were checked and how many failed."""
    done = await proofs.run_once(desk.database, GENESIS, int(desk.now), set_aside)
    return done.count, len(done.failed)


async def states(desk: FrontDesk, device: CommittedDevice) -> dict[str, int]:
    rows = await desk.rows(
        "SELECT p.state, count(*) FROM range_proofs p JOIN committed_seals s"
        " ON s.id = p.seal_id WHERE s.register_id = ? GROUP BY 1",
        (device.register_id,),
    )
    return dict(rows)


async def test_after_a_wrong_proof_an_agents_days_are_checked_one_at_a_time(
    tmp_path: Path,
) -> None:
    bad, good = committed_device(1), committed_device(2, agent="pi-2")
    async with front_desk(tmp_path, [bad, good]) as desk:
        await send(desk, "pi-1", wrong(bad, 1))
        assert await run(desk) == (1, 1)
        await send(desk, "pi-1", [bad.tell([n]) for n in range(3)])
        await send(desk, "pi-2", [good.tell([n]) for n in range(3)])
        assert await run(desk) == (4, 0)
        assert await states(desk, good) == {"verified": 3}
        assert await states(desk, bad) == {"failed": 1, "verified": 1, "pending": 2}
        assert [await run(desk) for _ in range(3)] == [(1, 0), (1, 0), (0, 0)]
        assert await states(desk, bad) == {"failed": 1, "verified": 3}


async def test_one_agent_fills_a_quarter_of_a_batch(tmp_path: Path) -> None:
    bad, good = committed_device(1), committed_device(2, agent="pi-2")
    async with front_desk(tmp_path, [bad, good]) as desk:
        await send(desk, "pi-1", wrong(bad, FROM_ONE + 3))
        await send(desk, "pi-2", [good.tell([5])])
        assert await run(desk) == (FROM_ONE + 1, FROM_ONE)
        assert await states(desk, good) == {"verified": 1}


async def test_enough_wrong_proofs_a_day_make_an_agent_wait_and_no_other(
    tmp_path: Path,
) -> None:
    bad, good = committed_device(1), committed_device(2, agent="pi-2")
    async with front_desk(tmp_path, [bad, good]) as desk:
        await send(desk, "pi-1", wrong(bad, WRONG_A_DAY))
        assert await run(desk) == (WRONG_A_DAY, WRONG_A_DAY)
        honest = bad.tell([7])
        await send(desk, "pi-1", [honest])
        await send(desk, "pi-2", [good.tell([5])])
        assert await run(desk) == (1, 0)
        assert await run(desk) == (0, 0)
        assert (await states(desk, bad))["pending"] == 1
        desk.now += REMEMBERED_S
        assert await run(desk) == (1, 0)
        assert (await states(desk, bad))["verified"] == 1
        assert await desk.answers(honest.by("pi-1")) == {honest.digest: "durable"}


async def test_a_day_is_told_so_often_and_a_device_stops_long_before(
    tmp_path: Path,
) -> None:
    assert MAX_REVISION < LAST_REVISION
    one = committed_device()
    async with front_desk(tmp_path, [one]) as desk:
        for revision in range(LAST_REVISION + 1):
            day = one.day([1], BEGAN_AT, revision, NOTHING)
            one.answered(day)
            await send(desk, "pi-1", [day])
            assert await run(desk) == (1, 1)
        last = one.day([1], BEGAN_AT, LAST_REVISION + 1)
        assert await desk.answers(last.by("pi-1")) == {last.digest: "inconsistent"}
        one.answered(last, Reason.INCONSISTENT)
        following = one.day([1], BEGAN_AT + 900)
        assert await desk.answers(following.by("pi-1")) == {following.digest: "durable"}


def test_a_batch_of_wrong_proofs_is_told_apart_to_the_last_one() -> None:
    one = committed_device()
    days = wrong(one, 6)
    days[2:3] = [one.day([3])]
    claims = [
        Claim(
            statement_of(day.digest, one.bits, day.seal.records),
            day.seal.envelope.parcel.proof,
        )
        for day in days
    ]
    assert failing(claims) == [0, 1, 3, 4, 5]


async def test_the_failures_of_an_agent_that_is_away_keep_no_other_from_hearing(
    tmp_path: Path,
) -> None:
    away, there = committed_device(1), committed_device(2, agent="pi-2")
    async with front_desk(tmp_path, [away, there]) as desk:
        desk.now += 10 * REMEMBERED_S
        for _ in range(2):
            await send(desk, "pi-1", wrong(away, MAX_ANSWERS // 2 + 1))
        await send(desk, "pi-2", wrong(there, 1))
        async with desk.database.transaction() as tx:
            await tx.rows("UPDATE range_proofs SET state = 'failed', checked_at = 1")
        present = {"pi-2"}
        heard: list[tuple[str, int]] = []

        def tell(agent: str, payload: bytes) -> bool:
            refused = open_receipt(payload, RECEIPT_KEY.public_key()).refused
            heard.append((agent, len(refused)))
            return agent in present

        async def run_once() -> int:
            return await tell_failures(
                desk.database, GENESIS.network, RECEIPT_KEY, tell, int(desk.now)
            )

        assert await run_once() == 1
        assert ("pi-2", 1) in heard
        present.add("pi-1")
        heard.clear()
        while await run_once():
            pass
        assert {agent for agent, _ in heard} == {"pi-1"}
        assert sum(count for _, count in heard) == 2 * (MAX_ANSWERS // 2 + 1)
        assert max(count for _, count in heard) == A_TIME
