"""A node over a chain in memory, whose every exchange may go wrong as its script says.

    node = FakeNode(chain, [Trouble.ERROR, Trouble.LOST])

Where a script ends, nothing goes wrong any more. `Liar` answers in form and falsely.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from enum import Enum

from meterseal_aggregator.stacks.node.port import (
    Block,
    Event,
    Fees,
    Found,
    InBlock,
    Lost,
    Place,
    Print,
    PrintedBlock,
    Refused,
    Tip,
    Unknown,
    Why,
)
from meterseal_proto.c32 import Address, Principal
from meterseal_proto.clarity import Bool, Err, Optional, UInt, Value
from meterseal_proto.errors import Unavailable
from tests.support.fakechain import (
    ORACLE,
    ROLES,
    FakeChain,
    read_entry,
)


class Trouble(Enum):
    """What happens to one exchange."""

    NONE = "none"
    ERROR = "500"
    HANG = "hang"
    LOST = "done, and the answer lost"
    DROPPED = "answered, and forgotten at once"
    TWICE = "done twice"


class FakeNode:
    """Keeps the port's contract over a FakeChain, troubles apart."""

    def __init__(self, chain: FakeChain, script: Iterable[Trouble] = ()) -> None:
        self.chain = chain
        self.script = iter(script)
        self.met: Counter[str] = Counter()
        """What really went wrong, by its name."""
        self.lag = 0
        """Blocks this node is behind in all it reads."""

    def _begin(self) -> Trouble:
        trouble = next(self.script, Trouble.NONE)
        if trouble in (Trouble.ERROR, Trouble.HANG):
            self.met[trouble.value] += 1
            raise Unavailable(f"no answer: {trouble.value}")
        return trouble

    @property
    def _height(self) -> int:
        return max(1, self.chain.height - self.lag)

    async def info(self) -> Tip:
        self._begin()
        block = self.chain.blocks[self._height - 1]
        return Tip(self._height, self._height // 10, block.id)

    async def nonce(self, who: Principal) -> int:
        self._begin()
        state = self.chain.blocks[self._height - 1].state
        return state.nonces.get(who.address, 0)

    async def balance(self, who: Principal) -> int:
        self._begin()
        return self.chain.balance(who.address)

    async def send(self, raw: bytes) -> None:
        trouble = self._begin()
        self.chain.submit(raw)
        self.met[trouble.value] += 1
        if trouble is Trouble.TWICE:
            self.chain.submit(raw)
        if trouble is Trouble.DROPPED:
            self.chain.forget()
        if trouble is Trouble.LOST:
            raise Unavailable("taken, and the answer lost")

    async def found(self, txid: str) -> Found:
        self._begin()
        place = self.chain.where(txid)
        if place is not None and place[0] <= self._height:
            height, one = place
            name = self.chain.blocks[height - 1].id
            ok = not isinstance(one.result, Err)
            return InBlock(Block(txid, height, name, ok), one.result)
        waits = self.chain.waits(txid) or place is not None
        return Unknown.PENDING if waits else Unknown.NOWHERE

    async def call(
        self, contract: Principal, function: str, arguments: Sequence[Value]
    ) -> Value:
        self._begin()
        state = self.chain.blocks[self._height - 1].state
        if contract not in (ORACLE, ROLES):
            raise Refused(Why.CONTRACT, contract.text())
        match function:
            case "is-paused":
                return Bool(self.chain.paused and arguments[0] == ORACLE)
            case "get-anchor-count":
                return UInt(len(state.anchors))
            case "is-oracle":
                return Bool(arguments[0] == Principal(ORACLE.address))
            case "get-root":
                return read_entry(state, "roots", arguments[0])
            case _:
                raise Refused(Why.OTHER, f"no {function}")

    async def entry(self, contract: Principal, name: str, key: Value) -> Optional:
        self._begin()
        if contract != ORACLE:
            raise Refused(Why.CONTRACT, contract.text())
        try:
            state = self.chain.blocks[self._height - 1].state
            return read_entry(state, name, key)
        except KeyError:
            raise Refused(Why.CONTRACT, f"no map {name}") from None

    async def published(self, contract: Principal) -> int:
        self._begin()
        if contract not in (ORACLE, ROLES):
            raise Refused(Why.CONTRACT, contract.text())
        return 1

    async def block(self, height: int, publisher: Address) -> PrintedBlock | None:
        self._begin()
        if not 0 < height <= self._height:
            return None
        found = self.chain.blocks[height - 1]
        parent = self.chain.blocks[height - 2].id if height > 1 else "f" * 64
        prints = [
            Print(one.sent.contract, Place(one.sent.txid, index), told)
            for one in found.mined
            if one.sent.contract.address == publisher
            and not isinstance(one.result, Err)
            for index, told in enumerate(one.prints)
        ]
        return PrintedBlock(height, found.id, parent, tuple(prints))

    async def blocks(
        self, height: int, most: int, publisher: Address
    ) -> list[PrintedBlock]:
        found: list[PrintedBlock] = []
        while len(found) < most:
            block = await self.block(height + len(found), publisher)
            if block is None:
                break
            found.append(block)
        return found

    async def fee(self, payload: bytes, length: int) -> Fees:
        del payload
        self._begin()
        asked = length * self.chain.price
        return Fees(asked, asked * 2, asked * 4)

    async def events(self, contract: Principal, after: Place | None) -> list[Event]:
        self._begin()
        told = list(self.chain.printed(contract))
        if after is None:
            return told
        places = [event.place for event in told]
        if after not in places:
            raise Lost(f"{after} is not there")
        return told[places.index(after) + 1 :]


class Liar(FakeNode):
    """Says of every transaction that it is deep in a block, or of all that there is none."""

    def __init__(self, chain: FakeChain, *, says_done: bool, nonce: int) -> None:
        super().__init__(chain)
        self._says_done = says_done
        self._nonce = nonce

    async def nonce(self, who: Principal) -> int:
        told = await super().nonce(who)
        self.met["lie"] += told != self._nonce
        return self._nonce

    async def found(self, txid: str) -> Found:
        true = await super().found(txid)
        self.met["lie"] += isinstance(true, InBlock) != self._says_done
        if not self._says_done:
            return Unknown.NOWHERE
        block = Block(txid, 1, "f" * 64, ok=True)
        return InBlock(block, UInt(0))
