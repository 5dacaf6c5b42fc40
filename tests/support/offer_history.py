"""A market lived through twice: by the rooms over a database, and by a plain count of it.

The count knows each rule in its simplest words and says beforehand how an act ends. After
every act the tables are asked what they hold, and must agree with it and with each other.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from meterseal_aggregator.ledger.assets import declare as declare_asset
from meterseal_aggregator.market.lifecycle import RESERVATION_S
from meterseal_aggregator.market.model import Cause, Declined
from meterseal_aggregator.market.offers.model import NewOffer
from meterseal_aggregator.storage.migrate import migrate
from tests.support.marketplace import XTS, declare, fund, make_member, make_point, slot
from tests.support.mortal import Fuse, MortalDatabase, PowerCut
from tests.support.quickdatabase import QuickDatabase
from tests.support.stall import PRICE, Stall, slots

Deed = Callable[[], Awaitable[object]]
SLOTS: Final = 4
PEOPLE: Final = 5
"""The first two sell; everybody buys."""
SELLERS: Final = 2
PURSE: Final = 90_000
"""Micro-units: 600 Wh, so that some orders cannot be paid."""
TRUST: Final = 2_400
"""Everybody's at first: one cancellation of a seller, and he is not trusted."""
BEGIN: Final = slot(0) - 2_500
WINDOW_S: Final = 1_800
WAITS: Final = (1, 60, 60, 300, 301, 600, 900, 1_500)


@dataclass
class CountedOffer:
    """What is left of an offer by slot; closed slots are not in it."""

    seller: int
    wh: dict[int, int]
    left: dict[int, int]
    withdrawn: bool = False


@dataclass
class CountedOrder:
    """An order's slots that still count, and where it stands."""

    offer: int
    buyer: int
    seller: int
    wh: dict[int, int]
    at: int
    state: str = "reserved"
    confirmed: int = 0
    cancelled: int = 0
    left: dict[int, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return sum(self.wh.values())


@dataclass
class Count:
    """The market as a neighbour would keep it on paper."""

    now: int = BEGIN
    offers: list[CountedOffer] = field(default_factory=list)
    orders: list[CountedOrder] = field(default_factory=list)
    purse: list[int] = field(default_factory=lambda: [PURSE] * PEOPLE)
    score: list[int] = field(default_factory=lambda: [TRUST] * PEOPLE)

    def begun(self, number: int) -> bool:
        return slot(number) <= self.now

    def promised(self, seller: int, number: int) -> int:
        """What a seller owes of a slot: open offers whole, closed ones as claimed."""
        open_wh = sum(
            one.wh[number]
            for one in self.offers
            if one.seller == seller and number in one.left
        )
        closed = sum(
            order.left[number]
            for order in self.orders
            if order.seller == seller
            and order.state in ("reserved", "confirmed")
            and number in order.left
            and number not in self.offers[order.offer].left
        )
        return open_wh + closed

    def buys(self, who: int, numbers: set[int]) -> bool:
        return any(
            order.buyer == who
            and order.state in ("reserved", "confirmed")
            and numbers & order.left.keys()
            for order in self.orders
        )

    def why_no_offer(self, who: int, wh: dict[int, int]) -> Cause | None:
        if any(self.begun(number) for number in wh):
            return Cause.TOO_LATE
        return Cause.BOTH_SIDES if self.buys(who, set(wh)) else None

    def why_no_order(self, who: int, at: int, wh: dict[int, int]) -> Cause | None:
        offer = self.offers[at]
        if offer.seller == who:
            return Cause.SELF_TRADE
        if offer.withdrawn:
            return Cause.SOLD_OUT
        for number, wanted in wh.items():
            if number not in offer.wh:
                return Cause.SLOT
            if self.begun(number):
                return Cause.TOO_LATE
            if offer.left[number] < wanted:
                return Cause.SOLD_OUT
        return self.why_not_these_two(who, at, wh)

    def why_not_these_two(self, who: int, at: int, wh: dict[int, int]) -> Cause | None:
        if any(self.promised(who, number) for number in wh):
            return Cause.BOTH_SIDES
        if self.score[self.offers[at].seller] < 2_000:
            return Cause.LOW_TRUST
        return Cause.FULL if self.let_go(who, at) >= 5 else None

    def let_go(self, who: int, at: int) -> int:
        """How many reservations of an offer a person did not confirm."""
        return sum(
            order.state in ("released", "expired")
            or (order.state == "reserved" and self.now > order.at + RESERVATION_S)
            for order in self.orders
            if (order.buyer, order.offer) == (who, at)
        )

    def why_not_confirmed(self, order: CountedOrder) -> Cause | None:
        over = self.now > order.at + RESERVATION_S
        if order.state == "expired" or (order.state == "reserved" and over):
            return Cause.EXPIRED
        if order.state != "reserved":
            return None if order.state == "confirmed" else Cause.STATE
        if any(self.begun(number) for number in order.wh):
            return Cause.TOO_LATE
        cost = order.total * PRICE // 1_000
        return Cause.FUNDS if cost > self.purse[order.buyer] else None

    def why_not_cancelled(
        self, order: CountedOrder, *, seller: bool, which: set[int]
    ) -> Cause | None:
        if order.state != "confirmed":
            return Cause.STATE
        if which and seller:
            return Cause.SLOT
        if which - order.wh.keys():
            return Cause.SLOT
        if which - order.left.keys():
            return Cause.STATE
        late = [self.begun(number) for number in which or order.left]
        if any(late) if which else all(late):
            return Cause.TOO_LATE
        too_long = self.now > order.confirmed + WINDOW_S
        return Cause.TOO_LATE if too_long and not seller else None

    def take_back(self, order: CountedOrder, which: set[int]) -> int:
        """Give Wh of an order back to its offer where that is open; returns how many."""
        offer, gone = self.offers[order.offer], 0
        for number in which:
            wh = order.left.pop(number)
            gone += wh
            if number in offer.left:
                offer.left[number] += wh
        return gone

    def cancel(self, order: CountedOrder, *, seller: bool, which: set[int]) -> None:
        chosen = which or {number for number in order.left if not self.begun(number)}
        gone = self.take_back(order, chosen)
        self.purse[order.buyer] += gone * PRICE // 1_000
        if seller:
            late = self.now > order.confirmed + WINDOW_S
            self._lose(order.seller, 1_000 if late else 500)
        else:
            before = _share(order.cancelled, order.total)
            order.cancelled += gone
            self._lose(order.buyer, _share(order.cancelled, order.total) - before)
        if not order.left:
            order.state = "cancelled"

    def expire(self) -> None:
        for order in self.orders:
            if order.state == "reserved" and self.now > order.at + RESERVATION_S:
                order.state = "expired"
                self.take_back(order, set(order.left))
        for offer in self.offers:
            for number in [one for one in offer.left if self.begun(one)]:
                del offer.left[number]

    def _lose(self, who: int, trust: int) -> None:
        self.score[who] = max(0, self.score[who] - trust)


def _share(part: int, whole: int) -> int:
    """A part's share of what cancelling all costs, half up."""
    return (2 * 500 * part + whole) // (2 * whole)


@dataclass(frozen=True)
class Act:
    """Something person `who` does; `cut` is the step at which the power goes once."""

    kind: str
    who: int
    number: int
    wh: tuple[int, ...]
    """Wh of each slot, 0 for none."""
    cut: int | None


class History:
    """The stall, the count beside it, and what goes on in both."""

    def __init__(self, database: MortalDatabase) -> None:
        self.stall = Stall(database)
        self.stall.now = BEGIN
        self.stall.trusting(start=TRUST)
        self.database = database
        self.count = Count()
        self.points: list[int] = []
        self.ends: Counter[tuple[str, Cause | None]] = Counter()

    @classmethod
    async def begin(cls) -> "History":
        """Let the people in, in memory."""
        database = await QuickDatabase.in_memory()
        database.fuse = Fuse()
        await migrate(database)
        history = cls(database)
        async with database.transaction() as tx:
            await declare_asset(tx, XTS, now=BEGIN)
            for who in range(PEOPLE):
                member = await make_member(tx, f"Person {who}")
                assert member == who + 1
                await fund(tx, member, PURSE, now=BEGIN)
                if who < SELLERS:
                    history.points.append(await make_point(tx, member))
                    await declare(tx, member, 10_000_000)
        return history

    async def do(self, act: Act) -> None:
        """Live an act in both, and compare how it ended."""
        match act.kind:
            case "wait":
                self.stall.now += WAITS[act.number % len(WAITS)]
                self.count.now = self.stall.now
            case "expire":
                await self._until_done(act, self.stall.expire)
                self.count.expire()
            case "offer" | "withdraw":
                await self._sell(act)
            case "reserve":
                await self._reserve(act)
            case _:
                await self._move(act)

    async def _sell(self, act: Act) -> None:
        count = self.count
        who = act.who % SELLERS
        if act.kind == "withdraw":
            mine = [n for n, one in enumerate(count.offers) if one.seller == who]
            if not mine or act.number % 4:
                return
            at = mine[act.number // 4 % len(mine)]
            await self._ends(act, None, lambda: self.stall.withdraw(at + 1, who + 1))
            count.offers[at].withdrawn = True
            count.offers[at].left.clear()
            return
        first = act.number % SLOTS
        wh = {at: 100 * (each + 1) for at, each in enumerate(act.wh) if at >= first}
        wish = NewOffer(who + 1, self.stall.key(), self.points[who], PRICE, slots(wh))
        why = count.why_no_offer(who, wh)
        if await self._ends(act, why, lambda: self.stall.place(wish)):
            count.offers.append(CountedOffer(who, wh, dict(wh)))

    async def _reserve(self, act: Act) -> None:
        count = self.count
        if not count.offers:
            return
        at = len(count.offers) - 1 - act.number % min(len(count.offers), 3)
        wh = _wanted(act, 60)
        why, key = count.why_no_order(act.who, at, wh), self.stall.key()
        deed = lambda: self.stall.reserve(act.who + 1, at + 1, wh, key)  # noqa: E731
        if await self._ends(act, why, deed):
            offer = count.offers[at]
            for number, wanted in wh.items():
                offer.left[number] -= wanted
            count.orders.append(
                CountedOrder(at, act.who, offer.seller, wh, count.now, left=dict(wh))
            )

    async def _move(self, act: Act) -> None:
        count, stall = self.count, self.stall
        if not count.orders:
            return
        at = self._which(act)
        order, buyer = count.orders[at], count.orders[at].buyer + 1
        if act.kind == "confirm":
            why = count.why_not_confirmed(order)
            done = await self._ends(act, why, lambda: stall.confirm(buyer, at + 1))
            if done and order.state == "reserved":
                order.state, order.confirmed = "confirmed", count.now
                count.purse[order.buyer] -= order.total * PRICE // 1_000
        elif act.kind == "release":
            free = order.state in ("reserved", "released")
            why = None if free else Cause.STATE
            if await self._ends(act, why, lambda: stall.release(buyer, at + 1)):
                count.take_back(order, set(order.left))
                order.state = "released"
        else:
            await self._cancel(act, at, seller=act.kind == "refuse")

    def _which(self, act: Act) -> int:
        """Choose an order: a late one, for cancelling more often than not a confirmed one."""
        orders = self.count.orders
        late = range(max(0, len(orders) - 5), len(orders))
        held = [at for at, one in enumerate(orders) if one.state == "confirmed"]
        wanted = held if act.kind in ("cancel", "refuse") and act.number % 4 else late
        return (wanted or late)[act.number // 2 % len(wanted or late)]

    async def _cancel(self, act: Act, at: int, *, seller: bool) -> None:
        order, key = self.count.orders[at], self.stall.key()
        which = set() if act.number % 2 else set(_wanted(act, 1))
        why = self.count.why_not_cancelled(order, seller=seller, which=which)
        who = (order.seller if seller else order.buyer) + 1
        deed = lambda: self.stall.cancel(who, at + 1, *which, key=key)  # noqa: E731
        if await self._ends(act, why, deed):
            self.count.cancel(order, seller=seller, which=which)

    async def _ends(self, act: Act, why: Cause | None, deed: Deed) -> bool:
        """Do it, through a power cut; assert that it is refused for `why`, or done."""
        try:
            await self._until_done(act, deed)
        except Declined as error:
            assert error.cause is why, (act, error.detail, why)
            self.ends[act.kind, why] += 1
            return False
        assert why is None, (act, why)
        self.ends[act.kind, None] += 1
        return True

    async def _until_done(self, act: Act, deed: Deed) -> None:
        """Do it with the power going once, then again as who began it would."""
        self.database.fuse.left = act.cut
        try:
            await deed()
        except PowerCut:
            await deed()
        finally:
            self.database.fuse.left = None


def _wanted(act: Act, unit: int) -> dict[int, int]:
    """The Wh of an act by slot; at least one slot."""
    found = {number: wh * unit for number, wh in enumerate(act.wh) if wh}
    return found or {act.number % SLOTS: unit}
