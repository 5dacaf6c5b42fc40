"""Sealed orders in a market without meters: who sells, who buys, and what one slot did.

async with a_market(folder) as database:
    people = await make_people(database, sellers=2, buyers=3)
    await people.ask(0, start, wh=500, price=100_000, now=before(start))
    await run_once(database, DEMO, gate(start))
"""

from dataclasses import dataclass, field
from typing import Final

from meterseal_aggregator.market.auction.model import SealedOrder, Side, Wish
from meterseal_aggregator.market.auction.place import place
from meterseal_aggregator.storage.database import Database
from tests.support.marketplace import (
    DEMO,
    NOW,
    declare,
    fund,
    make_member,
    make_point,
)

GATE_S: Final = 3_600
MUCH_WH: Final = 1 << 40
MUCH_MICRO: Final = 1 << 50
RETAIL: Final = 250_000
FEED_IN: Final = 80_000


def gate(start: int) -> int:
    """The second in which a slot's gate is closed."""
    return start - GATE_S


def before(start: int) -> int:
    """The last second in which it is open."""
    return gate(start) - 1


@dataclass
class People:
    """Sellers with one meter point each, and buyers with money; members by place."""

    database: Database
    sellers: list[int] = field(default_factory=list)
    points: list[int] = field(default_factory=list)
    buyers: list[int] = field(default_factory=list)
    placed: int = 0

    async def ask(
        self, who: int, start: int, wh: int, price: int, now: int = NOW
    ) -> SealedOrder:
        """Seal an ask of a seller's."""
        wish = Wish(self.sellers[who], Side.ASK, start, wh, price, self.points[who])
        return await self.place(wish, now)

    async def bid(
        self, who: int, start: int, wh: int, price: int, now: int = NOW
    ) -> SealedOrder:
        """Seal a bid of a buyer's."""
        return await self.place(Wish(self.buyers[who], Side.BID, start, wh, price), now)

    async def place(self, wish: Wish, now: int = NOW) -> SealedOrder:
        """Seal an order under a key of its own."""
        self.placed += 1
        async with self.database.transaction() as tx:
            return await place(tx, DEMO, wish, f"k{self.placed}", now=now)


async def make_people(
    database: Database, sellers: int, buyers: int, micro: int = MUCH_MICRO
) -> People:
    """Add members who may sell as much as they like, and others who can pay for it."""
    people = People(database)
    async with database.transaction() as tx:
        ((known,),) = await tx.rows("SELECT count(*) FROM members")
        for n in range(sellers):
            member = await make_member(tx, f"seller {known + n}")
            people.sellers.append(member)
            people.points.append(await make_point(tx, member))
            await declare(tx, member, MUCH_WH)
        for n in range(buyers):
            member = await make_member(tx, f"buyer {known + n}")
            people.buyers.append(member)
            await fund(tx, member, micro, now=NOW)
    return people
