"""Months of a utility's life with a few households, on the real rooms, from one seed.

    years = await Years.begin(Random(7), folder)
    await live(years)                  # a quarter of a year, step by step
    await end(years)                   # gaps are filled, disputes end, all is billed
    print(years.met)                   # (kind, how it ended): how often

Every wish and every duty may have the power cut at any statement, and is done again as who
began it would. What happens is in `billingsteps` and `billingmoney`, what must hold in
`billinglaws`.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final, TypeVar

from meterseal_aggregator.billing.model import Refused
from meterseal_aggregator.billing.receivables import duty as receivables
from meterseal_aggregator.billing.statements import affected
from meterseal_aggregator.billing.statements import duty as statements
from meterseal_aggregator.billing.supplies.model import NotSupplied
from meterseal_aggregator.billing.tariffs.model import NotPublished
from meterseal_aggregator.credits import mint
from meterseal_aggregator.disputes.model import NotDisputed
from meterseal_aggregator.erasure import duty as erasure
from meterseal_aggregator.erasure.model import NotErased
from meterseal_aggregator.jobs import until_idle
from meterseal_aggregator.ledger.assets import declare as declare_asset
from meterseal_aggregator.ledger.model import Asset
from meterseal_aggregator.market.model import Declined
from meterseal_aggregator.market.settlement import duty as settlement
from meterseal_aggregator.market.terms import MarketRules
from meterseal_aggregator.notices import duty as notices
from meterseal_aggregator.notices.duty import Mailroom
from meterseal_aggregator.notices.model import Address, Way
from meterseal_aggregator.notices.outlets.file import FileOutlet
from meterseal_aggregator.parameters.model import Name
from meterseal_aggregator.registry.certificates import Grant, grant
from meterseal_aggregator.registry.model import Refused as NotRegistered
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.translog import sequencer
from meterseal_aggregator.vee import days as packing
from meterseal_aggregator.vee import job as vee
from meterseal_aggregator.vee import look
from meterseal_aggregator.vee.values import NotValued
from meterseal_proto.rating.tariff import Cycle
from meterseal_proto.units import EXPORT, IMPORT
from tests.support.billingmeters import BEGIN, CAPACITY_W, HOUR, Meter, stand
from tests.support.billingtariffs import CODES, ZONES
from tests.support.enrolling import GENESIS, LOG_KEY
from tests.support.history import Deed, History, HistoryDatabase
from tests.support.marketplace import XTS, make_member, set_parameter

T = TypeVar("T")

NETWORK: Final = GENESIS.network
KEY: Final = sequencer.LogKey("street.example/log", LOG_KEY)
DAY: Final = 86_400
POINTS: Final = 3
"""Meter points; the first has a roof and sells."""
SEASONS: Final = (BEGIN, BEGIN + 214 * DAY)
"""25 February and 27 September 2027: summer time begins, or ends, in Berlin."""
LENGTHS: Final = (36 * DAY, 36 * DAY, 36 * DAY, 36 * DAY, 70 * DAY)
"""A whole month between parts of two, now and then two of them."""
CYCLES: Final[Sequence[tuple[Cycle, ...]]] = (
    (Cycle.MONTH,), (Cycle.DAY,), (Cycle.MONTH, Cycle.DAY), (Cycle.MONTH, Cycle.DAY),
)  # fmt: skip
"""What a code's versions may have for a billing cycle."""
STX: Final = Asset("STX")
REFUSALS: Final = (
    Refused, Declined, NotSupplied, NotPublished, NotDisputed, NotErased, NotValued,
    NotRegistered,
)  # fmt: skip
"""How rooms say no: anything else that escapes is a fault."""


@dataclass
class Years(History):
    """The households, their utility and the clock of one history."""

    longest_cut = 60
    folder: Path
    zone: str
    begin_at: int
    length: int
    cycles: dict[str, tuple[Cycle, ...]]
    """The billing cycles that versions of a tariff's code have."""
    zones: dict[str, str]
    """By whose clock a tariff's code bills: mostly the network's."""
    slow: bool = False
    """Whether the roof's meter tells weeks late what it exported."""
    rules: MarketRules = field(default_factory=MarketRules)
    meters: list[Meter] = field(default_factory=list)
    members: list[int] = field(default_factory=list)
    now: int = 0

    @classmethod
    async def begin(cls, chance: Random, folder: Path) -> "Years":
        """Let a utility begin: meter points with meters, nobody supplied yet."""
        database = await HistoryDatabase.fresh()
        begin, length = chance.choice(SEASONS), chance.choice(LENGTHS)
        cycles = dict.fromkeys(CODES, CYCLES[0])
        cycles[chance.choice(CODES)] = chance.choice(CYCLES)
        zone = chance.choice(ZONES)
        zones = dict.fromkeys(CODES, zone)
        if chance.random() < 0.3:
            zones[chance.choice(CODES)] = chance.choice(ZONES)
        years = cls(
            database, chance, chance.choice((0.0, 0.1, 0.3)), folder, zone, begin,
            length, cycles, zones, slow=chance.random() < 0.3, now=begin,
        )  # fmt: skip
        async with database.transaction() as tx:
            await years._agree(tx)
            for number in range(POINTS):
                await years._build(tx, roof=number == 0)
            for name in ("Ada", "Bo", "Cleo", "Dan"):
                years.members.append(await make_member(tx, name))
        return years

    async def _agree(self, tx: Transaction) -> None:
        chance = self.chance
        for asset in (XTS, STX, Asset("MSU")):
            await declare_asset(tx, asset, now=0)
        await set_parameter(tx, Name.ZONE, self.zone)
        await set_parameter(tx, Name.MARKET_SLOT_S, HOUR)
        await set_parameter(tx, Name.MONEY_ASSET, XTS)
        if chance.random() < 0.5:
            await set_parameter(tx, Name.FINALITY_DELAY_S, chance.choice((0, DAY)))

    async def _build(self, tx: Transaction, *, roof: bool) -> None:
        ((point,),) = await tx.rows(
            "INSERT INTO meter_points (name, created_at) VALUES (?, ?) RETURNING id",
            (f"house {len(self.meters) + 1}", self.begin_at),
        )
        self.meters.append(await stand(tx, point, IMPORT, self.begin_at))
        if roof:
            self.meters.append(await stand(tx, point, EXPORT, self.begin_at))

    async def certify(self, tx: Transaction, point: int) -> None:
        """Let whoever holds a meter point sell from it."""
        await grant(tx, Grant(point, CAPACITY_W, self.now), "test", now=self.now)

    @property
    def over(self) -> bool:
        """Whether the history has had its months."""
        return self.now >= self.begin_at + self.length

    @property
    def points(self) -> list[int]:
        """The meter points."""
        return sorted({one.point for one in self.meters})

    async def wish(self, kind: str, deed: Deed[T], *, again: bool = False) -> T | None:
        """Have a wish done, through a power cut; None where a room says no.

        With `again` it is now and then asked for once more, which must write nothing.
        """
        try:
            done = await self.through(kind, lambda: self.in_one(deed))
        except REFUSALS as error:
            cause = getattr(error, "cause", None) or getattr(error, "trouble", None)
            self.met[kind, str(cause)] += 1
            return None
        self.met[kind, "done"] += 1
        if again and self.chance.random() < 0.3:
            before = self.database.changes
            told = await self.in_one(deed)
            assert told == done, (kind, done, told)
            assert self.database.changes == before, f"{kind}: done twice"
            self.met["again", kind] += 1
        return done

    async def duty(self, kind: str) -> None:
        """Let a duty run until it is idle, through a power cut."""
        work = self._duties()[kind]
        did = await self.through(kind, work)
        self.met[kind, "done" if did else "idle"] += 1

    def _duties(self) -> dict[str, Callable[[], Awaitable[int]]]:
        database, now = self.database, self.now
        outlet = FileOutlet(self.folder / "letters.jsonl")
        room = Mailroom({Way.FILE: outlet}, (Address(Way.FILE, "operator"),))

        async def log() -> int:
            return (await sequencer.run_once(database, KEY, now)).added

        def idle(run: Callable[[], Awaitable[int]]) -> Callable[[], Awaitable[int]]:
            return lambda: until_idle(run)

        return {
            "validate": idle(lambda: vee.run_once(database, now)),
            "mint": idle(lambda: mint.run_once(database, NETWORK, now)),
            "settle": idle(lambda: settlement.run_once(database, self.rules, now)),
            "pack": idle(lambda: packing.run_once(database, now)),
            "look": idle(lambda: look.run_once(database, now)),
            "bill": idle(lambda: statements.run_once(database, NETWORK, now)),
            "correct": idle(lambda: affected.run_once(database, NETWORK, now)),
            "collect": idle(lambda: receivables.run_once(database, now)),
            "erasing": idle(lambda: erasure.run_once(database, NETWORK, now, now)),
            "log": log,
            "notify": lambda: notices.run_once(database, room, now),
        }

    async def all_duties(self) -> None:
        """Let every duty run, in the order of a quiet house."""
        for kind in self._duties():
            await self.duty(kind)

    async def any_duty(self) -> None:
        """Let some duties run, in any order."""
        kinds = list(self._duties())
        for kind in self.chance.sample(kinds, self.chance.randrange(1, 5)):
            await self.duty(kind)
