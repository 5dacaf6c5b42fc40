"""Whole trading days lived through by a few members, on the real rooms, from one seed.

    days = await Days.begin(Random(7))
    await live(days)                   # three days, a month later, three months later
    await end(days)                    # disputes end, the last runs look
    print(days.met)                    # (kind, how it ended): how often

Every wish and every duty may have the power cut at any statement, and is done again as who
began it would; what was granted is now and then asked for once more, which must answer the
same and write nothing. What each step does is in `tradingsteps`, what must
hold in `tradinglaws`.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random
from typing import Final, TypeVar

from meterseal_aggregator.credits import mint
from meterseal_aggregator.jobs import until_idle
from meterseal_aggregator.ledger.assets import declare as declare_asset
from meterseal_aggregator.ledger.model import TransferId
from meterseal_aggregator.market.auction import duty as auction
from meterseal_aggregator.market.model import Declined
from meterseal_aggregator.market.offers import expire
from meterseal_aggregator.market.settlement import duty as settlement
from meterseal_aggregator.market.settlement.runs import Run, due_at
from meterseal_aggregator.market.terms import MarketRules, Mock
from meterseal_aggregator.market.trust import TrustRules
from meterseal_aggregator.parameters.model import Name
from meterseal_aggregator.registry.certificates import Grant, grant
from meterseal_aggregator.stacks.withdrawals.model import NotMade
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.vee import job as vee
from tests.support.history import Deed, History, HistoryDatabase
from tests.support.marketplace import (
    CAPACITY_W,
    XTS,
    make_home,
    make_member,
    make_point,
    set_parameter,
)
from tests.support.street import BEGIN, STEP, Home

T = TypeVar("T")

NETWORK: Final = bytes(32)
DAY_S: Final = 86_400
MORNING_S: Final = 7 * 3_600
"""When a day's trading begins, after what was metered the day before is final."""
FIRST_SLOT_S: Final = 9 * 3_600
SLOTS: Final = 5
"""Slots a day that are traded."""
DAYS: Final = 3
STEPS: Final = (70, 60, 50, 30, 30)
"""Steps of each day, and of the two mornings on which later runs are due."""
CUTS: Final = 0.2
"""How often the power is cut, of all that is done."""
CHECK_EVERY: Final = 11
ADA, BO, CLEO, DAN, EVE = range(1, 6)
"""Ada sells from one meter point, Bo from two, Cleo has no meter; who buys may be anybody."""
MEMBERS: Final = (ADA, BO, CLEO, DAN, EVE)
WH: Final = (10, 50, 200, 200, 400, 1_200, 2_300)
"""What is wished: a slot of a certified point gives 2,250 Wh in a quarter of an hour."""


@dataclass
class Point:
    """A meter point: whose it is, its meter, and since when that says nothing."""

    number: int
    member: int
    home: Home | None = None
    silent_from: int | None = None
    revisions: Counter[int] = field(default_factory=Counter)


@dataclass
class Days(History):
    """The members, their market and the clock of one history."""

    rules: MarketRules
    slot_s: int
    points: list[Point] = field(default_factory=list)
    now: int = BEGIN
    today: int = BEGIN
    frozen: list[TransferId] = field(default_factory=list)

    @classmethod
    async def begin(cls, chance: Random) -> "Days":
        """Let members move in, each with what he has on the first morning."""
        database = await HistoryDatabase.fresh()
        trust = TrustRules(
            start=chance.choice((2_100, 3_000, 5_000)),
            stake_micro=chance.choice((0, 40_000)),
        )
        mock = Mock(success_bp=5_000, seed=chance.randrange(1 << 30))
        rules = MarketRules(trust, mock if chance.random() < 0.8 else None)
        days = cls(database, chance, CUTS, rules, chance.choice((900, 900, 3_600)))
        async with database.transaction() as tx:
            await days._agree(tx)
            await days._move_in(tx)
        return days

    async def _agree(self, tx: Transaction) -> None:
        chance = self.chance
        await declare_asset(tx, XTS, now=0)
        await set_parameter(tx, Name.MARKET_SLOT_S, self.slot_s)
        if chance.random() < 0.5:
            await set_parameter(tx, Name.FINALITY_DELAY_S, 0)
        fee, losses = chance.choice((0, 7_000)), chance.choice((0, 333))
        await set_parameter(tx, Name.MARKET_FEE_MICRO, fee)
        await set_parameter(tx, Name.MARKET_LOSSES_BP, losses)
        await set_parameter(tx, Name.GATE_CLOSURE_S, chance.choice((0, 3_600)))

    async def _move_in(self, tx: Transaction) -> None:
        for name in ("Ada", "Bo", "Cleo", "Dan", "Eve"):
            await make_member(tx, name)
        # Dan's meter is not certified: it sells nothing, and nothing of it is minted.
        for member, metered in (
            (ADA, True), (BO, True), (BO, True), (CLEO, False), (DAN, True),
        ):  # fmt: skip
            point = Point(await make_point(tx, member), member)
            if metered:
                point.home = await make_home(tx, member, point.number)
            if metered and member != DAN:
                certificate = Grant(point.number, CAPACITY_W, BEGIN)
                await grant(tx, certificate, "test", now=BEGIN)
            self.points.append(point)
        if self.chance.random() < 0.5:
            # One of them falls silent, it may be from the first day on.
            quiet = self.chance.choice(self.points[:3])
            days = self.chance.randrange(DAYS)
            quiet.silent_from = BEGIN + days * DAY_S + FIRST_SLOT_S

    def slots(self) -> list[int]:
        """The slots that are traded: today's, and tomorrow's."""
        first = self.today + FIRST_SLOT_S
        return [
            first + day * DAY_S + number * self.slot_s
            for day in range(2)
            for number in range(SLOTS)
        ]

    @property
    def trading(self) -> bool:
        """Whether today has slots: not on the mornings of later runs."""
        return self.today < BEGIN + DAYS * DAY_S

    @property
    def over(self) -> int:
        """The end of the last day that has slots."""
        return BEGIN + (DAYS + 1) * DAY_S

    async def wish(self, kind: str, deed: Deed[T], *, key: str = "") -> T | None:
        """Have a wish done, through a power cut; None where it is declined.

        Under a `key` it is now and then asked for again.
        """
        try:
            done = await self.through(kind, lambda: self.in_one(deed))
        except Declined as error:
            self.met[kind, error.cause.value] += 1
            return None
        except NotMade as error:
            self.met[kind, error.trouble.value] += 1
            return None
        self.met[kind, "done"] += 1
        if key and self.chance.random() < 0.3:
            before = self.database.changes
            again = await self.in_one(deed)
            assert _answer(again) == _answer(done), (kind, done, again)
            assert self.database.changes == before, f"{kind}: done twice"
            self.met["again", kind] += 1
        return done

    async def duty(self, kind: str) -> None:
        """Let a duty run until it is idle, through a power cut."""
        work = self._duties()[kind]
        did = await self.through(kind, lambda: until_idle(work))
        self.met[kind, "done" if did else "idle"] += 1

    def _duties(self) -> dict[str, Callable[[], Awaitable[int]]]:
        database, rules, now = self.database, self.rules, self.now

        async def market() -> int:
            return await auction.run_once(database, rules, now)

        return {
            "expire": lambda: expire.run_once(database, now),
            "auction": market,
            "validate": lambda: vee.run_once(database, now),
            "mint": lambda: mint.run_once(database, NETWORK, now),
            "settle": lambda: settlement.run_once(database, rules, now),
        }

    async def all_duties(self) -> None:
        """Let every duty run, in the order of a quiet house."""
        for kind in self._duties():
            await self.duty(kind)

    def mornings(self) -> list[int]:
        """The days of a history: those of trading, and those of later runs."""
        first = [BEGIN + number * DAY_S for number in range(DAYS)]
        last = self.over - DAY_S
        later = [due_at(run, last, "UTC") for run in (Run.MONTH, Run.LAST)]
        return first + [second - second % DAY_S for second in later]

    def told_to(self, point: Point) -> int:
        """Up to where a meter could tell by now."""
        until = min(self.now, self.over)
        if point.silent_from is not None:
            until = min(until, max(point.silent_from, BEGIN))
        return until - until % STEP


def _answer(value: object) -> object:
    """What a wish was told: a withdrawal is told with whether it is new."""
    return value[0] if isinstance(value, tuple) else value
