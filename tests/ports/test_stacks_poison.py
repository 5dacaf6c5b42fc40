"""What cannot go on now keeps nobody else back, costs nothing it need not, and is told."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from meterseal_aggregator.stacks.calls import oracle
from meterseal_aggregator.stacks.calls.deployment import Deployment
from meterseal_aggregator.stacks.node.http import HttpNode
from meterseal_aggregator.stacks.node.port import Found
from meterseal_aggregator.stacks.outbox import deeds, standing
from meterseal_aggregator.stacks.outbox.advice import Advice, Means, judge
from meterseal_aggregator.stacks.outbox.deeds import PAGE, State, Wish
from meterseal_aggregator.stacks.outbox.plan import Limits
from meterseal_aggregator.stacks.outbox.run import Account, Done, run_once
from meterseal_aggregator.stacks.outbox.standing import Standing
from meterseal_aggregator.stacks.transaction import (
    AccountKey,
    ContractCall,
    Transaction,
)
from meterseal_aggregator.storage.database import Database
from meterseal_aggregator.storage.migrate import migrate
from meterseal_proto.clarity import UInt
from meterseal_proto.errors import Unavailable
from tests.support.fakechain import CHAIN, DEPLOYER, DIARY, ORACLE, FakeChain
from tests.support.fakenode import FakeNode
from tests.support.nodeserver import served

NOW = 1_800_000_000
ACCOUNT = Account(CHAIN, DEPLOYER)
LIMITS = Limits(depth=3)
MEANS = Means(frozenset({ACCOUNT.address}), LIMITS.fee_cap)
AT = Deployment(ORACLE.address)
ROOT = b"\x11" * 32


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await Database.open(f"sqlite:///{tmp_path / 'outbox.db'}")
    await migrate(opened)
    yield opened
    await opened.close()


async def want(database: Database, name: str, function: str = "note") -> None:
    number = UInt(int(name.rsplit(maxsplit=1)[-1]))
    call = ContractCall(DIARY, function, (number,))
    async with database.transaction() as tx:
        await deeds.want(tx, Wish(ACCOUNT.address, name, call), now=NOW)


async def want_anchor(database: Database, account: Account = ACCOUNT) -> None:
    call = oracle.anchor(AT, 5, ROOT)
    wish = Wish(account.address, "anchor 5", call.payload, call.conditions)
    async with database.transaction() as tx:
        await deeds.want(tx, wish, now=NOW)


async def drive(
    database: Database, node: FakeNode, *, now: int = NOW, limits: Limits = LIMITS
) -> Done:
    return await run_once(database, node, ACCOUNT, limits, now, AT)


async def quietly(
    database: Database, chain: FakeChain, *, since: int, rounds: int
) -> None:
    for number in range(rounds):
        await drive(database, FakeNode(chain), now=since + 61 * number)
        chain.mine(2)


async def all_of(database: Database) -> dict[str, Standing]:
    async with database.reading() as tx:
        found = await standing.page(tx, tuple(State), after=0, limit=100)
    return {one.name: one for one in found}


async def advice(database: Database, name: str, *, now: int = NOW) -> Advice | None:
    return judge((await all_of(database))[name], MEANS, now)


async def test_a_deed_that_no_node_takes_is_cancelled_and_those_behind_it_are_done(
    database: Database,
) -> None:
    chain = FakeChain()
    await want(database, "poison 1", "no-such-function")
    for number in (2, 3):
        await want(database, f"note {number}")
    await quietly(database, chain, since=NOW, rounds=5)
    assert not chain.state.notes, "their nonces wait for that of the poison"
    said = await advice(database, "poison 1")
    assert said is not None
    assert "no node takes it: no-such-function" in said.wrong
    await quietly(database, chain, since=NOW + 305, rounds=12)
    assert chain.state.notes == (2, 3)
    found = await all_of(database)
    states = [one.state for one in found.values()]
    assert states == [State.FAILED, State.CONFIRMED, State.CONFIRMED]
    assert found["poison 1"].cancelled
    said = await advice(database, "poison 1")
    assert said is not None
    assert "used for nothing: no-such-function" in said.wrong
    assert chain.state.nonces[ORACLE.address] == 3


async def test_what_a_node_says_of_one_deed_is_no_reason_to_stop_the_others(
    database: Database,
) -> None:
    class Mumbling(FakeNode):
        async def found(self, txid: str) -> Found:
            if txid == first:
                raise Unavailable("not a node's answer")
            return await super().found(txid)

    chain = FakeChain()
    for number in (1, 2):
        await want(database, f"note {number}")
    await drive(database, FakeNode(chain))
    first = (await all_of(database))["note 1"].tries[0].txid
    for number in range(6):
        chain.mine()
        done = await drive(database, Mumbling(chain), now=NOW + 61 * number)
        assert len(done.troubles) == 1
    found = await all_of(database)
    assert found["note 1"].state is State.SENT
    assert found["note 2"].state is State.CONFIRMED
    said = await advice(database, "note 1")
    assert said is not None
    assert said.wrong.startswith("the nodes give no answer of use")
    await quietly(database, chain, since=NOW + 400, rounds=3)
    assert await advice(database, "note 1") is None


async def test_a_paused_contract_holds_its_own_deeds_and_nobody_elses(
    database: Database,
) -> None:
    chain = FakeChain()
    chain.paused = True
    await want_anchor(database)
    await want(database, "note 1")
    await quietly(database, chain, since=NOW, rounds=6)
    assert chain.state.notes == (1,)
    assert chain.state.nonces[ORACLE.address] == 1, "the anchor paid for nothing"
    said = await advice(database, "anchor 5")
    assert said is not None
    assert said == Advice(
        f"nothing is signed yet: {ORACLE.text()} is paused", "a guardian resumes it"
    )
    chain.paused = False
    await quietly(database, chain, since=NOW + 400, rounds=6)
    assert list(chain.state.roots) == [ROOT]
    assert await advice(database, "anchor 5") is None


async def test_more_held_deeds_than_a_page_do_not_hide_the_next(
    database: Database,
) -> None:
    chain = FakeChain()
    chain.paused = True
    async with database.transaction() as tx:
        for number in range(PAGE + 5):
            call = oracle.anchor(AT, number + 1, ROOT)
            wish = Wish(ACCOUNT.address, f"anchor {number}", call.payload)
            await deeds.want(tx, wish, now=NOW)
    await want(database, "note 1")
    for number in range(3):
        await drive(database, FakeNode(chain), now=NOW + number)
    assert [sent.function for sent in chain.waiting.values()] == ["note"]


async def test_who_is_not_the_oracle_or_has_no_money_is_told_for_nothing(
    database: Database,
) -> None:
    chain = FakeChain()
    somebody = Account(CHAIN, AccountKey(b"\x07" * 32))
    await want_anchor(database, somebody)
    node = FakeNode(chain)
    done = await run_once(database, node, somebody, LIMITS, NOW, AT)
    assert "is not its oracle" in done.troubles[0]
    chain.purses[somebody.principal.address] = 100
    done = await run_once(database, node, somebody, LIMITS, NOW, AT)
    assert f"send STX to {somebody.address}" in done.troubles[0]
    assert not chain.waiting
    assert (await all_of(database))["anchor 5"].tries == ()


async def test_a_purse_that_empties_under_way_is_told_and_the_same_bytes_go_again(
    database: Database,
) -> None:
    chain = FakeChain()
    await want(database, "note 1")
    await drive(database, FakeNode(chain))
    chain.forget()
    chain.purses[ORACLE.address] = 0
    await drive(database, FakeNode(chain), now=NOW + 61)
    said = await advice(database, "note 1")
    assert said is not None
    assert f"send STX to {ACCOUNT.address}" in said.do
    del chain.purses[ORACLE.address]
    await quietly(database, chain, since=NOW + 122, rounds=4)
    assert chain.state.notes == (1,)
    assert len((await all_of(database))["note 1"].tries) == 1


async def test_what_waits_at_the_fee_cap_says_so_and_pays_no_more(
    database: Database,
) -> None:
    chain = FakeChain()
    chain.price = 1_000
    limits = replace(LIMITS, fee_cap=1_500)
    await want(database, "note 1")
    for number in range(40):
        await drive(database, FakeNode(chain), now=NOW + 901 * number, limits=limits)
        chain.mine()
    one = (await all_of(database))["note 1"]
    assert [attempt.fee for attempt in one.tries] == [1_500]
    said = judge(one, replace(MEANS, fee_cap=1_500), NOW + 36_000)
    assert said is not None
    assert said.wrong == "it pays all it may, 1500 micro-STX, and is in no block"
    limits = replace(LIMITS, fee_cap=500_000)
    await drive(database, FakeNode(chain), now=NOW + 40_000, limits=limits)
    for _ in range(5):
        chain.mine()
        await drive(database, FakeNode(chain), now=NOW + 40_000, limits=limits)
    assert chain.state.notes == (1,)


async def test_what_a_contract_refuses_is_told_with_its_number(
    database: Database,
) -> None:
    chain = FakeChain()
    await want_anchor(database)
    await drive(database, FakeNode(chain))
    chain.forget()
    larger = oracle.anchor(AT, 9, b"\x22" * 32).payload
    other = Transaction(CHAIN, 0, 10**6, larger).signed(DEPLOYER)
    chain.submit(other.raw)
    chain.mine(5)
    await quietly(database, chain, since=NOW + 61, rounds=10)
    one = (await all_of(database))["anchor 5"]
    assert one.state is State.FAILED
    said = judge(one, MEANS, NOW)
    assert said is not None
    assert "(err u402)" in said.wrong


async def test_a_nonce_that_a_fork_set_free_is_filled_though_nobody_wants_anything(
    database: Database,
) -> None:
    chain = FakeChain()
    stranger = Transaction(CHAIN, 0, 10**6, ContractCall(DIARY, "note", (UInt(99),)))
    chain.submit(stranger.signed(DEPLOYER).raw)
    chain.mine()
    await want(database, "note 1")
    await drive(database, FakeNode(chain))
    chain.mine()
    chain.reorg(3, forget=True)
    await quietly(database, chain, since=NOW + 61, rounds=10)
    assert chain.state.notes == (1,)
    assert chain.state.nonces[ORACLE.address] == 2


async def test_an_api_that_is_behind_its_node_has_nothing_sent_or_paid_twice(
    database: Database,
) -> None:
    chain = FakeChain()
    async with served(FakeNode(chain)) as server:
        node = HttpNode(server.url, CHAIN)
        await want(database, "note 1")
        await run_once(database, node, ACCOUNT, LIMITS, NOW, AT)
        server.behind = 1_000
        for number in range(4):
            chain.mine(LIMITS.depth + 1)
            await run_once(database, node, ACCOUNT, LIMITS, NOW + 61 * number, AT)
            (one,) = (await all_of(database)).values()
            assert (one.state, len(one.tries)) == (State.SENT, 1)
            assert number == 0 or "the API is at block" in one.troubles[0].why
        server.behind = 0
        for number in range(4, 7):
            await run_once(database, node, ACCOUNT, LIMITS, NOW + 61 * number, AT)
        await node.close()
    (one,) = (await all_of(database)).values()
    assert (one.state, one.troubles) == (State.CONFIRMED, ())
    assert chain.state.nonces[ORACLE.address] == 1
