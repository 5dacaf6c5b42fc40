"""OpenPAYGO tokens: paid for once, understood by the device, their keys shut away."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from openpaygo import decode_token  # type: ignore[import-untyped]

from meterseal_aggregator.billing import payments
from meterseal_aggregator.billing.model import Cause, Refused
from meterseal_aggregator.billing.payments import Direction, Way
from meterseal_aggregator.billing.receivables import paygo
from meterseal_aggregator.billing.receivables.audit import findings
from meterseal_aggregator.billing.receivables.paygo import (
    MAX_COUNTER,
    MAX_DAYS,
    Device,
    NewDevice,
    Token,
    Unlock,
)
from meterseal_aggregator.billing.receivables.vault import Vault
from meterseal_aggregator.identity import events
from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.accounts import UTILITY
from meterseal_aggregator.storage.database import Database, Transaction
from meterseal_proto.errors import Unavailable
from tests.support.billed import BY, CENT, KES, XTS
from tests.support.marketplace import NOW, a_market, balance, make_member

VAULT = Vault(bytes(range(32)))
KEY = bytes.fromhex("a29ab82edc5fbbc41ec9530f6dac86b1")


@dataclass
class Desk:
    """Where Ada's payments come in; the transaction of a test."""

    tx: Transaction
    ada: int

    async def pay(self, cents: int, direction: str = "in") -> int:
        ((count,),) = await self.tx.rows("SELECT count(*) FROM payments")
        number = f"P{count}"
        wish = payments.Wish(
            self.ada, Direction(direction), cents * CENT, Way.CASH, number, number
        )
        return (await payments.record(self.tx, wish, BY, now=NOW)).id

    def new(self, **how: object) -> NewDevice:
        plain = NewDevice(self.ada, "SN-1", KEY, 25 * CENT, XTS)
        return replace(plain, **how)  # type: ignore[arg-type]

    async def add(self, **how: object) -> Device:
        return await paygo.add(self.tx, VAULT, self.new(**how), BY, now=NOW)

    async def unlock(self, device: int, payment: int) -> Token:
        wish = Unlock(device, payment)
        return await paygo.unlock(self.tx, VAULT, wish, BY, now=NOW)

    async def refused(self, device: int, payment: int) -> Cause:
        with pytest.raises(Refused) as caught:
            await self.unlock(device, payment)
        return caught.value.cause


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with a_market(tmp_path) as db, db.transaction() as tx:
        yield Desk(tx, await make_member(tx, "Ada"))
        assert [one for one in await findings(tx) if not one.ok] == []


def on_device(made: Token, count: int, *, four_digits: bool = False) -> tuple[int, int]:
    """Enter a token as a device does; returns the days it adds and its counter then."""
    value, kind, new_count, _ = decode_token(
        token=made.token,
        secret_key=KEY.hex(),
        count=count,
        used_counts=None,
        restricted_digit_set=four_digits,
    )
    assert kind == 1
    return value, new_count


async def test_a_payment_unlocks_whole_days_and_the_rest_stays(desk: Desk) -> None:
    device = await desk.add()
    made = await desk.unlock(device.id, await desk.pay(310))
    assert (made.days, made.amount, len(made.token)) == (12, 300 * CENT, 9)
    assert on_device(made, 0) == (12, made.counter)
    assert await balance(desk.tx, desk.ada) == 10 * CENT
    held = await ledger.balances(desk.tx, XTS, [UTILITY])
    assert held[UTILITY].held == 300 * CENT
    (told,) = [
        one
        for one in await events.told(desk.tx, desk.ada, after=0, limit=9)
        if one.kind == "paygo-token"
    ]
    assert made.token in told.body


async def test_a_payment_makes_one_token_however_often_it_is_asked(desk: Desk) -> None:
    device = await desk.add()
    payment = await desk.pay(310)
    made = await desk.unlock(device.id, payment)
    assert await desk.unlock(device.id, payment) == made
    other = await desk.add(serial="SN-2")
    assert await desk.refused(other.id, payment) is Cause.STATE
    assert await balance(desk.tx, desk.ada) == 10 * CENT


async def test_a_device_takes_its_tokens_in_turn(desk: Desk) -> None:
    device = await desk.add(counter=7)
    count = 7
    for days in (1, 30, 3):
        made = await desk.unlock(device.id, await desk.pay(25 * days))
        value, count = on_device(made, count)
        assert (value, count) == (days, made.counter)
    assert [one.counter for one in await paygo.devices(desk.tx, after=0, limit=9)] == [
        count
    ]


async def test_a_device_with_four_keys_takes_fifteen_of_them(desk: Desk) -> None:
    device = await desk.add(four_digits=True)
    made = await desk.unlock(device.id, await desk.pay(250))
    assert len(made.token) == 15
    assert set(made.token) <= set("1234")
    assert on_device(made, 0, four_digits=True) == (10, made.counter)


async def test_a_token_adds_no_more_than_its_format_holds(desk: Desk) -> None:
    device = await desk.add(day_price=1)
    made = await desk.unlock(device.id, await desk.pay(1))
    assert (made.days, made.amount) == (MAX_DAYS, MAX_DAYS)
    assert on_device(made, 0)[0] == MAX_DAYS


async def test_what_does_not_pay_for_a_day_makes_no_token(desk: Desk) -> None:
    device = await desk.add()
    assert await desk.refused(device.id, await desk.pay(24)) is Cause.FUNDS
    rich = await desk.pay(500)
    assert await desk.refused(device.id, await desk.pay(500, "out")) is Cause.STATE
    # The money is gone: only what is still on the balance buys days.
    assert await desk.refused(device.id, rich) is Cause.FUNDS
    assert await desk.refused(device.id, 99) is Cause.UNKNOWN
    assert await desk.refused(9, rich) is Cause.UNKNOWN
    spent = await desk.add(serial="SN-9", counter=MAX_COUNTER)
    assert await desk.refused(spent.id, await desk.pay(100)) is Cause.STATE


async def test_a_serial_is_one_device(desk: Desk) -> None:
    device = await desk.add()
    assert await desk.add() == device
    for other in ({"key": bytes(16)}, {"day_price": 1}, {"starting_code": 5}):
        with pytest.raises(Refused) as caught:
            await desk.add(**other)
        assert caught.value.cause is Cause.STATE
    with pytest.raises(Refused) as caught:
        await desk.add(serial="SN-3", asset=KES)
    assert caught.value.cause is Cause.CURRENCY


async def test_no_key_is_in_the_database_nor_opens_for_another_device(
    tmp_path: Path,
) -> None:
    async with a_market(tmp_path) as db:
        await _with_a_device(db)
    files = [one.read_bytes() for one in tmp_path.iterdir() if one.is_file()]
    assert not any(KEY in found or KEY.hex().encode() in found for found in files)
    sealed = VAULT.seal("SN-1", KEY)
    assert VAULT.open("SN-1", sealed) == KEY
    for vault, serial in ((VAULT, "SN-2"), (Vault(bytes(32)), "SN-1")):
        with pytest.raises(Unavailable, match="another house's secret"):
            vault.open(serial, sealed)
    assert KEY.hex() not in repr(VAULT)
    assert bytes(range(32)).hex() not in repr(VAULT)


async def _with_a_device(db: Database) -> None:
    async with db.transaction() as tx:
        await Desk(tx, await make_member(tx, "Ada")).add()
