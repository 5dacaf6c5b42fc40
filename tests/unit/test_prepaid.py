"""Prepaid supplies: a day's usage is drawn as it is known, and the bill finds it paid."""

import struct
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from meterseal_aggregator.billing.model import BillState
from meterseal_aggregator.billing.receivables import store
from meterseal_aggregator.billing.receivables.audit import findings
from meterseal_aggregator.billing.receivables.duty import run_batch
from meterseal_aggregator.billing.receivables.model import Source, prepaid
from meterseal_aggregator.billing.statements import affected
from meterseal_aggregator.billing.statements import duty as billing
from meterseal_aggregator.billing.statements.store import bills, standings
from meterseal_aggregator.identity import events
from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.accounts import arrears, user
from meterseal_aggregator.ledger.assets import declare
from meterseal_aggregator.ledger.model import AccountCode
from meterseal_aggregator.storage.database import Database, Transaction
from meterseal_proto.units import IMPORT
from tests.support.billed import CENT, DAY, KES, XTS, Household, a_household, billed
from tests.support.marketplace import a_market, fund, make_home

FEBRUARY = int(datetime(2027, 2, 1, tzinfo=UTC).timestamp())
MARCH = FEBRUARY + 28 * DAY
A_DAY = 240
"""Cents of 9.6 kWh at 0.25."""
NETWORK = bytes(32)


class House:
    """A prepaid home with a meter whose days are told one by one."""

    def __init__(self, db: Database, home: Household, register: int) -> None:
        self.db, self.home, self.register = db, home, register
        self.versions: dict[int, int] = {}

    async def use(self, day: int, wh: int = 100, *, at: int | None = None) -> None:
        """Let a day of February be known: so many Wh a quarter of an hour."""
        first = FEBRUARY + day * DAY
        version = self.versions[day] = self.versions.get(day, 0) + 1
        known_at = first + DAY if at is None else at
        row = (
            self.register, first // DAY, version, first, 900,
            struct.pack("<96I", *[wh] * 96), bytes([17]) * 96, known_at,
        )  # fmt: skip
        async with self.db.transaction() as tx:
            await tx.many(
                "INSERT INTO usage_days (register_id, day, version, first, step, deltas,"
                " qualities, known_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [row],
            )

    async def work(self, now: int) -> None:
        """Do all that time has brought to money."""
        async with self.db.transaction() as tx:
            runs = 0
            while await run_batch(tx, now=now):
                runs += 1
                assert runs < 50
            assert [one for one in await findings(tx) if not one.ok] == []

    async def bill(self, now: int) -> None:
        """Issue what is due."""
        while await billing.run_once(self.db, NETWORK, now):
            pass

    async def pay_in(self, cents: int, now: int) -> None:
        async with self.db.transaction() as tx:
            await fund(tx, self.home.member, cents * CENT, now=now)

    async def held(self) -> tuple[int, int, int]:
        """Cents on the balance, waiting for the bill, and owed."""
        async with self.db.reading() as tx:
            return (
                await _held(tx, user(self.home.member)) // CENT,
                await _held(tx, prepaid(self.home.supply)) // CENT,
                await _owed(tx, arrears(self.home.member)) // CENT,
            )

    async def told(self, kind: str) -> list[str]:
        async with self.db.reading() as tx:
            found = await events.told(tx, self.home.member, after=0, limit=500)
        return [one.body for one in found if one.kind == kind]


async def _held(tx: Transaction, code: AccountCode) -> int:
    found = (await ledger.balances(tx, XTS, [code])).get(code)
    return found.held if found else 0


async def _owed(tx: Transaction, code: AccountCode) -> int:
    found = (await ledger.balances(tx, XTS, [code])).get(code)
    return found.owed if found else 0


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with a_market(tmp_path) as db:
        async with db.transaction() as tx:
            home = await a_household(tx, prepaid=True, cents=10_000, since=FEBRUARY)
            meter = await make_home(tx, home.member, home.point, register=IMPORT)
        yield House(db, home, meter.register_id)


async def test_each_day_is_drawn_once_it_is_over_and_known(house: House) -> None:
    await house.work(FEBRUARY + DAY)
    assert await house.held() == (10_000, 0, 0)
    await house.use(0)
    await house.work(FEBRUARY + DAY + 3_600)
    assert await house.held() == (10_000 - A_DAY, A_DAY, 0)
    await house.use(1)
    await house.work(FEBRUARY + 2 * DAY - 1)
    assert await house.held() == (10_000 - A_DAY, A_DAY, 0)
    await house.work(FEBRUARY + 2 * DAY + 3_600)
    await house.work(FEBRUARY + 2 * DAY + 7_200)
    assert await house.held() == (10_000 - 2 * A_DAY, 2 * A_DAY, 0)


async def test_days_that_come_together_are_drawn_together(house: House) -> None:
    for day in range(5):
        await house.use(day)
    await house.work(FEBRUARY + 5 * DAY)
    assert await house.held() == (10_000 - 5 * A_DAY, 5 * A_DAY, 0)


async def test_less_usage_than_was_told_first_gives_money_back(house: House) -> None:
    await house.use(0, 200)
    await house.work(FEBRUARY + DAY)
    assert (await house.held())[1] == 2 * A_DAY
    await house.use(0, 50, at=FEBRUARY + DAY + 60)
    await house.use(1, 0)
    await house.work(FEBRUARY + 2 * DAY)
    assert await house.held() == (10_000 - A_DAY // 2, A_DAY // 2, 0)


async def test_the_bill_is_paid_by_what_was_drawn(house: House) -> None:
    for day in range(28):
        await house.use(day)
    await house.work(MARCH)
    assert await house.held() == (10_000 - 28 * A_DAY, 28 * A_DAY, 0)
    await house.bill(MARCH + DAY)
    assert (await house.held())[2] == 28 * A_DAY
    await house.work(MARCH + DAY)
    assert await house.held() == (10_000 - 28 * A_DAY, 0, 0)
    async with house.db.reading() as tx:
        (bill,) = await bills(tx, limit=9)
        assert (await standings(tx, [bill.id]))[bill.id].state is BillState.PAID
        (receipt,) = await store.receipts(tx, after=0, limit=9)
    assert receipt.source is Source.PREPAID


async def test_what_was_drawn_too_much_goes_back_with_the_bill(house: House) -> None:
    for day in range(28):
        await house.use(day)
    await house.work(MARCH)
    await house.use(27, 0, at=MARCH + 60)
    await house.bill(MARCH + DAY)
    await house.work(MARCH + DAY)
    assert await house.held() == (10_000 - 27 * A_DAY, 0, 0)


async def test_a_short_balance_is_drawn_empty_and_the_rest_is_owed(
    tmp_path: Path,
) -> None:
    async with a_market(tmp_path) as db:
        async with db.transaction() as tx:
            home = await a_household(tx, prepaid=True, cents=600, since=FEBRUARY)
            meter = await make_home(tx, home.member, home.point, register=IMPORT)
        house = House(db, home, meter.register_id)
        for day in range(28):
            await house.use(day)
            await house.work(FEBRUARY + (day + 1) * DAY)
        assert await house.held() == (0, 600, 0)
        await house.pay_in(240, MARCH)
        await house.work(MARCH + 3_600)
        assert await house.held() == (0, 840, 0)
        await house.bill(MARCH + DAY)
        await house.work(MARCH + DAY)
        assert await house.held() == (0, 0, 28 * A_DAY - 840)


async def test_what_is_drawn_for_a_month_pays_no_older_debt(tmp_path: Path) -> None:
    april = MARCH + 31 * DAY
    async with a_market(tmp_path) as db:
        async with db.transaction() as tx:
            home = await a_household(tx, prepaid=True, cents=600, since=FEBRUARY)
            meter = await make_home(tx, home.member, home.point, register=IMPORT)
        house = House(db, home, meter.register_id)
        for day in range(28 + 31):
            await house.use(day)
        await house.work(MARCH)
        await house.bill(MARCH + DAY)
        await house.work(MARCH + DAY)
        debt = 28 * A_DAY - 600
        assert await house.held() == (0, 0, debt)
        await house.pay_in(40 * A_DAY, MARCH + DAY)
        await house.work(april)
        await house.bill(april + DAY)
        await house.work(april + DAY)
        assert (await house.held())[:2] == (9 * A_DAY, 0)
        async with db.reading() as tx:
            old, new = await bills(tx, limit=9)
            stand = await standings(tx, [old.id, new.id])
        assert stand[old.id].paid == 600 * CENT
        assert stand[new.id].state is BillState.PAID


async def test_a_member_is_told_once_that_little_is_left(tmp_path: Path) -> None:
    async with a_market(tmp_path) as db:
        async with db.transaction() as tx:
            home = await a_household(tx, prepaid=True, cents=5 * A_DAY, since=FEBRUARY)
            meter = await make_home(tx, home.member, home.point, register=IMPORT)
        house = House(db, home, meter.register_id)
        told = []
        for day in range(5):
            await house.use(day)
            await house.work(FEBRUARY + (day + 1) * DAY)
            told.append(len(await house.told("balance-low")))
        assert told == [0, 0, 1, 1, 1]
        await house.pay_in(10 * A_DAY, FEBRUARY + 5 * DAY)
        for day in range(5, 14):
            await house.use(day)
            await house.work(FEBRUARY + (day + 1) * DAY)
        assert len(await house.told("balance-low")) == 2


async def test_the_next_cycle_is_drawn_after_its_bill(house: House) -> None:
    for day in range(30):
        await house.use(day)
    await house.work(MARCH + 2 * DAY)
    assert (await house.held())[1] == 28 * A_DAY
    await house.bill(MARCH + 2 * DAY)
    await house.work(MARCH + 2 * DAY)
    await house.work(MARCH + 2 * DAY + 3_600)
    assert await house.held() == (10_000 - 30 * A_DAY, 2 * A_DAY, 0)


async def test_a_later_reading_gives_back_what_the_bill_took_too_much(
    house: House,
) -> None:
    for day in range(28):
        await house.use(day)
    await house.work(MARCH)
    await house.bill(MARCH + DAY)
    await house.work(MARCH + DAY)
    await house.use(3, 0, at=MARCH + 2 * DAY)
    while await affected.run_once(house.db, NETWORK, MARCH + 2 * DAY + 60):
        pass
    await house.work(MARCH + 2 * DAY + 60)
    assert await house.held() == (10_000 - 27 * A_DAY, 0, 0)
    await house.use(3, 200, at=MARCH + 3 * DAY)
    while await affected.run_once(house.db, NETWORK, MARCH + 3 * DAY + 60):
        pass
    await house.work(MARCH + 3 * DAY + 60)
    # A bill that grew after it was issued is owed: nothing was drawn for it.
    assert await house.held() == (10_000 - 27 * A_DAY, 0, 2 * A_DAY)


async def test_what_was_drawn_pays_no_bill_of_another_asset(house: House) -> None:
    for day in range(28):
        await house.use(day)
    await house.work(MARCH)
    # A day of what was drawn is left when the supply's own bill is paid.
    await house.use(27, 0, at=MARCH + 60)
    async with house.db.transaction() as tx:
        await declare(tx, KES, now=FEBRUARY)
        abroad = replace(house.home, tariff=replace(house.home.tariff, currency=KES))
        other = await billed(tx, abroad, 500, issued_at=MARCH + 4 * DAY)
    await house.bill(MARCH + DAY)
    await house.work(MARCH + DAY)
    assert await house.held() == (10_000 - 27 * A_DAY, 0, 0)
    async with house.db.reading() as tx:
        found = (await standings(tx, [other]))[other]
    assert (found.paid, found.state) == (0, BillState.ISSUED)
