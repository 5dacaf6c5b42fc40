"""A reading corrected three months later, through every duty: bill, credits, trade and trust."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import pytest

from meterseal_aggregator import credits as credit_room
from meterseal_aggregator import vee
from meterseal_aggregator.billing.model import BillRow, BillState
from meterseal_aggregator.billing.receivables import audit as receivables_audit
from meterseal_aggregator.billing.receivables import duty as receivables
from meterseal_aggregator.billing.receivables.model import Wish
from meterseal_aggregator.billing.receivables.pay import pay
from meterseal_aggregator.billing.statements import affected, audit, duty, store
from meterseal_aggregator.billing.supplies.model import NewSupply, Terms
from meterseal_aggregator.billing.supplies.store import begin
from meterseal_aggregator.billing.tariffs.store import publish
from meterseal_aggregator.identity.model import MemberId
from meterseal_aggregator.jobs import until_idle
from meterseal_aggregator.ledger import check as ledger_check
from meterseal_aggregator.ledger.accounts import (
    REVERSED,
    UTILITY,
    WHEELING,
    buyer,
    debt,
    producer,
    retired,
    user,
)
from meterseal_aggregator.ledger.model import WH
from meterseal_aggregator.market.settlement import audit as settlement_audit
from meterseal_aggregator.market.settlement.model import SlotRun
from meterseal_aggregator.market.settlement.runs import Run, due_at
from meterseal_aggregator.vee import days, editcheck, recount
from meterseal_proto.rating.components import Flat, Price, Wheeling
from meterseal_proto.rating.statement import StatementKind
from meterseal_proto.rating.statement_json import read_statement
from meterseal_proto.rating.tariff import Commodity, Cycle, FullTariff, Rule, Split
from meterseal_proto.units import EXPORT, IMPORT, RegisterId
from tests.support.edits import edit_span
from tests.support.marketplace import XTS, make_home, make_point
from tests.support.migrated import open_migrated
from tests.support.settling import NETWORK, World, a_world, slot
from tests.support.street import BEGIN, STEP, Home

DAY, HOUR = 86_400, 3_600
SLOTS = DAY // STEP
NOON = 48
"""The slot that is traded."""
MONTH, LAST = (due_at(run, slot(NOON), "UTC") for run in (Run.MONTH, Run.LAST))


def a_tariff(price: int, valid_from: int) -> FullTariff:
    """A price of energy and of lines, a bill a day."""
    parts = (Flat("energy", Price(price)), Wheeling("lines", Price(50_000)))
    return FullTariff(
        "daily", "XTS", "UTC", valid_from, Commodity.ELECTRICITY, parts, Rule.HALF_EVEN,
        Split.PROPORTION, minor=6, cycle=Cycle.DAY,
    )  # fmt: skip


OLD, DEARER = a_tariff(300_000, BEGIN), a_tariff(900_000, BEGIN + 30 * DAY)


@dataclass
class Street:
    """A seller and Ada, who buys of him; both are supplied for a day."""

    world: World
    ada: int
    imports: dict[int, Home]

    async def duties(self) -> None:
        """Run every duty until nothing is left to do; then every audit is green.

        Bills are of what was known a while before, so that takes an hour.
        """
        world, database = self.world, self.world.database
        await world.run()
        await until_idle(lambda: days.run_once(database, world.now))
        world.now += HOUR
        await until_idle(lambda: duty.run_once(database, NETWORK, world.now))
        await until_idle(lambda: affected.run_once(database, NETWORK, world.now))
        await until_idle(lambda: receivables.run_once(database, world.now))
        async with database.reading() as tx:
            found = [
                *await vee.findings(tx),
                *await credit_room.findings(tx),
                *await ledger_check.findings(tx),
                *await editcheck.findings(tx, NETWORK),
                *await settlement_audit.findings(tx),
                *await recount.findings(tx),
                *await audit.findings(tx),
                *await receivables_audit.findings(tx),
            ]
        assert {one.invariant for one in found} >= {
            1,
            2,
            3,
            4,
            6,
            12,
            13,
            14,
            18,
            19,
            20,
        }
        assert [one for one in found if not one.ok] == []

    async def edit(self, home: Home, register: RegisterId, wh: int) -> None:
        """Say what a register moved at noon."""
        database, now = self.world.database, self.world.now
        span = slot(NOON), slot(NOON) + STEP
        await edit_span(database, home.meter, span, wh, now=now, register=register)

    async def bills(self, member: int) -> list[BillRow]:
        async with self.world.database.reading() as tx:
            found = await store.bills(tx, limit=100)
        return [one for one in found if one.member == member]

    async def pay(self, bill: BillRow) -> None:
        async with self.world.database.transaction() as tx:
            await pay(
                tx, Wish(bill.member, bill.amount, bill.number), now=self.world.now
            )

    async def state(self, bill: BillRow) -> BillState:
        async with self.world.database.reading() as tx:
            return (await store.standings(tx, [bill.id]))[bill.id].state

    async def money(self) -> dict[str, int]:
        """Return what every account of money has, as far as bills move it."""
        rows = await self.world.rows(
            "SELECT code, credits_posted - debits_posted FROM ledger_accounts"
            " WHERE asset = ?",
            XTS,
        )
        return {code: wh for code, wh in rows if wh}

    async def energy(self) -> tuple[int, int, int]:
        """Return what the seller holds and owes, and what was reversed, in Wh."""
        seller = self.world.producers[0].member
        owed = await self.world.owed(debt(seller), WH)
        return (
            await self.world.energy(producer(seller)),
            owed,
            await self.world.energy(REVERSED),
        )


@pytest.fixture
async def street(tmp_path: Path) -> AsyncIterator[Street]:
    database = await open_migrated(tmp_path / "street.sqlite")
    try:
        yield await supplied(await a_world(database))
    finally:
        await database.close()


async def supplied(world: World) -> Street:
    """Let the seller and Ada be supplied for the first day, each with an import register."""
    ada, seller = world.buyers[0], world.producers[0]
    assert seller.home is not None
    async with world.database.transaction() as tx:
        for tariff in (OLD, DEARER):
            await publish(tx, tariff.document(), now=BEGIN)
        point = await make_point(tx, ada)
        hers = await make_home(tx, ada, point, register=IMPORT)
        his = Home(900, seller.home.meter, seller.member)
        await tx.rows(
            "INSERT INTO registers (id, meter_id, register, step, capacity_w,"
            " initial_value, initial_at, enrolment_hash)"
            " SELECT ?, meter_id, ?, step, capacity_w, initial_value, initial_at, ?"
            " FROM registers WHERE id = ?",
            (900, IMPORT, bytes([9]) * 32, seller.home.register_id),
        )
        for member, place in ((ada, point), (seller.member, seller.point)):
            wish = NewSupply(
                MemberId(member), place, Terms("daily"), BEGIN, BEGIN + DAY
            )
            await begin(tx, wish)
    return Street(world, ada, {ada: hers, seller.member: his})


async def a_traded_day(street: Street) -> tuple[BillRow, BillRow]:
    """Ada buys 500 Wh at noon and uses 700; both are billed, and pay."""
    world = street.world
    seller = world.producers[0]
    assert seller.home is not None
    await world.sell(street.ada, NOON, 500)
    async with world.database.transaction() as tx:
        await seller.home.tell(tx, *[0] * NOON, 500, 40, *[0] * (SLOTS - NOON - 2))
        quiet = [10] * SLOTS
        await street.imports[seller.member].tell(tx, *quiet)
        await street.imports[street.ada].tell(
            tx, *quiet[:NOON], 700, *quiet[: SLOTS - NOON - 1]
        )
    world.now = BEGIN + DAY + 7 * HOUR
    await street.duties()
    (hers,), (his,) = [await street.bills(one) for one in (street.ada, seller.member)]
    await world.pay_in(user(seller.member), 1_000_000)
    for bill in (hers, his):
        await street.pay(bill)
        assert await street.state(bill) is BillState.PAID
    await street.duties()
    world.now = MONTH
    await street.duties()
    return hers, his


async def test_a_reading_corrected_three_months_later_mends_everything_it_touched(
    street: Street,
) -> None:
    hers, his = await a_traded_day(street)
    world, ada, seller = street.world, street.ada, street.world.producers[0]
    before, trust = await street.money(), await world.trust()
    assert await street.energy() == (40, 0, 0)
    assert seller.home is not None
    world.now = LAST - DAY
    await street.edit(seller.home, EXPORT, 200)
    await street.edit(street.imports[ada], IMPORT, 420)
    await street.duties()
    # A credit note and a new bill, by the tariff that held then. What a certified seller
    # exports is credits and no part of his bill, so that stays.
    old, note, new = await street.bills(ada)
    assert (old, note.kind, note.corrects, note.amount) == (
        hers, StatementKind.CREDIT_NOTE, hers.id, -hers.amount,
    )  # fmt: skip
    statement = read_statement(new.document)
    assert [one.tariff for one in statement.segments] == [OLD.hash()]
    used = {one.component: one.quantity for one in statement.lines}
    assert used["energy"] == Fraction(95 * 10, 1_000)
    assert await street.state(new) is BillState.PAID
    assert await street.bills(seller.member) == [his]
    # Of money only the difference moved: energy of the grid, lines of the rest.
    differ = {
        f"user:{ada}": 200 * 300 + 80 * 50,
        UTILITY: -200 * 300,
        WHEELING: -80 * 50,
    }
    assert hers.amount - new.amount == differ[f"user:{ada}"]
    assert await differences(street, before) == differ
    # 300 credits are taken back: what he holds burns, the rest he owes; she keeps hers.
    assert await street.energy() == (0, 260, 300)
    assert await world.energy(buyer(ada)) + await world.energy(retired(str(ada))) == 500
    assert await world.trust() == trust
    await the_last_run(street)
    assert await differences(street, before) == differ
    assert len(await street.bills(ada)) == 3


async def the_last_run(street: Street) -> None:
    """Let settlement look again after three months, and the debt be repaid."""
    world = street.world
    ((made,),) = await world.rows("SELECT id FROM trades")
    world.now = LAST
    await street.duties()
    assert await world.slot_run(NOON) == (3, SlotRun(200, 500, 0, 0, 300))
    corrected = await world.trust()
    assert [one[1] for one in corrected] == ["delivered", f"corrected-3-{made}"]
    # 0.05 for all of it becomes -0.10 x 3/5.
    assert corrected[-1][2] == -500 - 600
    # Nothing of it happens again, and what he makes next repays.
    world.now = LAST + DAY
    await street.duties()
    assert await world.trust() == corrected
    await world.tell(300)
    world.now += DAY
    await street.duties()
    assert await street.energy() == (40, 0, 300)


async def differences(street: Street, before: dict[str, int]) -> dict[str, int]:
    """Return which accounts of money have something else now, and how much more."""
    after = await street.money()
    changed = {
        code: after.get(code, 0) - before.get(code, 0) for code in after | before
    }
    return {code: micro for code, micro in changed.items() if micro}
