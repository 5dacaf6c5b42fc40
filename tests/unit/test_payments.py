"""Money in and out: recorded once, by somebody, and never more than is there."""

import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from meterseal_aggregator.billing import audit, payments
from meterseal_aggregator.billing.payments import (
    MAX_PAYMENT_MICRO,
    Actor,
    Direction,
    Payment,
    Purse,
    Way,
    Wish,
)
from meterseal_aggregator.identity.events import told
from meterseal_aggregator.identity.model import NoSuchMember
from meterseal_aggregator.identity.store import acts
from meterseal_aggregator.ledger.accounts import CASH, user
from meterseal_aggregator.ledger.model import AccountCode
from meterseal_aggregator.market.listings.model import REFUNDS
from meterseal_aggregator.market.model import Cause, Declined
from meterseal_aggregator.storage.database import Database
from tests.support.lanec import held, move
from tests.support.marketplace import NOW, XTS, a_market, make_member

BY = Actor("mst_operat", NOW + 5)
IN, OUT = Direction.IN, Direction.OUT


@dataclass
class Office:
    """Where operators record payments; Ada's number."""

    database: Database
    ada: int
    keys: int = 0

    def wish(
        self, direction: Direction, amount: int, account: int | Purse | None = None
    ) -> Wish:
        self.keys += 1
        whose = self.ada if account is None else account
        number = str(self.keys)
        return Wish(whose, direction, amount, Way.BANK, f"FT-{number}", f"key-{number}")

    async def record(self, wish: Wish, by: Actor = BY) -> Payment:
        async with self.database.transaction() as tx:
            return await payments.record(tx, wish, by, now=NOW)

    async def held(self, code: AccountCode) -> int:
        async with self.database.reading() as tx:
            return await held(tx, code, XTS)

    async def sound(self) -> bool:
        async with self.database.reading() as tx:
            return all(one.ok for one in await audit.findings(tx))


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with a_market(tmp_path) as database:
        async with database.transaction() as tx:
            ada = await make_member(tx, "Ada")
        yield Office(database, ada)


async def test_money_comes_in_and_goes_out_through_cash(office: Office) -> None:
    first = await office.record(office.wish(IN, 500))
    await office.record(office.wish(OUT, 200))
    assert await office.held(user(office.ada)) == 300
    assert (first.id, first.account, first.asset) == (1, user(office.ada), XTS)
    assert (first.actor, first.recorded_at) == (BY.name, NOW)
    assert await office.sound()


async def test_purses_are_paid_into_and_out_of(office: Office) -> None:
    for purse, code in (
        (Purse.MUTUAL_FUND, AccountCode("mutual-fund")),
        (Purse.REWARD_POOL, AccountCode("reward-pool")),
        (Purse.REFUNDS, REFUNDS),
    ):
        made = await office.record(office.wish(IN, 900, purse))
        assert made.member is None
        await office.record(office.wish(OUT, 300, purse))
        assert await office.held(code) == 600
    assert await office.sound()


async def test_nobody_is_paid_more_than_he_has(office: Office) -> None:
    await office.record(office.wish(IN, 10_000, Purse.MUTUAL_FUND))
    await office.record(office.wish(IN, 500))
    wish = office.wish(OUT, 501)
    with pytest.raises(Declined) as declined:
        await office.record(wish)
    assert declined.value.cause is Cause.FUNDS
    assert await office.held(user(office.ada)) == 500
    # A refused payment leaves neither its key nor its reference behind.
    await office.record(replace(wish, amount=500))
    assert await office.held(user(office.ada)) == 0


async def test_we_never_pay_out_more_than_came_in(office: Office) -> None:
    async with office.database.transaction() as tx:
        await move(tx, AccountCode("chain:x"), user(office.ada), 700, XTS)
    with pytest.raises(Declined) as declined:
        await office.record(office.wish(OUT, 700))
    assert declined.value.cause is Cause.FUNDS
    assert "ever came in" in declined.value.detail


async def test_the_same_wish_is_recorded_once_whoever_retries_it(
    office: Office,
) -> None:
    wish = office.wish(IN, 500)
    first = await office.record(wish)
    assert await office.record(wish, Actor("mst_second", NOW + 9)) == first
    assert await office.held(user(office.ada)) == 500
    async with office.database.reading() as tx:
        assert [
            (a.actor, a.act, a.object, a.at) for a in await acts(tx, after=0, limit=9)
        ] == [(BY.name, "payment", "payment 1", BY.real_now)]


async def test_another_wish_under_a_used_key_names_the_field(office: Office) -> None:
    wish = office.wish(IN, 500)
    await office.record(wish)
    for other, name in (
        (replace(wish, account=Purse.MUTUAL_FUND), "account"),
        (replace(wish, direction=OUT), "direction"),
        (replace(wish, amount=501), "amount_micro"),
        (replace(wish, way=Way.CASH), "way"),
        (replace(wish, reference="FT-9"), "reference"),
    ):
        with pytest.raises(Declined) as declined:
            await office.record(other)
        assert declined.value.cause is Cause.KEY_USED
        assert f"different {name}," in declined.value.detail


async def test_one_receipt_is_one_payment_however_it_is_spelled(
    office: Office,
) -> None:
    wish = replace(office.wish(IN, 500), reference="qk41tz")
    await office.record(wish)
    again = replace(wish, reference="QK41tz", key="another")
    with pytest.raises(Declined) as declined:
        await office.record(again)
    assert declined.value.cause is Cause.STATE
    assert "payment 1 " in declined.value.detail
    # Another bank's numbers are its own.
    await office.record(replace(again, way=Way.MOBILE))
    assert await office.held(user(office.ada)) == 1_000


async def test_nobody_unknown_is_paid(office: Office) -> None:
    with pytest.raises(NoSuchMember):
        await office.record(office.wish(IN, 500, 99))
    assert await office.sound()


async def test_sums_that_no_account_holds_are_declined(office: Office) -> None:
    async with office.database.transaction() as tx:
        most = (1 << 63) - MAX_PAYMENT_MICRO
        await move(tx, CASH, AccountCode("mutual-fund"), most, XTS)
    with pytest.raises(Declined) as declined:
        await office.record(office.wish(IN, MAX_PAYMENT_MICRO))
    assert declined.value.cause is Cause.RESERVE


async def test_members_are_told_of_theirs_and_see_no_others(office: Office) -> None:
    async with office.database.transaction() as tx:
        bo = await make_member(tx, "Bo")
    await office.record(office.wish(IN, 500))
    await office.record(office.wish(IN, 700, bo))
    await office.record(office.wish(IN, 900, Purse.REWARD_POOL))
    async with office.database.reading() as tx:
        (news,) = await told(tx, bo, after=0, limit=9)
        assert news.body == '{"id":2,"direction":"in","amount_micro":700}'
        (own,) = await payments.payments(tx, after=0, limit=9, member=bo)
        assert own.id == 2
        paged = await payments.payments(tx, after=1, limit=9)
        assert [one.id for one in paged] == [2, 3]


async def test_the_schema_keeps_payments_for_ever(office: Office) -> None:
    await office.record(office.wish(IN, 500))
    for sql in (
        "UPDATE payments SET amount = 1",
        "DELETE FROM payments",
        (
            "INSERT INTO payments (account, direction, amount, asset, way, reference, actor,"
            " request_key, recorded_at) VALUES ('reward-pool', 'in', 1, 'XTS', 'bank',"
            " 'ft-1', 'x', 'other', 1)"
        ),
    ):
        with pytest.raises(sqlite3.IntegrityError):
            async with office.database.transaction() as tx:
                await tx.rows(sql)


async def test_the_audit_sees_a_payment_that_the_ledger_lacks(office: Office) -> None:
    await office.record(office.wish(IN, 500))
    async with office.database.transaction() as tx:
        await tx.rows(
            "INSERT INTO payments (account, direction, amount, asset, way, reference,"
            " actor, request_key, recorded_at)"
            " VALUES ('reward-pool', 'in', 1, 'XTS', 'bank', 'FT-2', 'x', 'other', 1)"
        )
    assert not await office.sound()
