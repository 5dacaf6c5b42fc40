"""What the contracts printed added up by our mirrors, beside what they answer when asked.

    told = await listen(node, at)
    for row in await compared(walk, at, told): ...

Each row has a name, what the chain says and what our mirror says. This module must never
take the one for the other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from deploy.story.walk import Walk
from meterseal_aggregator.stacks.calls.deployment import Deployment
from meterseal_aggregator.stacks.events.energy import Anchor
from meterseal_aggregator.stacks.events.reading import read
from meterseal_aggregator.stacks.events.record import FORMS, Told
from meterseal_aggregator.stacks.mirror.model import Escrow, Roots, Supply
from meterseal_aggregator.stacks.node.port import Node
from meterseal_proto.c32 import Principal
from meterseal_proto.clarity import Buffer, Ok, Optional, Tuple, UInt, Value

CONTRACTS: Final = tuple(sorted({contract for contract, _ in FORMS}))
"""All that print."""


@dataclass(frozen=True, slots=True)
class Row:
    """One figure as the chain has it, and as our mirror has it."""

    name: str
    chain: str
    mirror: str

    @property
    def equal(self) -> bool:
        """Whether both say the same."""
        return self.chain == self.mirror


async def listen(node: Node, at: Deployment) -> list[Told]:
    """Return all that our contracts printed, oldest first for each of them."""
    told = []
    for name in CONTRACTS:
        contract = at.contract(name)
        events = await node.events(contract, None)
        told += [read(at, contract, event.value) for event in events]
    return told


async def compared(
    walk: Walk, at: Deployment, told: Sequence[Told], names: Mapping[Principal, str]
) -> list[Row]:
    """Return supply, balances (`names` of holders), escrow and roots, from both sides."""
    supply, held, roots = Supply(), Escrow(), Roots()
    for one in told:
        for mirror in (supply, held, roots):
            mirror.take(one)
    anchored = [one for one in told if isinstance(one, Anchor)]
    total = await asked(walk, at, "energy-token.get-total-supply")
    stx = await asked(walk, at, "trade-escrow.get-held", Optional())
    count = await asked(walk, at, "trade-escrow.get-trade-count")
    anchors = await asked(walk, at, "energy-oracle.get-anchor-count")
    rows = [
        Row("Wh there are", total, f"{supply.total}"),
        *await balances(walk, at, supply.balances, names),
        Row("micro-STX in escrow", stx, f"{held.held(None)}"),
        Row("trades ever opened", count, f"{held.last}"),
        Row("roots anchored", anchors, f"{len(anchored)}"),
    ]
    for anchor in anchored:
        found = await asked(walk, at, "energy-oracle.get-root", Buffer(anchor.root))
        name = f"  entries under {anchor.root.hex()[:16]}.."
        rows.append(Row(name, found, f"{anchor.size}"))
    return rows


async def balances(
    walk: Walk,
    at: Deployment,
    mirrored: Mapping[Principal, int],
    names: Mapping[Principal, str],
) -> list[Row]:
    """Return the Wh of everybody who ever held any, from both sides."""
    rows = []
    for who, wh in mirrored.items():
        name = names.get(who) or who.name or who.text()
        found = await asked(walk, at, "energy-token.get-balance", who)
        rows.append(Row(f"  Wh of {name}", found, f"{wh}"))
    return rows


async def asked(walk: Walk, at: Deployment, function: str, *arguments: Value) -> str:
    """Ask a read-only function of one figure; returns it as text."""
    return _plain(await walk.reads(at, function, *arguments))


def table(rows: Sequence[Row]) -> str:
    """Return the rows for a person: the figure, the chain's, the mirror's."""
    width = max(len(row.name) for row in rows)
    lines = [f"  {'':{width}}  {'on chain':>14}  {'our mirror':>14}"]
    for row in rows:
        verdict = "" if row.equal else "  DIFFERS"
        lines.append(
            f"  {row.name:{width}}  {row.chain:>14}  {row.mirror:>14}{verdict}"
        )
    return "\n".join(lines)


def _plain(value: Value) -> str:
    match value:
        case Ok(inner):
            return _plain(inner)
        case UInt(number):
            return str(number)
        case Optional(Tuple(fields)):
            return _plain(fields["size"])
        case Optional(None):
            return "none"
    return str(value)
