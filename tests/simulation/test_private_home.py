"""A private home's week through real intake and real proof checking, killed at every step.

The sampler's records become days, days become commitments and proofs, intake receipts
them as pending, the privacy room verifies them. Before every single step the agent loses
all that is not on disk.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from meterseal_agent.seal.prover import proof_of, to_bytes
from meterseal_aggregator.intake.failed import set_aside
from meterseal_aggregator.privacy import proofs
from meterseal_aggregator.privacy.telling import TELL_AGAIN_S, tell_failures
from meterseal_proto import backup
from meterseal_proto.committed_message import decode_committed
from meterseal_proto.receipt import open_receipt
from meterseal_proto.units import IMPORT, Quality
from tests.support.boxes import KEYS
from tests.support.devices import BEGAN_AT, GENESIS
from tests.support.disclosure import in_message
from tests.support.frontdesk import RECEIPT_KEY, FrontDesk, front_desk
from tests.support.private_home import (
    AGENT,
    DAY_S,
    METER,
    STEP,
    PrivateHome,
    home,
    midnight,
    private_device,
    readings,
)

DAYS = 7
FIRST = (midnight(BEGAN_AT) - BEGAN_AT) // STEP
SLOTS = FIRST + DAYS * 96
USAGE = [(n * 7919) % 2_000 for n in range(SLOTS + 1)]
MISSED = range(FIRST + 40, FIRST + 50)
"""Slots at whose ends the meter did not answer."""


async def week(one: PrivateHome, desk: FrontDesk) -> list[bytes]:
    """Live day by day, killed between any two steps; returns what was sent."""
    told, shown = [], readings(USAGE)
    for day in range(DAYS + 1):
        upto = midnight(BEGAN_AT) + day * DAY_S
        since = upto - DAY_S if day else 0
        one.read([s for s in shown if since < s[0] <= upto and answered(s[0])])
        now = upto + DAY_S // 4
        one.kill()
        one.committer.cut()
        one.kill()
        one.prove()
        one.kill()
        (stored,) = one.due(now)
        told.append(stored.payload)
        desk.now = now
        lost = await desk.deliver(AGENT, [stored.payload])
        one.kill()
        assert len(lost) == 1
        (stored,) = one.due(now)
        assert stored.payload == told[-1], "the same bytes, whatever was lost"
        one.take(await desk.deliver(AGENT, [stored.payload]), now)
        one.kill()
        assert one.due(now) == []
    return told


def answered(at: int) -> bool:
    return (at - BEGAN_AT) // STEP - 1 not in MISSED


async def states(desk: FrontDesk) -> list[tuple[int, int, str]]:
    rows = await desk.rows(
        "SELECT s.first, s.count, p.state FROM committed_seals s"
        " JOIN range_proofs p ON p.seal_id = s.id ORDER BY s.first"
    )
    return [(first, count, state) for first, count, state in rows]


async def verified(desk: FrontDesk) -> None:
    async with asyncio.timeout(300):
        now = int(desk.now)
        while (await proofs.run_once(desk.database, GENESIS, now, set_aside)).count:
            pass


def brought_back(told: Sequence[bytes]) -> list[int | None]:
    """Return what the device's own backups hold."""
    found: list[int | None] = []
    for payload in told:
        seal = decode_committed(payload, GENESIS.network)
        header = seal.header
        place = backup.Day(
            *(header.network, METER, IMPORT, header.first, STEP, header.seq)
        )
        kept = seal.envelope.parcel.backup
        found += backup.bring_back(KEYS.root.store_key, place, kept)
    return found


async def test_a_week_is_pending_then_verified_and_nothing_is_lost(
    tmp_path: Path,
) -> None:
    device = private_device()
    async with front_desk(tmp_path, [device]) as desk:
        with home(tmp_path / "home", device=device) as one:
            told = await week(one, desk)
            assert one.kills == 5 * (DAYS + 1)
        assert {state for _, _, state in await states(desk)} == {"pending"}
        await verified(desk)
        assert [state for _, _, state in await states(desk)] == ["verified"] * (
            DAYS + 1
        )
    assert len({len(payload) for payload in told[1:]}) == 1
    shown = {value for _, value in readings(USAGE)}
    for payload in told:
        assert in_message({*USAGE, *shown} - {STEP}, payload) == []
    values = brought_back(told)
    assert len(values) == SLOTS
    assert sum(value or 0 for value in values) == sum(USAGE[:SLOTS])
    hole = slice(MISSED.start, MISSED.stop)
    assert values[hole] == [None] * len(MISSED)
    whole = sum(USAGE[MISSED.start : MISSED.stop + 1])
    assert values[MISSED.stop] == whole
    record = decode_committed(told[1], GENESIS.network).records[MISSED.stop - FIRST]
    assert record.quality == Quality.QUESTIONABLE


async def test_a_day_whose_proof_did_not_hold_is_told_again_and_verified(
    tmp_path: Path,
) -> None:
    device, upto = private_device(), midnight(BEGAN_AT)
    async with front_desk(tmp_path, [device]) as desk:
        with home(tmp_path / "home", device=device) as one:
            one.read([s for s in readings(USAGE) if s[0] <= upto + DAY_S])
            now = int(desk.now)
            one.committer.cut()
            job = one.committer.next_job()
            assert job is not None
            proof = bytearray(proof_of(to_bytes(job)))
            proof[-1] ^= 1
            one.committer.proved(job, bytes(proof))
            await delivered(one, desk, upto + DAY_S // 4)
            assert one.committer.cut() == 1, "the next day goes on meanwhile"
            one.prove()
            await verified(desk)
            assert [state for _, _, state in await states(desk)] == ["failed"]
            for _ in range(2):
                await tell_again(one, desk)
                one.kill()
            assert one.committer.cut() == 0, "one day at a time"
            await delivered(one, desk, now + 2 * DAY_S)
            one.kill()
            assert one.committer.cut() == 1
            one.prove()
            (again,) = one.due(now + 2 * DAY_S)
            seal = decode_committed(again.payload, GENESIS.network)
            assert (seal.header.first, seal.header.seq) == (BEGAN_AT, 3)
            assert seal.revision == 1
            await delivered(one, desk, now + 2 * DAY_S)
            await verified(desk)
            assert one.committer.cut() == 0
            (chain,) = one.outbox.chains()
            assert (chain.head.end, chain.tried) == (upto + DAY_S, 0)
        assert [state for _, _, state in await states(desk)] == [
            *("failed", "verified", "verified")
        ]


async def delivered(one: PrivateHome, desk: FrontDesk, now: int) -> None:
    desk.now = now
    (stored,) = one.due(now)
    one.take(await desk.deliver(AGENT, [stored.payload]), now)


async def tell_again(one: PrivateHome, desk: FrontDesk) -> None:
    """Let the privacy room tell the home of its failed day, an hour after the last time."""
    said: list[bytes] = []
    desk.now += TELL_AGAIN_S

    def tell(_agent: str, payload: bytes) -> bool:
        said.append(payload)
        return True

    now = int(desk.now)
    await tell_failures(desk.database, GENESIS.network, RECEIPT_KEY, tell, now)
    one.take([open_receipt(payload, RECEIPT_KEY.public_key()) for payload in said], now)
