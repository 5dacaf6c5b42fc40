"""A stall in the market: a seller with an offer, buyers with money, and a clock to move.

    async with open_stall(tmp_path) as stall:
        offer = await stall.offer({0: 5_000})
        order = await stall.reserve(stall.buyers[0], offer.id, {0: 1_000})

Slots are named by their number in the traded day. Every deed is a transaction of its own,
as the API's routes make them.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from meterseal_aggregator.ledger.store import hold_states
from meterseal_aggregator.market import standing
from meterseal_aggregator.market.model import Cause, Declined
from meterseal_aggregator.market.offers import expire, order, orders, place, store
from meterseal_aggregator.market.offers.cancel import cancel
from meterseal_aggregator.market.offers.model import (
    NewCancellation,
    NewOffer,
    NewOrder,
    Offer,
    Order,
)
from meterseal_aggregator.market.terms import MarketRules
from meterseal_aggregator.storage.database import Database
from tests.support.marketplace import (
    DEMO,
    NOW,
    a_market,
    balance,
    declare,
    fund,
    make_member,
    make_point,
    slot,
)

PRICE = 150_000
PURSE = 10_000_000
"""Micro-units each buyer begins with: 66 kWh at PRICE."""
MONTHLY_WH = 5_000_000
"""What the seller says he makes a month; a tenth of it is his to promise."""


def slots(wh: Mapping[int, int]) -> dict[int, int]:
    """Wh by first second, of Wh by number of the slot."""
    return {slot(number): each for number, each in wh.items()}


@dataclass
class Stall:
    """The people and the moment; `rules` may be replaced."""

    database: Database
    seller: int = 0
    point: int = 0
    buyers: list[int] = field(default_factory=list)
    now: int = NOW
    rules: MarketRules = DEMO
    keys: int = 0

    def key(self) -> str:
        """A key nobody used."""
        self.keys += 1
        return f"key-{self.keys}"

    async def offer(
        self, wh: Mapping[int, int], price: int = PRICE, key: str | None = None
    ) -> Offer:
        """Let the seller offer Wh by the slot's number."""
        wish = NewOffer(self.seller, key or self.key(), self.point, price, slots(wh))
        return await self.place(wish)

    async def place(self, wish: NewOffer) -> Offer:
        async with self.database.transaction() as tx:
            return await place.place(tx, self.rules, wish, now=self.now)

    async def withdraw(self, offer: int, seller: int | None = None) -> Offer:
        async with self.database.transaction() as tx:
            return await place.withdraw(tx, seller or self.seller, offer, now=self.now)

    async def reserve(
        self, buyer: int, offer: int, wh: Mapping[int, int], key: str | None = None
    ) -> Order:
        """Let a buyer reserve Wh by the slot's number."""
        wish = NewOrder(buyer, key or self.key(), offer, slots(wh))
        async with self.database.transaction() as tx:
            return await order.reserve(tx, self.rules, wish, now=self.now)

    async def confirm(self, buyer: int, number: int) -> Order:
        async with self.database.transaction() as tx:
            return await order.confirm(tx, buyer, number, now=self.now)

    async def release(self, buyer: int, number: int) -> Order:
        async with self.database.transaction() as tx:
            return await order.release(tx, buyer, number, now=self.now)

    async def bought(self, buyer: int, offer: int, wh: Mapping[int, int]) -> Order:
        """Let a buyer reserve and confirm."""
        made = await self.reserve(buyer, offer, wh)
        return await self.confirm(buyer, made.id)

    async def cancel(
        self, member: int, number: int, *which: int, key: str | None = None
    ) -> Order:
        """Let a member cancel slots by number, or all without any."""
        starts = frozenset(slot(one) for one in which) if which else None
        wish = NewCancellation(member, key or self.key(), number, starts)
        async with self.database.transaction() as tx:
            return await cancel(tx, self.rules, wish, now=self.now)

    async def expire(self) -> int:
        return await expire.run_once(self.database, self.now)

    async def seen(self, number: int) -> Order:
        """The order as it stands."""
        async with self.database.reading() as tx:
            found = await orders.one(tx, number)
        assert found is not None
        return found

    async def offered(self, number: int) -> Offer:
        """The offer as it stands."""
        async with self.database.reading() as tx:
            found = await store.one(tx, number)
        assert found is not None
        return found

    async def left(self, offer: int) -> dict[int, int]:
        """What may still be ordered, by the slot's number."""
        found = (await self.offered(offer)).slots.values()
        return {(one.start - slot(0)) // 900: one.left_wh for one in found}

    async def promised(self, point: int | None = None) -> dict[int, int]:
        """What is promised of the meter point, by the slot's number."""
        async with self.database.reading() as tx:
            rows = await tx.rows(
                "SELECT start, promised_wh FROM slot_sales WHERE meter_point_id = ?"
                " ORDER BY start",
                (point or self.point,),
            )
        return {(start - slot(0)) // 900: wh for start, wh in rows}

    async def purse(self, member: int) -> int:
        """What a member may spend."""
        async with self.database.reading() as tx:
            return await balance(tx, member)

    async def open_holds(self) -> int:
        """How many holds of the ledger stand."""
        async with self.database.reading() as tx:
            states = await hold_states(tx)
        return sum(state.value == 0 for state in states.values())

    async def score(self, member: int) -> int:
        """A member's trust."""
        async with self.database.reading() as tx:
            return await standing.score(tx, self.rules.trust, member)

    async def set_score(self, member: int, score: int) -> None:
        async with self.database.transaction() as tx:
            await tx.many(
                "INSERT INTO trust_scores (member_id, score) VALUES (?, ?)"
                " ON CONFLICT (member_id) DO UPDATE SET score = excluded.score",
                [(member, score)],
            )

    async def told(self, member: int) -> list[str]:
        """What a member was told of orders, oldest first."""
        async with self.database.reading() as tx:
            rows = await tx.rows(
                "SELECT body FROM member_events WHERE member_id = ? AND kind = 'order'"
                " ORDER BY id",
                (member,),
            )
        return [row[0] for row in rows]

    def trusting(self, **change: int) -> None:
        """Change numbers of the rules of trust."""
        self.rules = replace(self.rules, trust=replace(self.rules.trust, **change))


@asynccontextmanager
async def open_stall(folder: Path, buyers: int = 2) -> AsyncIterator[Stall]:
    """Open a market with one seller and so many buyers."""
    async with a_market(folder) as database:
        stall = Stall(database)
        await furnish(stall, buyers)
        yield stall


async def furnish(stall: Stall, buyers: int) -> None:
    """Let the people in."""
    async with stall.database.transaction() as tx:
        stall.seller = await make_member(tx, "Sol")
        stall.point = await make_point(tx, stall.seller)
        await declare(tx, stall.seller, MONTHLY_WH)
        for number in range(buyers):
            buyer = await make_member(tx, f"Buyer {number}")
            await fund(tx, buyer, PURSE, now=stall.now)
            stall.buyers.append(buyer)


class refused:  # noqa: N801 # reads as the statement it is
    """`with refused(Cause.FUNDS, "pay in"):` - what happens in it is declined so."""

    def __init__(self, cause: Cause, words: str = "") -> None:
        self._raises = pytest.raises(Declined, match=words or None)
        self._cause = cause

    def __enter__(self) -> None:
        self._info = self._raises.__enter__()

    def __exit__(self, *what: object) -> bool:
        handled = bool(self._raises.__exit__(*what))  # type: ignore[arg-type] # as given
        assert self._info.value.cause is self._cause, self._info.value.detail
        return handled
