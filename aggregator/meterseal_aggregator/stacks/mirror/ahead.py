"""Between what is settled and a node's tip: what was told there, and questions at one tip.

    count, tip = await at_one_tip(node, compare)      # compare(tip) asks what it likes
    for one in await told_above(side, settled, tip): ...
    await ask(side, Question("payment", "get-paid", (UInt(7),), UInt(0)), tip)

Contracts answer by the tip and books are as deep as what is settled, so whoever compares
follows the events in between in memory. This module must never write, nor take a node's
silence for agreement.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.stacks.calls.deployment import Deployment
from meterseal_aggregator.stacks.events.reading import read
from meterseal_aggregator.stacks.events.record import Told
from meterseal_aggregator.stacks.mirror import blocks
from meterseal_aggregator.stacks.mirror.blocks import Following
from meterseal_aggregator.stacks.mirror.indexer import NAMES
from meterseal_aggregator.stacks.node.port import Node, Print, Refused, Tip
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.storage.finding import Finding
from meterseal_proto.c32 import Principal
from meterseal_proto.clarity import Value
from meterseal_proto.errors import Malformed, Unavailable

LOOKS: Final = 5
"""Looks begun anew because a block came meanwhile."""
MOST_AHEAD: Final = 200
"""Blocks read in memory above what is settled; who is further behind catches up first."""


@dataclass(frozen=True, slots=True)
class Side:
    """Whom to ask: a node, and whose contracts."""

    node: Node
    contracts: Deployment


@dataclass(frozen=True, slots=True)
class Settled:
    """Where the books stand: what is followed, and the ids of blocks from there on."""

    known: Following
    ids: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, and the answer that the books expect."""

    contract: str
    function: str
    arguments: Sequence[Value]
    expected: Value

    @property
    def text(self) -> str:
        """The question in words."""
        told = " ".join(
            one.text() if isinstance(one, Principal) else str(one)
            for one in self.arguments
        )
        return f"{self.contract}.{self.function} {told}".rstrip()


class Wrong(Exception):
    """Something on the chain is not as the books have it, or cannot be told."""


async def found(
    invariant: int, compared: Callable[[], Awaitable[str]]
) -> list[Finding]:
    """Return what a comparison came to; silence and refusals of the node are findings."""
    try:
        return [Finding(invariant, ok=True, detail=await compared())]
    except Wrong as error:
        return [Finding(invariant, ok=False, detail=str(error))]
    except (Unavailable, Refused) as error:
        told = f"the chain could not be asked: {error}"
        return [Finding(invariant, ok=False, detail=told)]


async def at_one_tip(
    node: Node, compare: Callable[[Tip], Awaitable[int]]
) -> tuple[int, Tip]:
    """Compare until no block came meanwhile; returns what `compare` did, and the tip."""
    for _ in range(LOOKS):
        tip = await node.info()
        count = await compare(tip)
        if await node.info() == tip:
            return count, tip
    raise Wrong("the chain moves on while it is compared: audit again")


async def settled(tx: Transaction) -> Settled:
    """Return where the books stand; raises Wrong where they follow no chain."""
    known = await blocks.following(tx)
    if known is None:
        raise Wrong("no chain is followed yet: let the indexer begin")
    return Settled(known, await blocks.ids(tx, known.settled))


async def told_above(side: Side, at: Settled, tip: Tip) -> list[Told]:
    """Return what our contracts told above what is settled, up to a tip, in its order."""
    height = at.known.settled
    if not height <= tip.height <= height + MOST_AHEAD:
        raise Wrong(
            f"block {height} is settled here and {tip.height} is the node's tip:"
            " let the one behind catch up, and audit again"
        )
    told: list[Told] = []
    last = at.ids.get(height)
    for number in range(height + 1, tip.height + 1):
        block = await side.node.block(number, side.contracts.address)
        if block is None or last not in (None, block.parent_id):
            raise Wrong(
                f"the node's block {number} does not stand on what is settled here"
            )
        last = block.block_id
        told += [_read(side, one) for one in block.prints if one.contract.name in NAMES]
    return told


def _read(side: Side, one: Print) -> Told:
    try:
        return read(side.contracts, one.contract, one.value)
    except Malformed as error:
        name = one.contract.text()
        raise Wrong(f"{name} printed what we cannot read: {error}") from None


async def said(side: Side, question: Question) -> Value:
    """Return what a contract answers."""
    contract = side.contracts.contract(question.contract)
    return await side.node.call(contract, question.function, question.arguments)


async def ask(side: Side, question: Question, tip: Tip) -> None:
    """Ask a contract; raises Wrong for another answer, unless a block came meanwhile."""
    answer = await said(side, question)
    if answer != question.expected and await side.node.info() == tip:
        raise Wrong(
            f"{question.text} is {answer} on the chain, and {question.expected} by the"
            " books"
        )
