"""The audit of the mirrors against the chain: what contracts say they hold, asked of a node.

Contracts answer by the tip, mirrors are as deep as what is settled: the blocks in between
are read and followed in memory, and all is asked between two looks at one tip. This module
must never write, nor take a node's silence for agreement.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.stacks.calls.deployment import Deployment
from meterseal_aggregator.stacks.events.reading import read
from meterseal_aggregator.stacks.mirror import blocks
from meterseal_aggregator.stacks.mirror.bookcheck import MIRRORED, Mirrors, replayed
from meterseal_aggregator.stacks.mirror.indexer import NAMES
from meterseal_aggregator.stacks.mirror.model import Incoherent
from meterseal_aggregator.stacks.node.port import Node, Refused, Tip
from meterseal_aggregator.storage.database import Database
from meterseal_aggregator.storage.finding import Finding
from meterseal_proto.c32 import Principal
from meterseal_proto.clarity import NONE, Buffer, Ok, Optional, Tuple, UInt, Value
from meterseal_proto.errors import Malformed, Unavailable

LOOKS: Final = 5
"""Looks begun anew because a block came meanwhile."""
MOST_AHEAD: Final = 200
"""Blocks read in memory above what is settled; who is further behind catches up first."""
MOST_HOLDERS: Final = 2_000
"""Holders asked about one by one, in the order of their addresses."""
MOST_ANCHORS: Final = 50
"""Anchors asked about one by one, the newest."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, and the answer that the mirrors expect."""

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


class _Wrong(Exception):
    """Something on the chain is not as the mirrors have it, or cannot be told."""


async def findings(
    database: Database, node: Node, contracts: Deployment
) -> list[Finding]:
    """Compare supply, holders, debts, escrow and anchors with what the contracts say."""
    try:
        return [
            Finding(
                MIRRORED, ok=True, detail=await _compared(database, node, contracts)
            )
        ]
    except (_Wrong, Incoherent) as error:
        return [Finding(MIRRORED, ok=False, detail=str(error))]
    except (Unavailable, Refused) as error:
        told = f"the chain could not be asked: {error}"
        return [Finding(MIRRORED, ok=False, detail=told)]


async def _compared(database: Database, node: Node, contracts: Deployment) -> str:
    for _ in range(LOOKS):
        tip = await node.info()
        mirrors = await _at(database, node, contracts, tip)
        asked = questions(mirrors)
        for question in asked:
            await _ask(node, contracts, question, tip)
        count = len(asked) + await _anchors(node, contracts, mirrors)
        if await node.info() == tip:
            return f"{count} answers of the contracts at block {tip.height} are the mirrors'"
    raise _Wrong("the chain moves on while it is compared: audit again")


async def _at(
    database: Database, node: Node, contracts: Deployment, tip: Tip
) -> Mirrors:
    """Return the mirrors as of a tip."""
    async with database.reading() as tx:
        known = await blocks.following(tx)
        if known is None:
            raise _Wrong("no chain is followed yet: let the indexer begin")
        mirrors = await replayed(tx, known)
        ids = await blocks.ids(tx, known.settled)
    if not known.settled <= tip.height <= known.settled + MOST_AHEAD:
        raise _Wrong(
            f"block {known.settled} is settled here and {tip.height} is the node's tip:"
            " let the one behind catch up, and audit again"
        )
    last = ids.get(known.settled)
    for height in range(known.settled + 1, tip.height + 1):
        block = await node.block(height, contracts.address)
        if block is None or last not in (None, block.parent_id):
            raise _Wrong(
                f"the node's block {height} does not stand on what is settled here"
            )
        last = block.block_id
        for one in block.prints:
            if one.contract.name in NAMES:
                _take(mirrors, contracts, one.contract, one.value)
    return mirrors


def _take(
    mirrors: Mirrors, contracts: Deployment, contract: Principal, value: Value
) -> None:
    try:
        told = read(contracts, contract, value)
    except Malformed as error:
        raise _Wrong(
            f"{contract.text()} printed what we cannot read: {error}"
        ) from None
    mirrors.take(told)


def questions(mirrors: Mirrors) -> list[Question]:
    """Return what to ask the contracts, and what they are to answer."""
    supply, escrow, roots = mirrors.supply, mirrors.escrow, mirrors.roots
    totals = Tuple.of(minted=UInt(supply.minted), burned=UInt(supply.burned))
    found = [Question("energy-token", "get-totals", (), totals)]
    for who in sorted(supply.balances, key=Principal.text)[:MOST_HOLDERS]:
        held, owed = supply.balances[who], supply.debts.get(who, 0)
        found += [
            Question("energy-token", "get-balance", (who,), Ok(UInt(held))),
            Question("energy-token", "get-debt", (who,), UInt(owed)),
        ]
    assets = {one.asset for one in escrow.trades.values()} | {None}
    for asset in sorted(assets, key=lambda one: "" if one is None else one.text()):
        key = NONE if asset is None else Optional(asset)
        held = escrow.held(asset)
        found.append(Question("trade-escrow", "get-held", (key,), UInt(held)))
    found.append(Question("trade-escrow", "get-trade-count", (), UInt(escrow.last)))
    found.append(Question("energy-oracle", "get-anchor-count", (), UInt(roots.count)))
    return found


async def _ask(node: Node, contracts: Deployment, question: Question, tip: Tip) -> None:
    contract = contracts.contract(question.contract)
    said = await node.call(contract, question.function, question.arguments)
    if said != question.expected and await node.info() == tip:
        raise _Wrong(
            f"{question.text} is {said} on the chain, and {question.expected} by the mirrors"
        )


async def _anchors(node: Node, contracts: Deployment, mirrors: Mirrors) -> int:
    """Ask about the newest anchors; returns how many."""
    newest = mirrors.roots.anchors[-MOST_ANCHORS:]
    oracle = contracts.contract("energy-oracle")
    for one in newest:
        said = await node.call(oracle, "get-anchor", (UInt(one.number),))
        match said:
            case Optional(Tuple(fields)):
                there = fields.get("size"), fields.get("root")
            case _:
                there = None, None
        if there != (UInt(one.size), Buffer(one.root)):
            raise _Wrong(f"anchor {one.number} of size {one.size} is not on the chain")
    return len(newest)
