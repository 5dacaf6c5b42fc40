"""A Stacks chain in memory that forks, forgets and is told whom to obey by its test.

Transactions are parsed and checked as a node does, and run against two contracts: an
`energy-oracle` that anchors roots as ours does, and a `diary` whose `note` guards against
nothing, so that whatever happens twice is seen twice. State belongs to blocks: a block
that goes takes its state with it.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from meterseal_aggregator.stacks.node.port import Event, Place, Refused, Why
from meterseal_aggregator.stacks.transaction import AccountKey, Network
from meterseal_proto import recovery
from meterseal_proto.c32 import Address, Principal, hash160
from meterseal_proto.clarity import (
    NONE,
    TRUE,
    Ascii,
    Buffer,
    Err,
    List,
    Ok,
    Optional,
    Tuple,
    UInt,
    Value,
    decode,
)
from meterseal_proto.errors import Malformed

CHAIN = Network.of(0x80000000)
DEPLOYER = AccountKey(hashlib.sha256(b"fake deployer").digest())
ORACLE = Principal(DEPLOYER.address(CHAIN), "energy-oracle")
DIARY = Principal(DEPLOYER.address(CHAIN), "diary")
ROLES = Principal(DEPLOYER.address(CHAIN), "roles")
FUNDS = 10**12
AHEAD = 25
PAYLOAD_AT = 115
"""Where the payload begins when there are no post-conditions."""
TRANSFER = "(transfer)"
FUNCTIONS = {ORACLE: {"anchor": 2}, DIARY: {"note": 1}}


@dataclass(frozen=True, slots=True)
class Sent:
    """A transaction as it was handed in."""

    raw: bytes
    signer: Address
    nonce: int
    fee: int
    contract: Principal
    function: str
    arguments: tuple[Value, ...]

    @property
    def txid(self) -> str:
        return hashlib.new("sha512_256", self.raw).hexdigest()


@dataclass(frozen=True, slots=True)
class State:
    """What contracts and accounts know at the end of a block."""

    nonces: dict[Address, int] = field(default_factory=dict)
    roots: dict[bytes, Value] = field(default_factory=dict)
    anchors: tuple[Value, ...] = ()
    size: int = 0
    notes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Mined:
    """A transaction in a block, with its answer and what it printed."""

    sent: Sent
    result: Value
    prints: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class FakeBlock:
    """A block with the state it leaves."""

    id: str
    mined: tuple[Mined, ...]
    state: State


def parse(raw: bytes) -> Sent:
    """Return what a transaction without post-conditions says; raises Refused."""
    plain = raw[:6] == b"\x80" + CHAIN.chain_id.to_bytes(4) + b"\x04"
    bare = raw[PAYLOAD_AT - 5 : PAYLOAD_AT] == b"\x02\x00\x00\x00\x00"
    if not (plain and bare):
        raise Refused(Why.BYTES, "no contract call of this chain without conditions")
    numbers = int.from_bytes(raw[27:35]), int.from_bytes(raw[35:43])
    who = Address(26, raw[7:27])
    if raw[PAYLOAD_AT] == 0:
        to = Principal(Address(raw[PAYLOAD_AT + 2], raw[PAYLOAD_AT + 3 :][:20]))
        return Sent(raw, who, *numbers, to, TRANSFER, ())
    try:
        contract, function, rest = _named(raw, PAYLOAD_AT, PAYLOAD_AT + 22)
        values = decode(b"\x0b" + rest)
    except (ValueError, Malformed, IndexError) as error:
        raise Refused(Why.BYTES, str(error)) from None
    assert isinstance(values, List)
    return Sent(raw, who, *numbers, contract, function, values.items)


def _named(raw: bytes, start: int, at: int) -> tuple[Principal, str, bytes]:
    end = at + 1 + raw[at]
    contract = Principal(
        Address(raw[start + 1], raw[start + 2 : at]), raw[at + 1 : end].decode("ascii")
    )
    last = end + 1 + raw[end]
    return contract, raw[end + 1 : last].decode("ascii"), raw[last:]


def _known(sent: Sent) -> None:
    known = FUNCTIONS.get(sent.contract)
    if known is None:
        raise Refused(Why.CONTRACT, sent.contract.text())
    if sent.function not in known:
        raise Refused(Why.FUNCTION, sent.function)
    if len(sent.arguments) != known[sent.function]:
        raise Refused(Why.ARGUMENT, sent.function)


def _signed(sent: Sent) -> bool:
    """Tell whether the signature is the signer's (SIP-005, Signing and Verifying)."""
    bare = bytearray(sent.raw)
    signature = bytes(bare[44:109])
    bare[27:43], bare[44:109] = bytes(16), bytes(65)
    digest = _hash(bytes(bare))
    price = sent.fee.to_bytes(8) + sent.nonce.to_bytes(8)
    found = recovery.recover(
        _hash(digest + b"\x04" + price), signature[1:], odd=signature[0] == 1
    )
    return found is not None and hash160(found) == sent.signer.hash


def _hash(raw: bytes) -> bytes:
    return hashlib.new("sha512_256", raw).digest()


class FakeChain:
    """The chain, and the one mempool that its nodes share; `price` is micro-STX a byte."""

    def __init__(self, *, verifies: bool = True) -> None:
        self.blocks = [FakeBlock("0" * 64, (), State())]
        self.waiting: dict[tuple[Address, int], Sent] = {}
        self.price = 1
        self.stalled = False
        self.paused = False
        self.purses: dict[Address, int] = {}
        """What accounts hold that do not hold FUNDS, whatever they spend."""
        self._verifies = verifies
        self._forks = 0

    @property
    def height(self) -> int:
        return len(self.blocks)

    @property
    def state(self) -> State:
        return self.blocks[-1].state

    def balance(self, who: Address) -> int:
        return self.purses.get(who, FUNDS)

    def submit(self, raw: bytes) -> None:
        """Take a transaction into the mempool; raises Refused."""
        sent = parse(raw)
        if self.where(sent.txid) is not None:
            return
        self._admit(sent)
        rival = self.waiting.get((sent.signer, sent.nonce))
        if rival is not None and rival.txid != sent.txid and rival.fee >= sent.fee:
            raise Refused(Why.RIVAL, "another one pays as much")
        self.waiting[sent.signer, sent.nonce] = sent

    def _admit(self, sent: Sent) -> None:
        if self._verifies and not _signed(sent):
            raise Refused(Why.SIGNATURE, "not the signer's")
        self._pays(sent)
        due = self.state.nonces.get(sent.signer, 0)
        if sent.nonce < due:
            raise Refused(Why.NONCE, f"{due} is next")
        if sent.nonce > due + AHEAD:
            raise Refused(Why.CHAINING, f"{due + AHEAD} at most")
        if sent.function != TRANSFER:
            _known(sent)

    def _pays(self, sent: Sent) -> None:
        if sent.fee < len(sent.raw):
            raise Refused(Why.FEE, "a micro-STX a byte at least")
        if self.balance(sent.signer) < sent.fee:
            raise Refused(Why.FUNDS, f"{sent.fee} are needed")

    def mine(self, blocks: int = 1) -> None:
        """Close blocks; the first takes all that is due and pays the price of the day."""
        for _ in range(blocks):
            mined, state = [], self.state
            while (sent := self._due(state)) is not None:
                del self.waiting[sent.signer, sent.nonce]
                state, done = run(state, sent, self.height + 1)
                mined.append(done)
            self._close(mined, state)

    def _due(self, state: State) -> Sent | None:
        if self.stalled:
            return None
        for (who, nonce), sent in self.waiting.items():
            pays = sent.fee >= self.price * len(sent.raw)
            if pays and nonce == state.nonces.get(who, 0):
                return sent
        return None

    def _close(self, mined: list[Mined], state: State) -> None:
        told = f"{self.blocks[-1].id}|{self.height}|{self._forks}"
        told += "".join(one.sent.txid for one in mined)
        name = hashlib.sha256(told.encode()).hexdigest()
        self.blocks.append(FakeBlock(name, tuple(mined), state))

    def reorg(self, depth: int, *, forget: bool) -> int:
        """Replace the last blocks by one more empty ones; what they held waits again, or not.

        Returns how deep it went: the first block stays.
        """
        depth = min(depth, self.height - 1)
        gone = self.blocks[self.height - depth :]
        del self.blocks[self.height - depth :]
        self._forks += 1
        for block in gone if not forget else ():
            for one in block.mined:
                self.waiting.setdefault((one.sent.signer, one.sent.nonce), one.sent)
        if forget:
            self.waiting.clear()
        for _ in range(depth + 1):
            self._close([], self.state)
        return depth

    def forget(self, txid: str | None = None) -> None:
        """Lose a transaction that waits, or all of them."""
        for place, sent in list(self.waiting.items()):
            if txid in (None, sent.txid):
                del self.waiting[place]

    def where(self, txid: str) -> tuple[int, Mined] | None:
        """Give the height and outcome of a transaction that is in a block."""
        for height, block in enumerate(self.blocks, start=1):
            for one in block.mined:
                if one.sent.txid == txid:
                    return height, one
        return None

    def waits(self, txid: str) -> bool:
        return any(sent.txid == txid for sent in self.waiting.values())

    def printed(self, contract: Principal) -> Iterator[Event]:
        """Give what a contract printed, oldest first."""
        for block in self.blocks:
            for one in block.mined:
                if one.sent.contract == contract:
                    for index, told in enumerate(one.prints):
                        yield Event(Place(one.sent.txid, index), told)


def run(state: State, sent: Sent, height: int) -> tuple[State, Mined]:
    """Do what a transaction says; its nonce is used whatever the contract answers."""
    nonces = state.nonces | {sent.signer: sent.nonce + 1}
    state = replace(state, nonces=nonces)
    if sent.function == TRANSFER:
        return state, Mined(sent, Ok(TRUE), ())
    first = sent.arguments[0]
    if sent.function == "note":
        assert isinstance(first, UInt)
        state = replace(state, notes=(*state.notes, first.value))
        return state, Mined(sent, Ok(TRUE), (first,))
    return _anchor(state, sent, height)


def _anchor(state: State, sent: Sent, height: int) -> tuple[State, Mined]:
    size, root = sent.arguments
    assert isinstance(size, UInt)
    if not isinstance(root, Buffer) or len(root.value) != 32:
        return state, Mined(sent, Err(UInt(403)), ())
    if sent.signer != ORACLE.address:
        return state, Mined(sent, Err(UInt(400)), ())
    if size.value <= state.size:
        return state, Mined(sent, Err(UInt(402)), ())
    if root.value in state.roots:
        return state, Mined(sent, Err(UInt(403)), ())
    number = UInt(len(state.anchors))
    at = {"size": size, "at": UInt(0), "height": UInt(height)}
    after = replace(
        state,
        size=size.value,
        roots=state.roots | {root.value: Tuple(at)},
        anchors=(*state.anchors, Tuple(at | {"root": root})),
    )
    told = Tuple.of(topic=Ascii("anchor"), number=number, size=size, root=root)
    return after, Mined(sent, Ok(number), (told,))


def read_entry(state: State, name: str, key: Value) -> Optional:
    """Give a map's value of the oracle; KeyError for a map it has not."""
    if name == "roots":
        assert isinstance(key, Buffer)
        return Optional(state.roots.get(key.value))
    if name != "anchors":
        raise KeyError(name)
    assert isinstance(key, UInt)
    known = key.value < len(state.anchors)
    return Optional(state.anchors[key.value]) if known else NONE
