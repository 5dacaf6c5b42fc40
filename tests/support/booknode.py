"""A node over a book chain: read-only functions, faults, ends of the process, and lies."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from meterseal_aggregator.stacks.events.energy import EnergyMinted
from meterseal_aggregator.stacks.node.port import (
    Place,
    Print,
    PrintedBlock,
    Refused,
    Why,
)
from meterseal_proto.c32 import Address, Principal
from meterseal_proto.clarity import NONE, Buffer, Ok, Optional, Tuple, UInt, Value
from meterseal_proto.errors import Unavailable
from tests.support.bookchain import (
    ESCROW,
    HASH,
    ORACLE,
    PEOPLE,
    TOKEN,
    BookChain,
    Books,
    spelled,
)
from tests.support.fakenode import FakeNode, Trouble
from tests.support.mortal import Fuse

CONTRACTS = (TOKEN, ESCROW, ORACLE)
FIRST = 3


class BookNode(FakeNode):
    """A node of a book chain; `broken` of its exchanges get no answer."""

    def __init__(self, chain: BookChain, fuse: Fuse | None = None) -> None:
        super().__init__(chain)
        self.books = chain
        self.fuse = fuse
        self.broken = 0.0
        self.chance = random.Random(0)
        self.asked = 0

    def _begin(self) -> Trouble:
        self.asked += 1
        if self.fuse is not None:
            self.fuse.step()
        if self.chance.random() < self.broken:
            raise Unavailable(self.chance.choice(("500", "no answer within 10 s")))
        return Trouble.NONE

    async def published(self, contract: Principal) -> int:
        self._begin()
        if contract not in CONTRACTS:
            raise Refused(Why.CONTRACT, contract.text())
        return FIRST + CONTRACTS.index(contract)

    async def call(
        self, contract: Principal, function: str, arguments: Sequence[Value]
    ) -> Value:
        self._begin()
        books = self.books.books(self._height)
        match function:
            case "get-totals":
                return Tuple.of(minted=UInt(books.minted), burned=UInt(books.burned))
            case "get-balance":
                return Ok(UInt(_of(books.balances, arguments[0])))
            case "get-debt":
                return UInt(_of(books.debts, arguments[0]))
            case "get-held":
                return UInt(_held(books, arguments[0]))
            case "get-trade-count":
                return UInt(books.opened)
            case "get-anchor-count":
                return UInt(len(books.checkpoints))
            case "get-anchor":
                return _checkpoint(books, arguments[0])
            case _:
                raise Refused(Why.OTHER, f"no {function} of {contract.text()}")


def _of(numbers: dict[Principal, int], who: Value) -> int:
    assert isinstance(who, Principal)
    return numbers.get(who, 0)


def _held(books: Books, asked: Value) -> int:
    assert isinstance(asked, Optional)
    return sum(
        amount for asset, amount in books.trades.values() if asset == asked.value
    )


def _checkpoint(books: Books, number: Value) -> Value:
    assert isinstance(number, UInt)
    if number.value >= len(books.checkpoints):
        return NONE
    size, root = books.checkpoints[number.value]
    at = {"at": UInt(0), "height": UInt(1)}
    return Optional(Tuple.of(size=UInt(size), root=Buffer(root), **at))


class LyingNode(BookNode):
    """Tells of blocks what is not so, now and then; `met` counts the lies."""

    def __init__(self, chain: BookChain, met: Counter[str]) -> None:
        super().__init__(chain)
        self.met = met

    async def block(self, height: int, publisher: Address) -> PrintedBlock | None:
        told = await super().block(height, publisher)
        if told is None or self.chance.random() < 0.4:
            return told
        lie = self.chance.choice(
            ("minted", "silent", "other", "orphan", "below", "none")
        )
        self.met[f"lie {lie}"] += 1
        match lie:
            case "minted":
                made_up = spelled(EnergyMinted(HASH, 0, PEOPLE[0], 10**6, 1, 2, 0, 900))
                place = Place(f"{self.chance.getrandbits(256):064x}", 0)
                prints = (*told.prints, Print(TOKEN, place, made_up))
                return replace(told, prints=prints)
            case "silent":
                return replace(told, prints=told.prints[1:])
            case "other":
                return replace(told, block_id=f"{self.chance.getrandbits(256):064x}")
            case "orphan":
                return replace(told, parent_id=f"{self.chance.getrandbits(256):064x}")
            case "below":
                return await super().block(height - 1, publisher)
            case _:
                return None
