"""The audit of the mirrors: what they say is what all settled events come to, made anew.

Invariant 7, the half that needs no node: the mirrors' tables against a replay of every
settled event from the first on, each anchored root against the checkpoint that our log
signed at its size, and no event that nobody could read. This module must never write.
"""

from dataclasses import dataclass, field
from typing import Final

from meterseal_aggregator.stacks.calls.deployment import Deployment
from meterseal_aggregator.stacks.events.record import Told
from meterseal_aggregator.stacks.mirror import blocks, books
from meterseal_aggregator.stacks.mirror.blocks import Following
from meterseal_aggregator.stacks.mirror.indexer import EVENTS_AT_ONCE, understood
from meterseal_aggregator.stacks.mirror.model import Escrow, Incoherent, Roots, Supply
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.storage.finding import Finding
from meterseal_proto.c32 import Address, Principal
from meterseal_proto.errors import Malformed

MIRRORED: Final = 7
"""On-chain supply, escrow and roots are what our mirrors say."""
_UNSIGNED: Final = """
SELECT a.number, a.size, a.txid, c.root FROM mirror_anchors a
LEFT JOIN checkpoints c ON c.size = a.size
WHERE c.root IS NULL OR c.root <> a.root ORDER BY a.number LIMIT 1
"""


@dataclass(slots=True)
class Mirrors:
    """All mirrors in memory, and how many events they took."""

    supply: Supply = field(default_factory=Supply)
    escrow: Escrow = field(default_factory=Escrow)
    roots: Roots = field(default_factory=Roots)
    events: int = 0

    def take(self, told: Told) -> None:
        """Follow an event; raises Incoherent."""
        for mirror in (self.supply, self.escrow, self.roots):
            mirror.take(told)
        self.events += 1


async def findings(tx: Transaction) -> list[Finding]:
    """Say whether the mirrors hold; nothing where no chain is followed."""
    known = await blocks.following(tx)
    if known is None:
        return []
    try:
        anew = await replayed(tx, known)
    except Incoherent as error:
        return [_finding(f"settled events contradict each other: {error}", ok=False)]
    wrong = await _difference(tx, anew)
    return [
        _finding(wrong or _told(known, anew), ok=wrong is None),
        await _anchors(tx),
        await _odd(tx),
    ]


async def is_followed(tx: Transaction) -> bool:
    """Tell whether a chain is followed here."""
    return await blocks.following(tx) is not None


async def replayed(tx: Transaction, known: Following) -> Mirrors:
    """Return the mirrors of every settled event; raises Incoherent."""
    contracts, found = Deployment(Address.parse(known.publisher)), Mirrors()
    at = (known.start, -1)
    while page := await blocks.events(tx, at, known.settled, EVENTS_AT_ONCE):
        for event in page:
            try:
                told = understood(contracts, event)
            except Malformed:
                # Told of by a finding of its own.
                continue
            found.take(told)
        at = page[-1].height, page[-1].position
    return found


async def _difference(tx: Transaction, anew: Mirrors) -> str | None:
    """Return the first difference between the tables and the replay."""
    kept, supply = await books.supply(tx), anew.supply
    if (kept.minted, kept.burned) != (supply.minted, supply.burned):
        return (
            f"the books have {kept.minted} Wh minted and {kept.burned} burned, events"
            f" {supply.minted} and {supply.burned}"
        )
    for what, here, there in (
        ("holds", kept.balances, supply.balances),
        ("owes", kept.debts, supply.debts),
    ):
        who = first_difference(here, there)
        if who is not None:
            amounts = f"{here.get(who, 0)} Wh in the books, {there.get(who, 0)}"
            return f"{who.text()} {what} {amounts} by the events"
    escrow, held = await books.escrow(tx), await books.held(tx)
    if (escrow.trades, escrow.last) != (anew.escrow.trades, anew.escrow.last):
        return "the open trades in the books are not those of the events"
    for asset in {one.asset for one in escrow.trades.values()} | held.keys():
        if held.get(asset, 0) != escrow.held(asset):
            name = "STX" if asset is None else asset.text()
            return (
                f"the books hold {held.get(asset, 0)} {name} for {escrow.held(asset)}"
            )
    roots = [(one.number, one.size, one.root) for one in await books.roots(tx)]
    if roots != [(one.number, one.size, one.root) for one in anew.roots.anchors]:
        return "the anchors in the books are not those of the events"
    return None


def first_difference(
    one: dict[Principal, int], other: dict[Principal, int]
) -> Principal | None:
    """Return the first principal, by its text, with two numbers; absent ones are 0."""
    for who in sorted(one.keys() | other.keys(), key=Principal.text):
        if one.get(who, 0) != other.get(who, 0):
            return who
    return None


def _told(known: Following, anew: Mirrors) -> str:
    return (
        f"{anew.events} settled events up to block {known.settled} come to the mirrors'"
        f" {anew.supply.total} Wh, {len(anew.escrow.trades)} open trades and"
        f" {anew.roots.count} anchors"
    )


async def _anchors(tx: Transaction) -> Finding:
    rows = await tx.rows(_UNSIGNED)
    if not rows:
        told = "every root on the chain is one our log signed at its size"
        return _finding(told, ok=True)
    number, size, txid, root = rows[0]
    signed = "signed no checkpoint" if root is None else "signed another root"
    told = (
        f"anchor {number} on the chain (transaction {txid}) has a root of size {size},"
        f" at which our log {signed}"
    )
    return _finding(told, ok=False)


async def _odd(tx: Transaction) -> Finding:
    count = await blocks.odd(tx)
    detail = f"{count} events of our contracts could not be read by this release"
    return _finding(detail, ok=not count)


def _finding(detail: str, *, ok: bool) -> Finding:
    return Finding(MIRRORED, ok=ok, detail=detail)
