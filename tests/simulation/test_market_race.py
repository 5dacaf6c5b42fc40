"""Many buyers at once and a process that dies: nobody gets half an order, no Wh is sold twice.

Fifty clients want five blocks each of a hundred; a block is 1,000 Wh. The aggregator is a
real process, killed and started again while they ask; who is not answered asks again under
the same key.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.killable_market import (
    PRICE,
    PURSE,
    Client,
    Json,
    ServedMarket,
    a_served_market,
    clients,
    slots_ahead,
)
from tests.support.seed import SEED, WHOLE

BUYERS = 50
BLOCK_WH = 1_000
SLOTS = 5
"""Each buyer wants a block of every slot: all five or none."""
BLOCKS_A_SLOT = 20
WINNERS = BLOCKS_A_SLOT
ROUNDS = 20 if WHOLE else 5
PAIRS = 40


@pytest.fixture
def market(tmp_path: Path) -> Iterator[ServedMarket]:
    with a_served_market(tmp_path, BUYERS) as served:
        yield served


def _wish(offer: int, starts: list[int]) -> Json:
    return {
        "offer": offer,
        "slots": [{"start": start, "wh": BLOCK_WH} for start in starts],
    }


async def _offer(sol: Client, starts: list[int]) -> int:
    wish = {
        "meter_point": sol.market.point,
        "price_micro_per_kwh": PRICE,
        "slots": [{"start": start, "wh": BLOCKS_A_SLOT * BLOCK_WH} for start in starts],
    }
    status, made = await sol.post("/v1/offers", wish, "hundred-blocks")
    assert status == 201, made
    return int(made["id"])


async def _buy(client: Client, wish: Json, key: str) -> tuple[int, int]:
    """Reserve and confirm; returns the status that ended it, and the order."""
    status, made = await client.post("/v1/orders", wish, key)
    if status != 201:
        assert made["type"].endswith(":sold-out"), made
        return status, 0
    status, done = await client.post(f"/v1/orders/{made['id']}/confirmation")
    assert status == 200, done
    return status, int(made["id"])


async def _left(client: Client, offer: int) -> set[int]:
    shown = await client.get(f"/v1/offers/{offer}")
    return {slot["left_wh"] for slot in shown["slots"]}


def _held(market: ServedMarket) -> int:
    """Micro-units that wait in the holds of trades."""
    ((held,),) = market.rows(
        "SELECT coalesce(sum(t.amount), 0) FROM ledger_holds h"
        " JOIN ledger_transfers t ON t.id = h.transfer_id WHERE h.state = 0"
    )
    return int(held)


def _whole(market: ServedMarket, orders: list[int]) -> None:
    """Assert that each order has every slot, each with its trade, and no other has any."""
    trades = Counter(
        order
        for (order,) in market.rows("SELECT order_id FROM trades WHERE state = 'held'")
    )
    assert trades == dict.fromkeys(orders, SLOTS)
    slots = dict(market.rows("SELECT order_id, count(*) FROM order_slots GROUP BY 1"))
    assert set(slots.values()) <= {SLOTS}
    claimed = market.rows("SELECT DISTINCT claimed_wh FROM offer_slots")
    assert claimed == [(len(orders) * BLOCK_WH,)]


async def _round(
    market: ServedMarket, everybody: list[Client], wish: Json, number: int
) -> None:
    """Let everybody buy at once and the winners cancel, with a kill in each half."""
    chance = random.Random(f"{SEED} {number}")
    sol, buyers = everybody[0], everybody[1:]
    told = asyncio.gather(*(_buy(one, wish, f"buy-{number}") for one in buyers))
    await market.kill_after(chance.uniform(0.01, 0.6))
    answers = await told
    won = {
        one.who: order for one, (_, order) in zip(buyers, answers, strict=True) if order
    }
    assert len(won) == WINNERS
    assert Counter(status for status, _ in answers) == {
        200: WINNERS,
        409: BUYERS - WINNERS,
    }
    assert await _left(sol, wish["offer"]) == {0}
    _whole(market, list(won.values()))
    assert _held(market) == WINNERS * SLOTS * BLOCK_WH * PRICE // 1_000

    back = asyncio.gather(
        *(
            one.post(f"/v1/orders/{won[one.who]}/cancellation", {}, f"back-{number}")
            for one in buyers
            if one.who in won
        )
    )
    await market.kill_after(chance.uniform(0.01, 0.2))
    assert {(status, body["state"]) for status, body in await back} == {
        (200, "cancelled")
    }
    assert await _left(sol, wish["offer"]) == {BLOCKS_A_SLOT * BLOCK_WH}
    assert _held(market) == 0


async def test_fifty_buyers_of_a_hundred_blocks_leave_twenty_winners(
    market: ServedMarket,
) -> None:
    starts = slots_ahead(SLOTS)
    async with clients(market, ["sol", *market.buyers]) as everybody:
        wish = _wish(await _offer(everybody[0], starts), starts)
        for number in range(ROUNDS):
            await _round(market, everybody, wish, number)
        again = sum(one.sent_again for one in everybody)
        purses = market.rows(
            "SELECT DISTINCT credits_posted - debits_posted - debits_pending"
            " FROM ledger_accounts WHERE code LIKE 'user:%'"
        )
    assert market.kills == 2 * ROUNDS
    assert again > 0, "no kill ever cost an answer: it came too late"
    assert purses == [(PURSE,)]
    promised = market.rows("SELECT DISTINCT promised_wh FROM slot_sales")
    assert promised == [(BLOCKS_A_SLOT * BLOCK_WH,)]


async def test_of_confirm_and_release_exactly_one_wins(market: ServedMarket) -> None:
    """The buyer's two telephones: one confirms, the other lets the reservation go."""
    starts = slots_ahead(SLOTS)
    ends: Counter[str] = Counter()
    async with clients(market, ["sol", "buyer-0", "buyer-0"]) as (sol, one, other):
        offer = await _offer(sol, starts)
        for number in range(PAIRS):
            # Nobody may let go of one offer again and again.
            one.who = other.who = market.buyers[number]
            _, made = await one.post("/v1/orders", _wish(offer, starts), f"o{number}")
            path = f"/v1/orders/{made['id']}"
            asks = [one.post(f"{path}/confirmation"), other.post(f"{path}/release")]
            if number % 2:
                asks.reverse()
            statuses = [status for status, _ in await asyncio.gather(*asks)]
            assert sorted(statuses) == [200, 409]
            end = (await sol.get(path))["state"]
            ends[end] += 1
            held = SLOTS * BLOCK_WH * PRICE // 1_000 if end == "confirmed" else 0
            assert _held(market) == held
            if held:
                await one.post(f"{path}/cancellation", {}, f"c{number}")
        assert await _left(sol, offer) == {BLOCKS_A_SLOT * BLOCK_WH}
    assert ends.total() == PAIRS


async def test_of_two_who_cancel_exactly_one_wins(market: ServedMarket) -> None:
    """Buyer and seller cancel the same order at once: one pays for it in trust."""
    starts = slots_ahead(SLOTS)
    async with clients(market, ["sol", *market.buyers[:WINNERS]]) as everybody:
        sol, buyers = everybody[0], everybody[1:]
        offer = await _offer(sol, starts)
        wish = _wish(offer, starts)
        orders = [(await _buy(one, wish, "buy"))[1] for one in buyers]
        for number, (buyer, order) in enumerate(zip(buyers, orders, strict=True)):
            path, key = f"/v1/orders/{order}/cancellation", f"c{number}"
            asks = [buyer.post(path, {}, key), sol.post(path, {}, key)]
            if number % 2:
                asks.reverse()
            statuses = [status for status, _ in await asyncio.gather(*asks)]
            assert sorted(statuses) == [200, 409]
        assert await _left(sol, offer) == {BLOCKS_A_SLOT * BLOCK_WH}
    assert _held(market) == 0
    changed = market.rows("SELECT subject, count(*) FROM trust_events GROUP BY subject")
    assert Counter(count for _, count in changed) == {1: WINNERS}
