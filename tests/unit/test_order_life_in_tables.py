"""The database holds the same table of an order's life as the rule does."""

import sqlite3
from collections.abc import AsyncIterator
from itertools import product
from pathlib import Path

import pytest

from meterseal_aggregator.market.lifecycle import MOVES, State
from tests.support.stall import Stall, open_stall

BEFORE_MONEY = {State.RESERVED, State.RELEASED, State.EXPIRED}


@pytest.fixture
async def stall(tmp_path: Path) -> AsyncIterator[Stall]:
    async with open_stall(tmp_path) as opened:
        await opened.offer({3: 500})
        yield opened


async def _write(stall: Stall, number: int, state: State) -> None:
    """Put an order down in a state, whichever way it came there."""
    confirmed = None if state in BEFORE_MONEY else 1
    async with stall.database.transaction() as tx:
        await tx.rows(
            "INSERT INTO orders (id, offer_id, buyer_id, seller_id, rail, state, wh,"
            " request_key, reserved_at, confirmed_at)"
            " VALUES (?, 1, ?, ?, 'ledger', ?, 1, ?, 1, ?)",
            (number, stall.buyers[0], stall.seller, state.value, f"k{number}", confirmed),
        )  # fmt: skip


async def _moves(stall: Stall, number: int, to: State) -> bool:
    confirmed = None if to in BEFORE_MONEY else 1
    try:
        async with stall.database.transaction() as tx:
            await tx.rows(
                "UPDATE orders SET state = ?, confirmed_at = ? WHERE id = ?",
                (to.value, confirmed, number),
            )
    except sqlite3.IntegrityError as error:
        assert "an order cannot go there" in str(error)
        return False
    return True


async def test_an_order_goes_where_the_table_says_and_nowhere_else(
    stall: Stall,
) -> None:
    for number, (state, to) in enumerate(product(State, State), 1):
        await _write(stall, number, state)
        legal = to in MOVES[state].values()
        assert await _moves(stall, number, to) is legal, (state, to)


async def test_the_schema_knows_every_state_and_no_other(stall: Stall) -> None:
    await _write(stall, 1, State.RESERVED)
    with pytest.raises(sqlite3.IntegrityError):
        async with stall.database.transaction() as tx:
            await tx.rows(
                "INSERT INTO orders (id, offer_id, buyer_id, seller_id, rail, state,"
                " wh, request_key, reserved_at, confirmed_at) SELECT 2, offer_id,"
                " buyer_id, seller_id, rail, 'lost', wh, 'k2', reserved_at, 1 FROM orders"
            )


CHANGES = {
    "UPDATE orders SET wh = wh + 1": "cannot go there",
    "UPDATE orders SET buyer_id = 3": "cannot go there",
    "DELETE FROM orders": "never deleted",
    "UPDATE order_slots SET wh = wh + 1": "never changed",
    "DELETE FROM order_slots": "never changed",
    "UPDATE offers SET price = price + 1000": "only be withdrawn",
    "DELETE FROM offers": "never deleted",
    "UPDATE offer_slots SET wh = wh + 1": "closed slot",
    "UPDATE offer_slots SET claimed_wh = wh + 1": "CHECK constraint",
    "UPDATE offer_slots SET claimed_wh = -1": "CHECK constraint",
    "DELETE FROM offer_slots": "never deleted",
    "UPDATE order_cancellations SET wh = wh + 1": "stays cancelled",
    "DELETE FROM order_cancellations": "stays cancelled",
}


@pytest.mark.parametrize("change", CHANGES)
async def test_what_was_offered_and_ordered_is_never_rewritten(
    stall: Stall, change: str
) -> None:
    order = await stall.bought(stall.buyers[0], 1, {3: 200})
    await stall.cancel(stall.buyers[0], order.id)
    with pytest.raises(sqlite3.IntegrityError, match=CHANGES[change]):
        async with stall.database.transaction() as tx:
            await tx.rows(change)


async def test_a_closed_slot_is_not_claimed_again(stall: Stall) -> None:
    await stall.withdraw(1)
    with pytest.raises(sqlite3.IntegrityError, match="not claimed again"):
        async with stall.database.transaction() as tx:
            await tx.rows("UPDATE offer_slots SET claimed_wh = 1")
