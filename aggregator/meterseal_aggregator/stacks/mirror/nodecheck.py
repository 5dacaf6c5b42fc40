"""The audit of the mirrors against the chain: what contracts say they hold, asked of a node.

All is asked at one tip, and what was told above what is settled is followed in memory
(`ahead`). This module must never write.
"""

from typing import Final

from meterseal_aggregator.stacks.calls.deployment import Deployment
from meterseal_aggregator.stacks.mirror.ahead import (
    Question,
    Side,
    Wrong,
    ask,
    at_one_tip,
    found,
    settled,
    told_above,
)
from meterseal_aggregator.stacks.mirror.bookcheck import MIRRORED, Mirrors, replayed
from meterseal_aggregator.stacks.mirror.model import Incoherent
from meterseal_aggregator.stacks.node.port import Node, Tip
from meterseal_aggregator.storage.database import Database
from meterseal_aggregator.storage.finding import Finding
from meterseal_proto.c32 import Principal
from meterseal_proto.clarity import NONE, Buffer, Ok, Optional, Tuple, UInt

MOST_HOLDERS: Final = 2_000
"""Holders asked about one by one, in the order of their addresses."""
MOST_ANCHORS: Final = 50
"""Anchors asked about one by one, the newest."""


async def findings(
    database: Database, node: Node, contracts: Deployment
) -> list[Finding]:
    """Compare supply, holders, debts, escrow and anchors with what the contracts say."""
    side = Side(node, contracts)

    async def compare(tip: Tip) -> int:
        mirrors = await _at(database, side, tip)
        asked = questions(mirrors)
        for question in asked:
            await ask(side, question, tip)
        return len(asked) + await _anchors(side, mirrors)

    async def compared() -> str:
        count, tip = await at_one_tip(node, compare)
        return (
            f"{count} answers of the contracts at block {tip.height} are the mirrors'"
        )

    return await found(MIRRORED, compared)


async def _at(database: Database, side: Side, tip: Tip) -> Mirrors:
    """Return the mirrors as of a tip."""
    try:
        async with database.reading() as tx:
            at = await settled(tx)
            mirrors = await replayed(tx, at.known)
        for told in await told_above(side, at, tip):
            mirrors.take(told)
    except Incoherent as error:
        raise Wrong(str(error)) from None
    return mirrors


def questions(mirrors: Mirrors) -> list[Question]:
    """Return what to ask the contracts, and what they are to answer."""
    supply, escrow, roots = mirrors.supply, mirrors.escrow, mirrors.roots
    totals = Tuple.of(minted=UInt(supply.minted), burned=UInt(supply.burned))
    asked = [Question("energy-token", "get-totals", (), totals)]
    for who in sorted(supply.balances, key=Principal.text)[:MOST_HOLDERS]:
        held, owed = supply.balances[who], supply.debts.get(who, 0)
        asked += [
            Question("energy-token", "get-balance", (who,), Ok(UInt(held))),
            Question("energy-token", "get-debt", (who,), UInt(owed)),
        ]
    assets = {one.asset for one in escrow.trades.values()} | {None}
    for asset in sorted(assets, key=lambda one: "" if one is None else one.text()):
        key = NONE if asset is None else Optional(asset)
        held = escrow.held(asset)
        asked.append(Question("trade-escrow", "get-held", (key,), UInt(held)))
    asked.append(Question("trade-escrow", "get-trade-count", (), UInt(escrow.last)))
    asked.append(Question("energy-oracle", "get-anchor-count", (), UInt(roots.count)))
    return asked


async def _anchors(side: Side, mirrors: Mirrors) -> int:
    """Ask about the newest anchors; returns how many."""
    newest = mirrors.roots.anchors[-MOST_ANCHORS:]
    oracle = side.contracts.contract("energy-oracle")
    for one in newest:
        said = await side.node.call(oracle, "get-anchor", (UInt(one.number),))
        match said:
            case Optional(Tuple(fields)):
                there = fields.get("size"), fields.get("root")
            case _:
                there = None, None
        if there != (UInt(one.size), Buffer(one.root)):
            raise Wrong(f"anchor {one.number} of size {one.size} is not on the chain")
    return len(newest)
