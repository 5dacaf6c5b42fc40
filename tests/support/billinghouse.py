"""A utility that bills: supplies by a tariff in full, with usage known slot by slot.

    async with a_utility(folder) as utility:
        home = await utility.supply("Ada")                  # member, point, meter, supply
        await utility.use(home, MAY, JUNE, 250)             # Wh a slot, known when it is over
        await utility.bill(now=JUNE + DAY)                  # until nobody is due

Usage is packed as the room of validation leaves it, a day a row, without any device. Times
are those of Berlin, whose summer has days of 92 and 100 quarter hours.
"""

from array import array
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from meterseal_aggregator.billing.model import BillRow, Standing
from meterseal_aggregator.billing.statements import affected, store
from meterseal_aggregator.billing.statements.audit import findings
from meterseal_aggregator.billing.statements.duty import run_once
from meterseal_aggregator.billing.supplies.model import NewSupply, Terms
from meterseal_aggregator.billing.supplies.store import begin
from meterseal_aggregator.billing.tariffs.store import publish
from meterseal_aggregator.identity.model import MemberId
from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.assets import declare
from meterseal_aggregator.ledger.model import AccountCode, Asset
from meterseal_aggregator.parameters.model import Name
from meterseal_aggregator.parameters.store import Change, record
from meterseal_aggregator.registry import write
from meterseal_aggregator.registry.model import Tenancy
from meterseal_aggregator.storage.database import Database, Transaction
from meterseal_proto.rating.components import (
    Base,
    Calendar,
    Component,
    Export,
    Fixed,
    Flat,
    NetMetering,
    Netting,
    Per,
    PeriodPrice,
    Price,
    Proration,
    Share,
    ShareKind,
    TimeOfUse,
    Window,
)
from meterseal_proto.rating.statement import Rail
from meterseal_proto.rating.tariff import Commodity, FullTariff, Rule, Split
from meterseal_proto.rating.usage import packed
from meterseal_proto.units import IMPORT, Quality, RegisterId
from tests.support.marketplace import make_member
from tests.support.migrated import open_migrated

ZONE = "Europe/Berlin"
BERLIN = ZoneInfo(ZONE)
NETWORK = bytes(range(32))
EUR = Asset("EUR")
CODE = "home"
STEP = 900
DAY = 86_400
HOUR = 3_600
MOST_ROUNDS = 30
"""Rounds of correcting after which it is clear that they do not end."""

Delta = int | Callable[[int], int]
"""Wh of a slot: always the same, or by the second it begins in."""


def at(year: int, month: int, day: int = 1, hour: int = 0, minute: int = 0) -> int:
    """A second by the clocks of Berlin."""
    return int(datetime(year, month, day, hour, minute, tzinfo=BERLIN).timestamp())


BEFORE = at(2026, 1)
MARCH, APRIL, MAY, JUNE, JULY = (at(2026, month) for month in range(3, 8))

DAY_AND_NIGHT = Calendar(
    "clock",
    (
        Window(
            "night", ("mon", "tue", "wed", "thu", "fri", "sat", "sun"), "00:00", "07:00"
        ),
        Window(
            "day", ("mon", "tue", "wed", "thu", "fri", "sat", "sun"), "07:00", "22:00"
        ),
        Window(
            "night", ("mon", "tue", "wed", "thu", "fri", "sat", "sun"), "22:00", "24:00"
        ),
    ),
)
ENERGY = Flat("energy", Price(300_000))
CLOCKED = TimeOfUse(
    "energy",
    "clock",
    (PeriodPrice("day", Price(320_000)), PeriodPrice("night", Price(200_000))),
)
STANDING_CHARGE = Fixed("standing charge", Price(10_000_000), Per.MONTH, Proration.DAYS)
FED_IN = Export("feed-in", Netting.REGISTER, Price(80_000))


def vat(*of: str) -> Share:
    """19 % of named components."""
    return Share("vat", ShareKind.TAX, Price(190_000), Base.EXACT, of)


def a_tariff(
    *components: Component,
    code: str = CODE,
    valid_from: int = BEFORE,
    currency: str = EUR,
) -> FullTariff:
    """A tariff of these components, a standing charge, and VAT of all but what is fed in."""
    own = components or (CLOCKED,)
    names = tuple(c.name for c in own if not isinstance(c, Export | NetMetering))
    every = (*own, STANDING_CHARGE, vat(*names, STANDING_CHARGE.name))
    timed = any(isinstance(c, TimeOfUse) for c in own)
    return FullTariff(
        code, currency, ZONE, valid_from, Commodity.ELECTRICITY, every, Rule.HALF_EVEN,
        Split.PROPORTION, calendars=(DAY_AND_NIGHT,) if timed else (),
    )  # fmt: skip


@dataclass(frozen=True)
class Home:
    """A member, his meter point, its registers by code, and his supply."""

    member: int
    point: int
    supply: int
    registers: dict[RegisterId, int]


@dataclass
class Utility:
    """The utility's database; each method is a transaction of its own."""

    database: Database

    async def publish(self, tariff: FullTariff) -> None:
        """Publish a tariff, before it holds."""
        async with self.database.transaction() as tx:
            await publish(tx, tariff.document(), now=min(tariff.valid_from, BEFORE))

    async def supply(
        self,
        name: str,
        *,
        code: str = CODE,
        from_at: int = MAY,
        to_at: int | None = None,
        registers: Sequence[RegisterId] = (IMPORT,),
        rail: Rail = Rail.LEDGER,
        step: int = STEP,
    ) -> Home:
        """Let somebody move in, with a meter of some registers that stood there before."""
        async with self.database.transaction() as tx:
            member = await make_member(tx, name)
            point = await write.add_meter_point(tx, f"house of {name}", now=BEFORE)
            await write.begin_tenancy(tx, Tenancy(member, point, from_at, to_at))
            rows = await add_meter(tx, point, registers, step=step)
            wish = NewSupply(MemberId(member), point, Terms(code, rail), from_at, to_at)
            made = await begin(tx, wish)
        return Home(member, point, made.id, rows)

    async def use(
        self,
        home: Home,
        begin_at: int,
        end_at: int,
        delta: Delta = 250,
        *,
        register: RegisterId = IMPORT,
        known_at: int | None = None,
        quality: Quality = Quality.VALIDATED,
        step: int = STEP,
    ) -> None:
        """Let every day of a span be known, each slot as `delta` says."""
        days = days_of(begin_at, end_at)
        async with self.database.transaction() as tx:
            for day, first, end in days:
                slots = range(first, end, step)
                row = array(
                    "I", [delta if isinstance(delta, int) else delta(s) for s in slots]
                )
                qualities = bytes([quality]) * len(row)
                known = end + HOUR if known_at is None else known_at
                await pack(
                    tx,
                    home.registers[register],
                    day,
                    (first, step, row, qualities),
                    known,
                )

    async def tell_day(
        self, register: int, first: int, delta: int, *, known_at: int
    ) -> None:
        """Let a day of a register be known otherwise: the same in each slot."""
        ((day, begin_at, end_at),) = days_of(first, _midnight_after(first))
        row = array("I", [delta] * ((end_at - begin_at) // STEP))
        qualities = bytes([Quality.VALIDATED]) * len(row)
        async with self.database.transaction() as tx:
            await pack(tx, register, day, (first, STEP, row, qualities), known_at)

    async def bill(self, *, now: int, limit: int = 500) -> list[BillRow]:
        """Bill until nobody is due; returns all bills there are."""
        while await run_once(self.database, NETWORK, now, limit):
            pass
        return await self.bills()

    async def correct(self, *, now: int) -> list[BillRow]:
        """Correct until nothing is known otherwise; returns all bills and credit notes."""
        rounds = 0
        while await affected.run_once(self.database, NETWORK, now):
            rounds += 1
            assert rounds < MOST_ROUNDS
        return await self.bills()

    async def bills(self) -> list[BillRow]:
        """Return all bills and credit notes, in order."""
        async with self.database.reading() as tx:
            return await store.bills(tx, limit=10_000)

    async def standing(self, bill: BillRow) -> Standing:
        """Return where a bill stands."""
        async with self.database.reading() as tx:
            return (await store.standings(tx, [bill.id]))[bill.id]

    async def balance(self, code: AccountCode, asset: Asset = EUR) -> int:
        """Return what an account was credited beyond its debits; below 0 what it owes."""
        async with self.database.reading() as tx:
            found = (await ledger.balances(tx, asset, [code])).get(code)
        return found.credits_posted - found.debits_posted if found else 0

    async def waits(self) -> list[tuple[int, str, str]]:
        """Return which supplies wait, and why."""
        async with self.database.reading() as tx:
            rows = await tx.rows(
                "SELECT supply_id, cause, detail FROM bill_waits ORDER BY 1"
            )
        return [(supply, cause, detail) for supply, cause, detail in rows]

    async def faults(self) -> list[str]:
        """Return what the audit of bills finds wrong."""
        async with self.database.reading() as tx:
            return [one.detail for one in await findings(tx) if not one.ok]


@asynccontextmanager
async def a_utility(folder: Path, *tariffs: FullTariff) -> AsyncIterator[Utility]:
    """Open a utility in Berlin with its tariffs (one by the clock), final at once."""
    database = await open_migrated(folder / "utility.sqlite")
    utility = Utility(database)
    try:
        async with database.transaction() as tx:
            await declare(tx, EUR, now=BEFORE)
            for name, value in (
                (Name.ZONE, ZONE),
                (Name.MONEY_ASSET, EUR),
                (Name.FINALITY_DELAY_S, 0),
            ):
                await record(tx, Change(name, value, BEFORE, BEFORE, "test"))
        for tariff in tariffs or (a_tariff(),):
            await utility.publish(tariff)
        yield utility
        assert await utility.faults() == []
    finally:
        await database.close()


async def add_meter(
    tx: Transaction,
    point: int,
    registers: Sequence[RegisterId],
    *,
    from_at: int = BEFORE,
    step: int = STEP,
) -> dict[RegisterId, int]:
    """Let a meter stand at a point from a second on; returns its registers' row ids."""
    ((last,),) = await tx.rows("SELECT coalesce(max(id), 0) FROM meters")
    number = last + 1
    meter = number.to_bytes(16)
    await tx.many(
        "INSERT INTO meters (id, meter, serial, profile, agent, enrolled_at)"
        " VALUES (?, ?, ?, 'sdm120', 'agent', 0)",
        [(number, meter, f"S{number}")],
    )
    await tx.many(
        "INSERT INTO installations (meter_id, meter_point_id, from_at) VALUES (?, ?, ?)",
        [(number, point, from_at)],
    )
    found = {}
    for code in registers:
        ((row,),) = await tx.rows("SELECT coalesce(max(id), 0) + 1 FROM registers")
        await tx.many(
            "INSERT INTO registers (id, meter_id, register, step, capacity_w,"
            " initial_value, initial_at, enrolment_hash)"
            " VALUES (?, ?, ?, ?, 9000, 0, ?, ?)",
            [(row, number, code, step, from_at, row.to_bytes(32))],
        )
        found[code] = row
    return found


async def pack(
    tx: Transaction,
    register: int,
    day: int,
    slots: tuple[int, int, "array[int]", bytes],
    known_at: int,
) -> None:
    """Write the next version of a day of a register, as validation packs it.

    `slots` are the first second, the step, the deltas and their qualities.
    """
    first, step, row, qualities = slots
    await tx.many(
        "INSERT INTO usage_days (register_id, day, version, first, step, deltas, qualities,"
        " known_at) VALUES (?1, ?2, 1 + (SELECT coalesce(max(version), 0) FROM usage_days"
        " WHERE register_id = ?1 AND day = ?2), ?3, ?4, ?5, ?6, ?7)",
        [(register, day, first, step, packed(row), qualities, known_at)],
    )


def days_of(begin_at: int, end_at: int) -> list[tuple[int, int, int]]:
    """Return the local days of a span: number, first second, first second after."""
    first = datetime.fromtimestamp(begin_at, BERLIN).date()
    found = []
    while (begin := _midnight(first)) < end_at:
        after = first + timedelta(1)
        number = (first - date(1970, 1, 1)).days
        found.append((number, max(begin, begin_at), min(_midnight(after), end_at)))
        first = after
    return found


def _midnight_after(second: int) -> int:
    return _midnight(datetime.fromtimestamp(second, BERLIN).date() + timedelta(1))


def _midnight(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=BERLIN).timestamp())
