"""A wish is written down once, and nothing that was signed or settled is changed."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from meterseal_aggregator.stacks.outbox import deeds
from meterseal_aggregator.stacks.outbox.deeds import Another, State, Wish
from meterseal_aggregator.stacks.outbox.plan import MAX_IN_FLIGHT, Limits
from meterseal_aggregator.stacks.outbox.run import Account, run_once
from meterseal_aggregator.stacks.transaction import Amount, Condition, ContractCall
from meterseal_aggregator.storage.database import Database
from meterseal_aggregator.storage.migrate import migrate
from meterseal_proto.clarity import Buffer, Err, UInt
from tests.support.fakechain import CHAIN, DEPLOYER, DIARY, ORACLE, FakeChain
from tests.support.fakenode import FakeNode

NOW = 1_800_000_000
ACCOUNT = Account(CHAIN, DEPLOYER)
LIMITS = Limits(depth=3)
NOTE = Wish(ACCOUNT.address, "note 1", ContractCall(DIARY, "note", (UInt(1),)))


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await Database.open(f"sqlite:///{tmp_path / 'outbox.db'}")
    await migrate(opened)
    yield opened
    await opened.close()


async def want(database: Database, wish: Wish) -> None:
    async with database.transaction() as tx:
        await deeds.want(tx, wish, now=NOW)


async def test_a_wish_is_written_once_and_another_of_its_name_is_refused(
    database: Database,
) -> None:
    await want(database, NOTE)
    await want(database, NOTE)
    async with database.reading() as tx:
        (one,) = await deeds.unsettled(tx, ACCOUNT.address)
    assert one.payload.raw == NOTE.call.consensus()
    other = ContractCall(DIARY, "note", (UInt(2),))
    pays = Condition(None, Amount.AT_MOST, 5)
    for wish in (replace(NOTE, call=other), replace(NOTE, conditions=(pays,))):
        with pytest.raises(Another):
            await want(database, wish)


async def test_conditions_come_back_as_they_were_written(database: Database) -> None:
    pays = Condition(None, Amount.AT_MOST, 5)
    await want(database, replace(NOTE, conditions=(pays, pays)))
    async with database.reading() as tx:
        (one,) = await deeds.unsettled(tx, ACCOUNT.address)
    assert [kept.raw for kept in one.conditions] == [pays.consensus()] * 2


async def test_what_a_contract_refuses_is_failed_and_not_tried_again(
    database: Database,
) -> None:
    chain = FakeChain()
    node = FakeNode(chain)
    call = ContractCall(ORACLE, "anchor", (UInt(1), Buffer(b"short")))
    await want(database, replace(NOTE, call=call, deed="anchor 1"))
    await settle(database, node, chain)
    async with database.reading() as tx:
        done = await deeds.outcome(tx, "anchor 1")
    assert done is not None
    assert (done.state, done.result) == (State.FAILED, Err(UInt(403)))
    assert chain.state.nonces[DEPLOYER.address(CHAIN)] == 1


async def settle(database: Database, node: FakeNode, chain: FakeChain) -> None:
    for _ in range(8):
        await run_once(database, node, ACCOUNT, LIMITS, NOW)
        chain.mine()


async def test_no_more_go_out_than_a_mempool_takes(database: Database) -> None:
    chain = FakeChain()
    node = FakeNode(chain)
    for number in range(MAX_IN_FLIGHT + 5):
        call = ContractCall(DIARY, "note", (UInt(number),))
        await want(database, replace(NOTE, call=call, deed=f"note {number}"))
    await run_once(database, node, ACCOUNT, LIMITS, NOW)
    assert len(chain.waiting) == MAX_IN_FLIGHT
    await settle(database, node, chain)
    assert chain.state.notes == tuple(range(MAX_IN_FLIGHT + 5))


async def test_a_deed_that_may_not_pay_enough_says_so_and_stays_one(
    database: Database,
) -> None:
    chain = FakeChain()
    chain.price = 1_000
    node = FakeNode(chain)
    limits = replace(LIMITS, fee_cap=1_000)
    await want(database, NOTE)
    with capture_logs() as logs:
        await run_once(database, node, ACCOUNT, limits, NOW)
        chain.mine()
        await run_once(database, node, ACCOUNT, limits, NOW + 899)
        assert logs == []
        await run_once(database, node, ACCOUNT, limits, NOW + 900)
    assert [log["event"] for log in logs] == ["deed_stuck_at_the_fee_cap"]
    chain.price = 1
    await settle(database, node, chain)
    assert chain.state.notes == (1,)


async def test_two_runners_at_once_do_each_deed_once(database: Database) -> None:
    chain = FakeChain(verifies=False)
    node = FakeNode(chain)
    for number in range(12):
        call = ContractCall(DIARY, "note", (UInt(number),))
        await want(database, replace(NOTE, call=call, deed=f"note {number}"))
    for round_ in range(8):
        runs = [
            run_once(database, node, ACCOUNT, LIMITS, NOW + 61 * round_)
            for _ in range(3)
        ]
        await asyncio.gather(*runs)
        chain.mine(2)
    assert sorted(chain.state.notes) == list(range(12))
    async with database.reading() as tx:
        assert await deeds.unsettled(tx, ACCOUNT.address) == []


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM deeds",
        "UPDATE deeds SET payload = x'00'",
        "UPDATE deeds SET state = 'wanted', nonce = NULL, settled_at = NULL",
        "DELETE FROM attempts",
        "UPDATE attempts SET raw = x'00'",
        "UPDATE attempts SET fee = fee + 1",
        "UPDATE attempts SET nonce = nonce + 1",
    ],
)
async def test_the_schema_keeps_what_was_signed_and_settled(
    database: Database, tmp_path: Path, statement: str
) -> None:
    chain = FakeChain()
    await want(database, NOTE)
    await settle(database, FakeNode(chain), chain)
    connection = sqlite3.connect(tmp_path / "outbox.db")
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute(statement)
    connection.close()
