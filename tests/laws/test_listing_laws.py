"""Laws of lane C: whatever is put up, bought and given back, it does what the contract does.

Beside the room runs a plain count after contracts/marketplace.clar: what is for sale, what
was bought, what refunds are paid from. Each wish is granted by both or by neither, and after
each every account is what the count says: no Wh and no micro-unit comes or goes, reserves
are never exceeded by who adds, refunds never exceed what was bought here. The process may
end before or after any commit, and the wish is asked again under its key.

Seen to fail: with a refund that leaves the book of what was bought as it was, or asks it
nothing; with a commission or refund rounded up; with promised Wh put up; with a limit that
ignores what is for sale; with the house's price paid elsewhere; with a key forgotten; with
a most or a least that is not asked.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterseal_aggregator.ledger import check as ledger_check
from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.accounts import CASH, buyer, producer, user
from meterseal_aggregator.ledger.assets import declare
from meterseal_aggregator.ledger.model import WH, AccountCode
from meterseal_aggregator.market.listings import audit
from meterseal_aggregator.market.listings.model import (
    HOUSE,
    REFUNDS,
    Kind,
    Wish,
    listed,
)
from meterseal_aggregator.market.model import Cause, Declined
from meterseal_aggregator.parameters.model import Name
from meterseal_aggregator.parameters.store import Change, record
from meterseal_aggregator.storage.migrate import migrate
from tests.support.lanec import MADE_WH, PAID_IN, Lane, a_lane, mint, move, promise
from tests.support.marketplace import NOW, XTS
from tests.support.mortal import Fuse, PowerCut
from tests.support.quickdatabase import QuickDatabase
from tests.support.street import BEGIN

KINDS = (
    *("add", "add", "remove", "buy", "buy", "refund", "refund", "refund", "resell"),
    *(
        "again",
        "price",
        "rates",
        "limits",
        "fill",
        "retire",
        "deliver",
        "promise",
        "settle",
    ),
)


@dataclass(frozen=True)
class Act:
    """Something that happens: `who` does it, `to` whom, with `number` of something.

    `tight` makes a buyer's most, or least, one too little; `cut` is the step at which the
    power goes.
    """

    kind: str
    who: int
    to: int
    number: int
    tight: int
    cut: int | None


ACTS = st.lists(
    st.builds(
        Act,
        st.sampled_from(KINDS),
        st.integers(0, 3),
        st.integers(0, 3),
        st.integers(1, 6_000) | st.integers(1, 40),
        st.sampled_from([0, 0, 1]),
        st.none() | st.integers(0, 3),
    ),
    min_size=10,
    max_size=30,
)


BEGINNING = (
    Act("add", 0, 0, 6_000, 0, None),
    Act("buy", 2, 0, 4_000, 0, None),
    Act("fill", 0, 0, 6_000, 0, None),
    Act("refund", 2, 0, 6_000, 0, None),
)
"""So that there is something for sale, bought and given back in every history."""


@dataclass
class Count:
    """The contract's state, counted plainly, and everybody's purses beside it."""

    made: dict[int, int]
    money: dict[int, int]
    for_sale: dict[int, int] = field(default_factory=dict)
    holds: dict[int, int] = field(default_factory=dict)
    bought: dict[int, int] = field(default_factory=dict)
    promised: dict[int, int] = field(default_factory=dict)
    fund: int = 0
    retired: int = 0
    price: int = 150
    """Micro-units a Wh."""
    commission_bp: int = 500
    refund_bp: int = 9_000
    limit: int = 1_000_000_000
    user_limit: int = 10_000_000

    def grant(self, wish: Wish) -> bool:
        """Do a wish if the contract would; tells whether it did."""
        return {
            Kind.ADD: self._add,
            Kind.REMOVE: self._remove,
            Kind.BUY: self._buy,
            Kind.REFUND: self._refund,
        }[wish.kind](wish)

    def free(self, who: int) -> int:
        """What a producer made, holds and promised nobody."""
        return self.made.get(who, 0) - self.promised.get(who, 0)

    def room(self, who: int) -> int:
        """What the limits let a producer put up."""
        own = self.user_limit - self.for_sale.get(who, 0)
        return min(own, self.limit - sum(self.for_sale.values()))

    @property
    def affordable(self) -> int:
        """Wh that could be given back for what the fund has, about."""
        return self.fund * 10_000 // (self.price * self.refund_bp)

    def _add(self, wish: Wish) -> bool:
        who, wh = wish.member, wish.wh
        own = self.for_sale.get(who, 0) + wh
        total = sum(self.for_sale.values()) + wh
        if who not in self.made or wh > self.free(who):
            return False
        if own > self.user_limit or total > self.limit:
            return False
        self.made[who] -= wh
        self.for_sale[who] = own
        return True

    def _remove(self, wish: Wish) -> bool:
        if wish.wh > self.for_sale.get(wish.member, 0):
            return False
        self.for_sale[wish.member] -= wish.wh
        self.made[wish.member] += wish.wh
        return True

    def _buy(self, wish: Wish) -> bool:
        who, seller, wh = wish.member, wish.seller, wish.wh
        price = wh * self.price
        fee = price * self.commission_bp // 10_000
        if who == seller or wh > self.for_sale.get(seller, 0):
            return False
        if price + fee > wish.bound or price + fee > self.money[who]:
            return False
        self.for_sale[seller] -= wh
        self.holds[who] = self.holds.get(who, 0) + wh
        self.bought[who] = self.bought.get(who, 0) + wh
        self.money[who] -= price + fee
        self.fund += fee
        if seller == HOUSE:
            self.fund += price
        else:
            self.money[seller] += price
        return True

    def _refund(self, wish: Wish) -> bool:
        who, wh = wish.member, wish.wh
        back = wh * self.price * self.refund_bp // 10_000
        if wh > self.bought.get(who, 0) or wh > self.holds.get(who, 0):
            return False
        if back < wish.bound or back > self.fund:
            return False
        self.bought[who] -= wh
        self.holds[who] -= wh
        self.for_sale[HOUSE] = self.for_sale.get(HOUSE, 0) + wh
        self.fund -= back
        self.money[who] += back
        return True


@dataclass
class History:
    """The room, the count, and the fuse of their power."""

    lane: Lane
    count: Count
    fuse: Fuse
    wishes: list[Wish] = field(default_factory=list)

    async def do(self, act: Act) -> None:
        self.lane.now += 1
        match act.kind:
            case "add" | "remove" | "buy" | "refund" | "resell":
                await self._ask(self._wish(act), act.cut)
            case "again" if self.wishes:
                await self._again(self.wishes[act.number % len(self.wishes)])
            case "price" | "rates" | "limits":
                await self._set(act)
            case "fill" | "retire" | "deliver" | "promise" | "settle":
                await self._elsewhere(act)

    def _wish(self, act: Act) -> Wish:
        kind = Kind("buy" if act.kind == "resell" else act.kind)
        members = self.lane.members
        # Two make what is put up, and the other two mostly buy.
        who = {
            Kind.ADD: members[act.who % 2],
            Kind.REMOVE: members[act.who % 2],
            Kind.BUY: members[act.who],
            Kind.REFUND: members[2 + act.who % 2],
        }[kind]
        seller = HOUSE if act.kind != "buy" else members[act.to]
        count, wh = self.count, act.number
        bound = 0
        if kind is Kind.ADD:
            # As much as he may, or one more, or anything.
            most = max(0, min(count.free(who), count.room(who)))
            wh = max(1, [most + act.tight, most // 2, wh][wh % 3])
        if kind is Kind.BUY:
            price = wh * count.price
            bound = price + price * count.commission_bp // 10_000 - act.tight
        if kind is Kind.REFUND:
            # All that he bought here and holds, or one more, or a little.
            mine = min(count.bought.get(who, 0), count.holds.get(who, 0))
            wh = max(1, min(mine, count.affordable) + act.tight if wh % 2 else wh // 20)
            bound = wh * count.price * count.refund_bp // 10_000
            bound += act.tight * (act.number % 4 == 0)
        return self.lane.wish(kind, who, wh, seller, bound)

    async def _ask(self, wish: Wish, cut: int | None) -> None:
        """Ask until there is an answer, whenever the power goes."""
        before = self.count.bought.get(wish.member, 0)
        granted = self.count.grant(wish)
        self.fuse.left = cut
        try:
            answer = await self._granted(wish)
        except PowerCut:
            answer = await self._granted(wish)
        self.fuse.left = None
        assert answer == granted, wish
        if granted:
            self.wishes.append(wish)
        if granted and wish.kind is Kind.REFUND:
            assert wish.wh <= before

    async def _granted(self, wish: Wish) -> bool:
        try:
            await self.lane.grant(wish)
        except Declined as declined:
            assert declined.cause is not Cause.KEY_USED
            return False
        return True

    async def _again(self, wish: Wish) -> None:
        first = await self.lane.grant(wish)
        assert first.wish == wish

    async def _set(self, act: Act) -> None:
        count, number = self.count, act.number
        values: dict[Name, int] = {}
        match act.kind:
            case "price":
                count.price = 1 + number % 400
                values[Name.LISTED_PRICE_MICRO] = count.price * 1_000
            case "rates":
                count.commission_bp, count.refund_bp = number % 2_001, 4_000 + number
                values[Name.LISTED_COMMISSION_BP] = count.commission_bp
                values[Name.LISTED_REFUND_BP] = count.refund_bp
            case "limits":
                count.limit, count.user_limit = number * 3, number * 2
                values[Name.LISTED_RESERVE_WH] = count.limit
                values[Name.LISTED_USER_RESERVE_WH] = count.user_limit
        async with self.lane.database.transaction() as tx:
            for name, value in values.items():
                change = Change(name, value, self.lane.now, self.lane.now, "test")
                await record(tx, change)

    async def _elsewhere(self, act: Act) -> None:
        """Let other rooms do what they do."""
        lane, count, number = self.lane, self.count, act.number
        who = lane.members[act.who]
        seller = (lane.ada, lane.bo)[act.who % 2]
        async with lane.database.transaction() as tx:
            match act.kind:
                case "fill":
                    await move(tx, CASH, REFUNDS, number * 10, XTS)
                    await mint(tx, seller, number)
                    count.fund += number * 10
                    count.made[seller] += number
                case "retire":
                    wh = min(number, count.holds.get(who, 0))
                    gone = AccountCode(f"retired:{who}")
                    await move(tx, buyer(who), gone, wh, WH)
                    count.holds[who] = count.holds.get(who, 0) - wh
                    count.retired += wh
                case "deliver":
                    wh = min(number, count.made[seller])
                    await move(tx, producer(seller), buyer(who), wh, WH)
                    count.made[seller] -= wh
                    count.holds[who] = count.holds.get(who, 0) + wh
                case "promise":
                    start = NOW - 900 * (lane.now - NOW)
                    await promise(tx, seller, lane.points[seller], start, number)
                    count.promised[seller] = count.promised.get(seller, 0) + number
                case "settle":
                    await tx.rows(
                        "UPDATE slot_sales SET settled_at = ? WHERE seller_id = ?",
                        (lane.now, seller),
                    )
                    count.promised[seller] = 0

    async def holds_now(self) -> None:
        """Compare every account with the count, and the sums with what there is."""
        count, lane = self.count, self.lane
        wh = {listed(who): n for who, n in count.for_sale.items()}
        wh |= {producer(who): n for who, n in count.made.items()}
        wh |= {buyer(who): n for who, n in count.holds.items()}
        money = {user(who): n for who, n in count.money.items()}
        money[REFUNDS] = count.fund
        async with lane.database.reading() as tx:
            for asset, wanted in ((WH, wh), (XTS, money)):
                found = await ledger.balances(tx, asset, wanted)
                held = {code: one.held for code, one in found.items() if one.held}
                assert held == {code: n for code, n in wanted.items() if n}
            for finding in await audit.findings(tx):
                assert finding.ok, finding.detail

    async def holds_in_the_end(self) -> None:
        async with self.lane.database.reading() as tx:
            for finding in await ledger_check.findings(tx):
                assert finding.ok, finding.detail


async def _live(acts: Sequence[Act]) -> None:
    database = await QuickDatabase.in_memory()
    database.fuse = Fuse()
    await migrate(database)
    try:
        async with database.transaction() as tx:
            await declare(tx, XTS, now=BEGIN)
        lane = await a_lane(database)
        count = Count(
            made={lane.ada: MADE_WH, lane.bo: MADE_WH},
            money={lane.ada: 0, lane.bo: 0, lane.cleo: PAID_IN, lane.dan: PAID_IN},
        )
        history = History(lane, count, database.fuse)
        for act in (*BEGINNING, *acts):
            await history.do(act)
            await history.holds_now()
        await history.holds_in_the_end()
    finally:
        await database.close()


@pytest.mark.deep
@given(ACTS)
@settings(max_examples=120, deadline=None)
def test_lane_c_does_what_the_contract_does_and_loses_nothing(acts: list[Act]) -> None:
    asyncio.run(_live(acts))
