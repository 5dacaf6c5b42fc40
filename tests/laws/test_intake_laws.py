"""Laws of intake: order, loss and repetition of messages do not matter, and energy adds up."""

import asyncio
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterseal_aggregator.intake import check
from meterseal_aggregator.intake.port import Incoming
from meterseal_proto import curve
from meterseal_proto.errors import Reason
from tests.support.devices import GENESIS, Device, Sent, device
from tests.support.frontdesk import FrontDesk, front_desk
from tests.support.lives import ACTS, Life
from tests.support.misdeeds import MISDEEDS, high_s

# Loaded here, for a library it tries raises the recursion limit, which hypothesis watches.
CURVE = curve.backend().name
AGENT = "pi-1"


async def _until_answered(
    desk: FrontDesk, real: list[Sent], noise: list[Incoming], chance: Random
) -> None:
    """Deliver in batches of any size; send again what the device knows to be unanswered.

    It knows its own signature, so a forged twin's refusal does not count for it.
    """
    unanswered = {Reason.OUT_OF_ORDER.text, Reason.BAD_SIGNATURE.text}
    said: dict[bytes, str] = {}
    for _ in range(len(real) + 1):
        waiting = [s for s in real if said.get(s.digest) in {None, *unanswered}]
        if not waiting:
            return
        queue = [*(sent.by(AGENT) for sent in waiting * 2), *noise]
        chance.shuffle(queue)
        while queue:
            size = chance.randint(1, 12)
            for digest, answer in (await desk.answers(*queue[:size])).items():
                if said.get(digest) in {None, *unanswered}:
                    said[digest] = answer
            del queue[:size]
    raise AssertionError("a message is never answered")


async def _state(lives: list[Life], noise: list[bytes], seed: int) -> bytes:
    """Return the state that all messages leave, in an order that `seed` chooses."""
    chance = Random(seed)
    real = [sent for life in lives for sent in life.sent]
    births = [device(int.from_bytes(life.device.meter)) for life in lives]
    bad = [Incoming(AGENT, payload, None) for payload in noise]
    with TemporaryDirectory() as folder:
        async with front_desk(Path(folder), births) as desk:
            await _until_answered(desk, real, bad, chance)
            await _adds_up(desk, lives, births)
            async with desk.database.reading() as tx:
                found = await check.findings(tx, GENESIS)
                assert all(finding.ok for finding in found), found
                return await check.state_hash(tx)


async def _adds_up(desk: FrontDesk, lives: list[Life], births: list[Device]) -> None:
    for life, birth in zip(lives, births, strict=True):
        row = (birth.register_id,)
        ((total,),) = await desk.rows(
            "SELECT coalesce(sum(delta), 0) FROM readings WHERE register_id = ?", row
        )
        ((jumped,),) = await desk.rows(
            "SELECT coalesce(sum(to_value - from_value), 0) FROM register_steps"
            " WHERE register_id = ?",
            row,
        )
        assert (total, jumped) == (life.accepted_wh, life.jumped_wh)
        assert life.device.head.value == birth.start.value + total + jumped
        heads = await desk.rows("SELECT * FROM heads WHERE register_id = ?", row)
        head = life.device.head
        expected = [(*row, head.seq, head.hash, head.end, head.value)]
        assert heads == (expected if life.sent else [])


@pytest.mark.deep
@given(
    st.lists(st.lists(st.sampled_from(ACTS), max_size=10), min_size=1, max_size=4),
    st.integers(0, 2**32),
)
@settings(max_examples=40, deadline=None)
def test_any_order_and_repetition_of_all_messages_leaves_the_same_state(
    acts: list[list[str]], seed: int
) -> None:
    lives = [Life(device(number)) for number in range(1, len(acts) + 1)]
    for life, story in zip(lives, acts, strict=True):
        life.live(story)
    noise = [high_s(sent) for life in lives for sent in life.sent[:2]]
    noise += [misdeed.act(device(77)) for misdeed in MISDEEDS[:14]]
    plain = asyncio.run(_state(lives, [], 0))
    assert asyncio.run(_state(lives, noise, seed)) == plain
