"""Laws of the fixed-price lane: whatever members wish in whatever order, books agree.

Sellers and buyers offer, withdraw, order, confirm, release and cancel; slots
begin, reservations end, the power goes at any step and the wish comes again. A plain count
says beforehand how each act ends and why. After each: what is claimed is what open orders
have, what is promised is what offers and orders owe, no Wh is sold twice, the money held is
what confirmed trades cost, and no order is there in part.

Seen to fail: when a slot's claim is not checked; when a seller may buy from himself or in a
slot he sells; when what is released or cancelled is not given back, or is given back twice;
when closing a slot releases its claimed Wh too; when a withdrawn offer's slots stay open;
when a cancellation is not remembered by its key; when a confirmation comes twice.
"""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterseal_aggregator.ledger import check as ledger_check
from meterseal_aggregator.ledger.model import AccountCode
from meterseal_aggregator.market.model import Cause
from tests.support.marketplace import account, slot
from tests.support.offer_history import PEOPLE, SLOTS, Act, History
from tests.support.seed import NIGHTS, SEED
from tests.support.stall import PRICE

KINDS = (
    *("offer", "withdraw", "release", "expire", "wait", "wait", "wait"),
    *("reserve", "reserve", "reserve", "reserve", "reserve", "reserve"),
    *("confirm", "confirm", "confirm", "confirm"),
    *("cancel", "cancel", "cancel", "refuse", "refuse"),
)
SIZES = (0, 0, 0, 1, 2, 7)
OPENING = (Act("offer", 0, 0, (7, 7, 7, 7), None),)
ACTS = st.lists(
    st.builds(
        Act,
        st.sampled_from(KINDS),
        st.integers(0, PEOPLE - 1),
        st.integers(0, 15),
        st.tuples(*[st.sampled_from(SIZES)] * SLOTS),
        st.none() | st.integers(0, 3),
    ),
    min_size=15,
    max_size=50,
)


async def _claims_agree(history: History) -> None:
    """What the rows of offers and slots say is what the count says."""
    count = history.count
    for number, counted in enumerate(count.offers, 1):
        offer = await history.stall.offered(number)
        claimed: Counter[int] = Counter()
        for order in count.orders:
            if order.offer == number - 1 and order.state in ("reserved", "confirmed"):
                claimed.update(order.left)
        for at, wh in counted.wh.items():
            row = offer.slots[slot(at)]
            assert row.claimed_wh == claimed[at] <= wh == row.wh
            assert (row.closed_at is None) == (at in counted.left)
            assert row.left_wh == counted.left.get(at, 0)
    for seller, point in enumerate(history.points):
        promised = await history.stall.promised(point)
        for at, wh in promised.items():
            assert wh == count.promised(seller, at)


async def _orders_agree(history: History) -> None:
    """No order is there in part: its trades are all of its slots, or none."""
    async with history.database.reading() as tx:
        rows = await tx.rows("SELECT order_id, start, wh, state FROM trades")
    trades: dict[int, dict[int, tuple[int, str]]] = defaultdict(dict)
    for order, start, wh, state in rows:
        trades[order][start] = (wh, state)
    for number, counted in enumerate(history.count.orders, 1):
        order = await history.stall.seen(number)
        assert order.state.value == counted.state
        assert (order.wh, sum(order.slots.values())) == (counted.total, counted.total)
        whole = {
            slot(at): (wh, "held" if at in counted.left else "cancelled")
            for at, wh in counted.wh.items()
        }
        made = counted.state in ("confirmed", "cancelled")
        assert trades.get(number, {}) == (whole if made else {})


async def _money_agrees(history: History) -> None:
    """Each purse is as counted, and what is held is what held trades cost."""
    held = 0
    for who in range(PEOPLE):
        assert await history.stall.purse(who + 1) == history.count.purse[who]
        assert await history.stall.score(who + 1) == history.count.score[who]
    async with history.database.reading() as tx:
        rows = await tx.rows("SELECT id, wh FROM trades WHERE state = 'held'")
        for trade, wh in rows:
            escrow = await account(tx, AccountCode(f"escrow:trade-{trade}"))
            assert escrow is not None
            assert escrow.credits_pending == wh * PRICE // 1_000
            held += escrow.credits_pending
        ((waiting,),) = await tx.rows(
            "SELECT coalesce(sum(t.amount), 0) FROM ledger_holds h"
            " JOIN ledger_transfers t ON t.id = h.transfer_id WHERE h.state = 0"
        )
    assert waiting == held


async def _nobody_is_on_both_sides(history: History) -> None:
    async with history.database.reading() as tx:
        rows = await tx.rows(
            "SELECT 1 FROM slot_sales p JOIN order_slots s ON s.start = p.start"
            " JOIN orders o ON o.id = s.order_id AND o.buyer_id = p.seller_id"
            " LEFT JOIN trades t ON t.order_id = o.id AND t.start = s.start"
            " WHERE p.promised_wh > 0 AND (o.state = 'reserved'"
            "   OR (o.state = 'confirmed' AND t.state = 'held'))"
        )
    assert rows == []


async def _live(acts: Sequence[Act]) -> History:
    history = await History.begin()
    try:
        for act in acts:
            await history.do(act)
            await _claims_agree(history)
            await _orders_agree(history)
            await _money_agrees(history)
            await _nobody_is_on_both_sides(history)
        async with history.database.reading() as tx:
            bad = [one for one in await ledger_check.findings(tx) if not one.ok]
        assert not bad, bad
    finally:
        await history.database.close()
    return history


@pytest.mark.deep
@given(ACTS)
@settings(max_examples=60 * NIGHTS, deadline=None)
def test_no_wh_is_sold_twice_and_no_order_is_there_in_part(acts: list[Act]) -> None:
    asyncio.run(_live([*OPENING, *acts]))


async def _ends(seed: int) -> Counter[tuple[str, Cause | None]]:
    chance = random.Random(seed)
    acts = [
        Act(
            chance.choice(KINDS),
            chance.randrange(PEOPLE),
            chance.randrange(16),
            tuple(chance.choice(SIZES) for _ in range(SLOTS)),
            chance.choice((None, 0, 1, 2, 3)),
        )
        for _ in range(80)
    ]
    return (await _live([*OPENING, *acts])).ends


EVERY_END = {
    ("offer", None), ("offer", Cause.TOO_LATE), ("offer", Cause.BOTH_SIDES),
    ("withdraw", None),
    ("reserve", None), ("reserve", Cause.SELF_TRADE), ("reserve", Cause.SOLD_OUT),
    ("reserve", Cause.TOO_LATE), ("reserve", Cause.BOTH_SIDES),
    ("reserve", Cause.LOW_TRUST), ("reserve", Cause.SLOT),
    ("confirm", None), ("confirm", Cause.EXPIRED), ("confirm", Cause.STATE),
    ("confirm", Cause.TOO_LATE), ("confirm", Cause.FUNDS),
    ("release", None), ("release", Cause.STATE),
    ("cancel", None), ("cancel", Cause.STATE), ("cancel", Cause.SLOT),
    ("cancel", Cause.TOO_LATE),
    ("refuse", None), ("refuse", Cause.STATE), ("refuse", Cause.SLOT),
    ("refuse", Cause.TOO_LATE),
}  # fmt: skip


NONE = (0,) * SLOTS
A_MINUTE_LATE = (
    *OPENING,
    Act("wait", 0, 7, NONE, None),
    Act("wait", 0, 6, NONE, None),
    Act("reserve", 2, 0, (1, 0, 0, 0), None),
    Act("wait", 0, 3, NONE, None),
    Act("confirm", 0, 0, NONE, None),
)
"""What chance seldom does: a slot begins within the ten minutes of a reservation."""


@pytest.mark.deep
def test_histories_meet_every_end_an_act_may_have() -> None:
    ends = asyncio.run(_live(A_MINUTE_LATE)).ends
    for seed in range(60 * NIGHTS):
        ends += asyncio.run(_ends(SEED + seed))
    assert ends.keys() - {("reserve", Cause.FULL)} == EVERY_END
