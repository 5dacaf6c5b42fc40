"""Every node keeps one contract: in memory, two as one, over HTTP, and the devnet's."""

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import pairwise

import pytest

from meterseal_aggregator.stacks.calls import oracle
from meterseal_aggregator.stacks.calls.deployment import Deployment
from meterseal_aggregator.stacks.node.agreeing import Agreeing
from meterseal_aggregator.stacks.node.http import MAX_ANSWER_BYTES, HttpNode
from meterseal_aggregator.stacks.node.port import (
    InBlock,
    Lost,
    Node,
    Place,
    Refused,
    Unknown,
    Why,
)
from meterseal_aggregator.stacks.transaction import (
    AccountKey,
    ContractCall,
    Network,
    Signed,
    Transaction,
)
from meterseal_proto.c32 import Address, Principal
from meterseal_proto.clarity import (
    NONE,
    Buffer,
    Err,
    Ok,
    Optional,
    Tuple,
    UInt,
    Value,
)
from meterseal_proto.errors import Unavailable
from tests.contracts.test_contracts import installed, need_node
from tests.support.devnet import Devnet, running
from tests.support.fakechain import CHAIN, DEPLOYER, FakeChain
from tests.support.fakenode import FakeNode
from tests.support.nodeserver import WIRE_FAULTS, served

FEE = 1000
NOBODY = AccountKey(sha256(b"nobody").digest())


@pytest.fixture(scope="module")
def devnet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    need_node()
    installed()
    with running(tmp_path_factory.mktemp("devnet")) as found:
        yield found


@dataclass
class Rig:
    """A node, how its blocks are made, and the account that published the contracts."""

    node: Node
    mine: Callable[[int], None]
    key: AccountKey
    size: int = field(default_factory=lambda: int.from_bytes(os.urandom(1)))

    @property
    def who(self) -> Principal:
        return Principal(self.key.address(CHAIN))

    @property
    def oracle(self) -> Principal:
        return Principal(self.who.address, "energy-oracle")

    async def anchor(self, *, fee: int = FEE, ahead: int = 0, size: int = 0) -> Signed:
        """Sign an anchor of a size that grows, with the account's next nonce."""
        nonce = await self.node.nonce(self.who) + ahead
        size = size or await self.next_size()
        arguments = (UInt(size), Buffer(root(size)))
        call = ContractCall(self.oracle, "anchor", arguments)
        return Transaction(CHAIN, nonce, fee, call).signed(self.key)

    async def next_size(self) -> int:
        count = await self.node.call(self.oracle, "get-anchor-count", ())
        assert isinstance(count, UInt)
        if count.value == 0:
            return 1 + self.size
        last = await self.node.entry(self.oracle, "anchors", UInt(count.value - 1))
        assert isinstance(last.value, Tuple)
        size = last.value["size"]
        assert isinstance(size, UInt)
        return size.value + 1

    async def mined(self, signed: Signed) -> InBlock:
        await self.node.send(signed.raw)
        self.mine(1)
        found = await self.node.found(signed.txid)
        assert isinstance(found, InBlock)
        return found


def root(size: int) -> bytes:
    return sha256(b"root %d" % size).digest()


@pytest.fixture(params=["memory", "agreeing", "http", "devnet"])
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    if request.param == "devnet":
        found: Devnet = request.getfixturevalue("devnet")
        node = HttpNode(found.url, CHAIN)
        yield Rig(node, found.mine, found.keys[0])
        await node.close()
        found.mine()
        return
    chain = FakeChain()
    chain.purses[NOBODY.address(CHAIN)] = 0
    async with AsyncExitStack() as stack:
        fake = FakeNode(chain)
        if request.param == "memory":
            yield Rig(fake, chain.mine, DEPLOYER)
            return
        if request.param == "agreeing":
            yield Rig(Agreeing(fake, FakeNode(chain)), chain.mine, DEPLOYER)
            return
        server = await stack.enter_async_context(served(fake))
        http = HttpNode(server.url, CHAIN)
        stack.push_async_callback(http.close)
        yield Rig(http, chain.mine, DEPLOYER)


async def test_the_tip_moves_with_every_block(rig: Rig) -> None:
    before = await rig.node.info()
    rig.mine(3)
    after = await rig.node.info()
    assert after.height == before.height + 3
    assert after.block_id != before.block_id
    assert await rig.node.info() == after


async def test_an_account_has_a_balance_and_its_next_nonce(rig: Rig) -> None:
    nobody = Principal(NOBODY.address(CHAIN))
    assert (await rig.node.nonce(nobody), await rig.node.balance(nobody)) == (0, 0)
    assert await rig.node.balance(rig.who) > 0


async def test_a_transaction_waits_and_then_stands_in_a_block(rig: Rig) -> None:
    signed = await rig.anchor()
    nonce = await rig.node.nonce(rig.who)
    assert await rig.node.found(signed.txid) is Unknown.NOWHERE
    await rig.node.send(signed.raw)
    await rig.node.send(signed.raw)
    assert await rig.node.found(signed.txid) is Unknown.PENDING
    assert await rig.node.nonce(rig.who) == nonce
    rig.mine(1)
    found = await rig.node.found(signed.txid)
    assert isinstance(found, InBlock)
    assert isinstance(found.result, Ok)
    assert (found.block.txid, found.block.ok) == (signed.txid, True)
    assert found.block.height <= (await rig.node.info()).height
    assert await rig.node.nonce(rig.who) == nonce + 1


async def test_what_a_contract_refuses_is_in_a_block_with_its_error(rig: Rig) -> None:
    size = await rig.next_size()
    await rig.mined(await rig.anchor(size=size))
    found = await rig.mined(await rig.anchor(size=size))
    assert (found.block.ok, found.result) == (False, Err(UInt(402)))


async def test_maps_and_functions_are_read(rig: Rig) -> None:
    size = await rig.next_size()
    key = Buffer(root(size))
    assert await rig.node.entry(rig.oracle, "roots", key) == NONE
    await rig.mined(await rig.anchor(size=size))
    read = await rig.node.entry(rig.oracle, "roots", key)
    assert isinstance(read.value, Tuple)
    assert read.value["size"] == UInt(size)
    called = await rig.node.call(rig.oracle, "get-root", (key,))
    assert isinstance(called, Optional)
    assert called == read


async def test_what_is_not_there_to_be_read_is_refused(rig: Rig) -> None:
    absent = Principal(rig.who.address, "no-such-contract")
    for contract, name in ((absent, "roots"), (rig.oracle, "no-such-map")):
        with pytest.raises(Refused):
            await rig.node.entry(contract, name, UInt(0))
    for contract, name in ((absent, "get-root"), (rig.oracle, "no-such-function")):
        with pytest.raises(Refused):
            await rig.node.call(contract, name, ())


async def refused(rig: Rig, raw: bytes) -> Why:
    with pytest.raises(Refused) as caught:
        await rig.node.send(raw)
    return caught.value.why


async def test_a_node_refuses_with_its_reason(rig: Rig) -> None:
    await rig.mined(await rig.anchor())
    assert await refused(rig, b"\x80\x01") is Why.BYTES
    assert await refused(rig, (await rig.anchor(ahead=-1)).raw) is Why.NONCE
    assert await refused(rig, (await rig.anchor(ahead=26)).raw) is Why.CHAINING
    assert await refused(rig, (await rig.anchor(fee=1)).raw) is Why.FEE
    good = bytearray((await rig.anchor()).raw)
    good[60] ^= 1
    assert await refused(rig, bytes(good)) is Why.SIGNATURE


async def test_a_call_of_what_is_not_there_is_refused(rig: Rig) -> None:
    nonce = await rig.node.nonce(rig.who)
    absent = Principal(rig.who.address, "no-such-contract")
    size: Value = UInt(1)
    wrong = (
        (ContractCall(absent, "anchor"), Why.CONTRACT),
        (ContractCall(rig.oracle, "no-such-function"), Why.FUNCTION),
        (ContractCall(rig.oracle, "anchor", (size,)), Why.ARGUMENT),
    )
    for call, why in wrong:
        signed = Transaction(CHAIN, nonce, FEE, call).signed(rig.key)
        assert await refused(rig, signed.raw) is why


async def test_of_one_nonce_the_dearer_counts(rig: Rig) -> None:
    size = await rig.next_size()
    cheap = await rig.anchor(size=size)
    dear = await rig.anchor(size=size, fee=2 * FEE)
    await rig.node.send(cheap.raw)
    rival = await rig.anchor(size=size + 1)
    assert await refused(rig, rival.raw) is Why.RIVAL
    await rig.mined(dear)
    assert await rig.node.found(cheap.txid) is Unknown.NOWHERE


async def test_a_price_grows_with_haste_and_pays_for_the_bytes(rig: Rig) -> None:
    payload = ContractCall(rig.oracle, "anchor", (UInt(1), Buffer(root(1))))
    fees = await rig.node.fee(payload.consensus(), 300)
    assert 300 <= fees.low <= fees.middle <= fees.high


async def test_events_are_told_once_and_in_order(rig: Rig) -> None:
    await rig.mined(await rig.anchor())
    begun = await rig.node.events(rig.oracle, None)
    signed = [await rig.anchor(size=await rig.next_size())]
    await rig.mined(signed[0])
    signed.append(await rig.anchor())
    await rig.mined(signed[1])
    told = await rig.node.events(rig.oracle, begun[-1].place)
    assert [event.place.txid for event in told] == [one.txid for one in signed]
    assert await rig.node.events(rig.oracle, told[-1].place) == []
    for event in told:
        assert isinstance(event.value, Tuple)
    with pytest.raises(Lost):
        await rig.node.events(rig.oracle, Place("0" * 64, 0))


async def test_a_block_tells_on_what_it_stands_and_what_was_printed_in_it(
    rig: Rig,
) -> None:
    size, publisher = await rig.next_size(), rig.who.address
    found = await rig.mined(await rig.anchor(size=size))
    block = await rig.node.block(found.block.height, publisher)
    assert block is not None
    assert (block.height, block.block_id) == (found.block.height, found.block.block_id)
    (printed,) = block.prints
    assert printed.contract == rig.oracle
    assert printed.place.txid == found.block.txid
    assert isinstance(printed.value, Tuple)
    assert printed.value["size"] == UInt(size)
    before = await rig.node.block(block.height - 1, publisher)
    assert before is not None
    assert before.block_id == block.parent_id
    elsewhere = await rig.node.block(block.height, Address(26, bytes(20)))
    assert elsewhere is not None
    assert (elsewhere.block_id, elsewhere.prints) == (block.block_id, ())


async def test_what_failed_printed_nothing(rig: Rig) -> None:
    size = await rig.next_size()
    await rig.mined(await rig.anchor(size=size))
    found = await rig.mined(await rig.anchor(size=size))
    block = await rig.node.block(found.block.height, rig.who.address)
    assert block is not None
    assert (found.block.ok, block.prints) == (False, ())


async def test_there_is_no_block_above_the_tip(rig: Rig) -> None:
    height = (await rig.node.info()).height
    assert await rig.node.block(height + 1, rig.who.address) is None
    rig.mine(1)
    block = await rig.node.block(height + 1, rig.who.address)
    assert block is not None
    assert block.block_id == (await rig.node.info()).block_id


async def test_blocks_come_upwards_each_standing_on_the_one_before(rig: Rig) -> None:
    found = await rig.mined(await rig.anchor())
    rig.mine(40)
    height, publisher = found.block.height, rig.who.address
    for most in (1, 7, 30):
        told = await rig.node.blocks(height, most, publisher)
        assert told == [
            await rig.node.block(height + number, publisher) for number in range(most)
        ]
    first, second = await rig.node.blocks(height, 2, publisher)
    assert (len(first.prints), second.prints) == (1, ())
    tip = (await rig.node.info()).height
    last = await rig.node.blocks(tip - 2, 30, publisher)
    assert [block.height for block in last] == [tip - 2, tip - 1, tip]
    for one, other in pairwise(last):
        assert other.parent_id == one.block_id
    assert await rig.node.blocks(tip + 1, 30, publisher) == []


async def test_a_contract_was_published_at_a_height(rig: Rig) -> None:
    height = await rig.node.published(rig.oracle)
    assert 0 < height <= (await rig.node.info()).height
    with pytest.raises(Refused):
        await rig.node.published(Principal(rig.who.address, "no-such-contract"))


async def test_a_stranger_may_fill_a_block_and_it_is_read_all_the_same() -> None:
    chain, publisher = FakeChain(), DEPLOYER.address(CHAIN)
    async with served(FakeNode(chain)) as server:
        node = HttpNode(server.url, CHAIN)
        for nonce in range(2):
            call = oracle.anchor(Deployment(publisher), nonce + 1, root(nonce + 1))
            wish = Transaction(CHAIN, nonce, FEE, call.payload, call.conditions)
            await node.send(wish.signed(DEPLOYER).raw)
        chain.mine()
        height = (await node.info()).height
        plain = await node.block(height, publisher)
        assert plain is not None
        assert len(plain.prints) == 2
        for padding in ("[{" * 20_000, "x" * MAX_ANSWER_BYTES):
            server.padding = padding
            assert await node.block(height, publisher) == plain
            assert await node.blocks(height, 1, publisher) == [plain]
        await node.close()


async def test_blocks_that_came_are_kept_when_the_next_one_does_not() -> None:
    chain, publisher = FakeChain(), DEPLOYER.address(CHAIN)
    async with served(FakeNode(chain)) as server:
        node = HttpNode(server.url, CHAIN)
        first = (await node.info()).height + 1
        for nonce in range(2):
            call = oracle.anchor(Deployment(publisher), nonce + 1, root(nonce + 1))
            wish = Transaction(CHAIN, nonce, FEE, call.payload, call.conditions)
            await node.send(wish.signed(DEPLOYER).raw)
            chain.mine()
        both = await node.blocks(first, 2, publisher)
        assert [len(block.prints) for block in both] == [1, 1]
        tip_list_and_one_block = [""] * 4
        server.faults = [*tip_list_and_one_block, "500"]
        assert await node.blocks(first, 2, publisher) == both[:1]
        server.faults = ["", "", "500"]
        with pytest.raises(Unavailable):
            await node.blocks(first, 2, publisher)
        await node.close()


@pytest.mark.parametrize("fault", WIRE_FAULTS)
async def test_an_answer_that_is_none_is_unavailable(fault: str) -> None:
    who = Principal(DEPLOYER.address(CHAIN))
    async with served(FakeNode(FakeChain())) as server:
        node = HttpNode(server.url, CHAIN, answer_within_s=0.2)
        for _ in range(3):
            server.faults.append(fault)
        with pytest.raises(Unavailable):
            await node.info()
        with pytest.raises(Unavailable):
            await node.found("0" * 64)
        with pytest.raises(Unavailable):
            await node.send(b"\x00")
        assert not server.faults
        assert await node.nonce(who) == 0
        await node.close()


async def test_a_node_of_another_chain_and_one_that_is_away_are_unavailable() -> None:
    async with served(FakeNode(FakeChain())) as server:
        node = HttpNode(server.url, Network.of(1))
        with pytest.raises(Unavailable, match="chain"):
            await node.info()
        await node.close()
        url = server.url
    node = HttpNode(url, CHAIN, answer_within_s=1)
    with pytest.raises(Unavailable):
        await node.info()
    await node.close()
