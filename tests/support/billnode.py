"""A node whose contracts hold one bill, tokens and hashes as a test says they do."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from meterseal_aggregator.stacks.events.record import FORMS, Told
from meterseal_aggregator.stacks.node.port import (
    Place,
    Print,
    PrintedBlock,
    Refused,
    Tip,
    Why,
)
from meterseal_proto.c32 import Address, Principal
from meterseal_proto.clarity import (
    NONE,
    Buffer,
    Ok,
    Optional,
    Tuple,
    UInt,
    Value,
)
from tests.support.bookchain import spelled
from tests.support.energychain import AT
from tests.support.fakechain import FakeChain
from tests.support.fakenode import FakeNode

SETTLED = 40
"""The block up to which the books were told of all."""


@dataclass
class Contracts:
    """What the contracts answer: the bill's tuple, paid, reward, holders' tokens, hashes."""

    bill: dict[str, Value] = field(default_factory=dict)
    paid: int = 0
    reward: int = 0
    tokens: dict[Principal, int] = field(default_factory=dict)
    hashes: set[tuple[Principal, bytes]] = field(default_factory=set)


class BillNode(FakeNode):
    """Answers of `holds`; what was told above SETTLED stands in `above`, a block each."""

    def __init__(self, holds: Contracts) -> None:
        super().__init__(FakeChain())
        self.holds = holds
        self.above: list[Told] = []
        self.restless = 0
        """Looks at the tip at which another block came."""
        self.looks = 0
        self.pace = 0
        """Answers to a block, where blocks come by themselves."""
        self.answers = 0

    async def info(self) -> Tip:
        self._begin()
        self.looks += 1
        more = min(self.looks, self.restless)
        more += self.answers // self.pace if self.pace else 0
        height = SETTLED + len(self.above) + more
        return Tip(height, 1, _id(height))

    async def block(self, height: int, publisher: Address) -> PrintedBlock | None:
        assert publisher == AT.address
        told = self.above[height - SETTLED - 1 : height - SETTLED]
        prints = tuple(_print(one, height) for one in told)
        return PrintedBlock(height, _id(height), _id(height - 1), prints)

    async def call(
        self, contract: Principal, function: str, arguments: Sequence[Value]
    ) -> Value:
        self._begin()
        self.answers += 1
        assert contract.address == AT.address
        match f"{contract.name}.{function}", arguments:
            case "billing.get-bill", (UInt(1),):
                return Optional(Tuple(self.holds.bill)) if self.holds.bill else NONE
            case "payment.get-paid", (UInt(1),):
                return UInt(self.holds.paid)
            case "payment.get-reward", (UInt(1),):
                return UInt(self.holds.reward)
            case "utility-token.get-balance", (Principal() as who,):
                return Ok(UInt(self.holds.tokens.get(who, 0)))
            case "billing.get-bill-hash", (Principal() as who, Buffer(digest)):
                there = (who, digest) in self.holds.hashes
                return Optional(UInt(7)) if there else NONE
        raise Refused(Why.OTHER, f"no {function} of {contract.text()}")


def _id(height: int) -> str:
    return f"{height:064x}"


def _print(told: Told, height: int) -> Print:
    ((contract, _),) = (key for key, form in FORMS.items() if form.kind is type(told))
    return Print(AT.contract(contract), Place(_id(height), 0), spelled(told))
