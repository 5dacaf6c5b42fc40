"""Follows the chain: what our contracts printed, by block, and told once it lies deep.

    done = await index_once(database, node, contracts, limits, followers, now)    # again and again

Blocks are read upwards from the one that has our first contract, each standing on the one
before. A block that is gone is backed out with its events while it is not settled; once
`limits.depth` others lie over it, its events are settled: taken into the mirrors and told
to every follower, in the chain's order, in the transaction that marks them. So an end
anywhere leaves each event told to nobody or to all. A chain without what is settled here
stops everything with an alarm. This module must never tell a follower what may still
vanish, nor undo what was settled.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import structlog

from meterseal_aggregator.stacks.anchors.job import Refused
from meterseal_aggregator.stacks.calls.deployment import Deployment
from meterseal_aggregator.stacks.events.reading import read
from meterseal_aggregator.stacks.events.record import FORMS, Told
from meterseal_aggregator.stacks.mirror import blocks, books
from meterseal_aggregator.stacks.mirror.blocks import Following, KeptEvent
from meterseal_aggregator.stacks.mirror.model import Incoherent
from meterseal_aggregator.stacks.node.port import Node, PrintedBlock, Tip
from meterseal_aggregator.stacks.node.port import Refused as Denied
from meterseal_aggregator.stacks.outbox.plan import Limits
from meterseal_aggregator.storage.database import Database, Transaction
from meterseal_proto.clarity import decode
from meterseal_proto.errors import Malformed, Unavailable

BLOCKS: Final = 31
"""Blocks read in a round: one and a page of them, and one transaction here."""
EVENTS_AT_ONCE: Final = 1_000
"""Events loaded together while they are settled."""
NAMES: Final = frozenset(contract for contract, _ in FORMS)
"""Our contracts that print; what else their publisher published is no business of ours."""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Settled:
    """An event that lies deep enough: told to each follower once, in the chain's order.

    `block_id` and `txid` are 64 hex digits, `index` is the event's in its transaction.
    """

    height: int
    block_id: str
    txid: str
    index: int
    told: Told


Follower: TypeAlias = Callable[[Transaction, Settled], Awaitable[None]]
"""Acts on a settled event in the transaction that marks it.

What it raises undoes the mark as well, and the event is told again in the next round.
"""


@dataclass(frozen=True, slots=True)
class Indexed:
    """What a round came to: the last block read, the last settled, the events settled now.

    Heights are 0 before the first block.
    """

    height: int
    depth_height: int
    events: int


async def index_once(
    database: Database,
    node: Node,
    contracts: Deployment,
    limits: Limits,
    followers: Sequence[Follower],
    now: int,
) -> Indexed:
    """Read up to BLOCKS more blocks at Unix second `now`, and settle what lies deep.

    Returns the same heights again when there is nothing new. Raises Unavailable while the
    node gives no answer of use, Refused where somebody must look: the chain forked below
    what is settled, events contradict each other, or another publisher is followed here.
    """
    run = _Round(database, node, contracts, limits, tuple(followers), now)
    return await run.run()


@dataclass(frozen=True, slots=True)
class _View:
    """What is kept: the settled height, and block ids from it on."""

    settled: int
    ids: Mapping[int, str] = field(default_factory=dict)

    @property
    def top(self) -> int:
        return max(self.ids, default=self.settled)


@dataclass(frozen=True, slots=True)
class _Round:
    database: Database
    node: Node
    contracts: Deployment
    limits: Limits
    followers: tuple[Follower, ...]
    now: int

    async def run(self) -> Indexed:
        async with self.database.reading() as tx:
            view = await self._view(tx)
        tip = await self.node.info()
        if view is None:
            view = await self._begin(tip)
        if view is None:
            return Indexed(0, 0, 0)
        foot, fresh = await self._read(view, tip)
        return await self._keep(view, tip, foot, fresh)

    async def _view(self, tx: Transaction) -> _View | None:
        known = await blocks.following(tx)
        if known is None:
            return None
        if known.publisher != self.contracts.address.text():
            raise Refused(
                f"this database follows the contracts of {known.publisher}, and [stacks]"
                f" names {self.contracts.address.text()}: give one back its own"
            )
        return _View(known.settled, await blocks.ids(tx, known.settled))

    async def _begin(self, tip: Tip) -> _View | None:
        """Begin at the first of our contracts, once that lies deep; None before."""
        found = [height for name in sorted(NAMES) if (height := await self._at(name))]
        if not found:
            raise Unavailable(f"no contract of ours at {self.contracts.address.text()}")
        start = min(found)
        if tip.height - start < self.limits.depth:
            return None
        publisher = self.contracts.address.text()
        first = Following(publisher, start, start - 1, tip.height, self.now)
        async with self.database.transaction() as tx:
            if await blocks.following(tx) is None:
                await blocks.begin(tx, first)
        return _View(start - 1)

    async def _at(self, name: str) -> int:
        """Return the height at which a contract was published, 0 where it was not."""
        try:
            return await self.node.published(self.contracts.contract(name))
        except Denied:
            return 0

    async def _read(self, view: _View, tip: Tip) -> tuple[int, list[PrintedBlock]]:
        """Return what is new, and the height of the kept block that it stands on.

        Nothing new stands on the top, whatever the node says of blocks below it.
        """
        nothing: tuple[int, list[PrintedBlock]] = (view.top, [])
        foot = self._foot(view, tip)
        if foot is None:
            return nothing
        while True:
            block = await self._block(view, foot + 1)
            if block is None:
                return nothing
            if view.ids.get(foot, block.parent_id) == block.parent_id:
                break
            if foot <= view.settled:
                raise _forked(view)
            foot -= 1
        return foot, await self._onwards(view, block, tip)

    def _foot(self, view: _View, tip: Tip) -> int | None:
        """Return where to go on from by what the tip says; None where nothing is new."""
        if tip.height > view.top:
            return view.top
        if tip.height < view.settled:
            raise Unavailable(
                f"the node is at block {tip.height}, and {view.settled} is settled here"
            )
        if view.ids.get(tip.height, tip.block_id) == tip.block_id:
            return None
        if tip.height == view.settled:
            raise _forked(view)
        return tip.height - 1

    async def _onwards(
        self, view: _View, first: PrintedBlock, tip: Tip
    ) -> list[PrintedBlock]:
        """Return a block and those after it that stand on each other."""
        fresh, height = [first], first.height + 1
        if height > tip.height:
            return fresh
        for block in await self.node.blocks(height, BLOCKS - 1, self.contracts.address):
            self._hold(view, block, fresh[-1].height + 1)
            if block.parent_id != fresh[-1].block_id:
                break
            fresh.append(block)
        return fresh

    async def _block(self, view: _View, height: int) -> PrintedBlock | None:
        block = await self.node.block(height, self.contracts.address)
        if block is not None:
            self._hold(view, block, height)
        return block

    def _hold(self, view: _View, block: PrintedBlock, height: int) -> None:
        """Hold a block to its height; raises Unavailable for one that is at two."""
        twice = any(at != height and block.block_id == view.ids[at] for at in view.ids)
        if block.height != height or twice or block.block_id == block.parent_id:
            raise Unavailable(f"the node has one block at two heights, {height} is one")

    async def _keep(
        self, view: _View, tip: Tip, foot: int, fresh: list[PrintedBlock]
    ) -> Indexed:
        """Keep what is new on top of `foot` and settle what lies deep, in one transaction."""
        top = fresh[-1].height if fresh else view.top
        deep = max(view.settled, top - self.limits.depth)
        async with self.database.transaction() as tx:
            if await self._view(tx) != view:
                return Indexed(view.top, view.settled, 0)
            await blocks.look(tx, tip.height, self.now)
            if fresh and foot < view.top:
                _log.warning("blocks_gone", above=foot, up_to=view.top)
                await blocks.cut(tx, foot)
            await blocks.keep(tx, fresh, NAMES)
            count = await self._settle(tx, view.settled, deep)
        return Indexed(top, deep, count)

    async def _settle(self, tx: Transaction, settled: int, deep: int) -> int:
        """Settle the blocks above `settled` up to `deep`; returns how many events they had."""
        if deep == settled:
            return 0
        count, at = 0, (settled + 1, -1)
        while page := await blocks.events(tx, at, deep, EVENTS_AT_ONCE):
            for event in page:
                await self._tell(tx, event)
            count += len(page)
            at = page[-1].height, page[-1].position
        await blocks.settle(tx, deep)
        return count

    async def _tell(self, tx: Transaction, event: KeptEvent) -> None:
        try:
            told = understood(self.contracts, event)
        except Malformed as error:
            _log.error("chain_event_not_understood", at=_place(event), why=error.detail)
            await blocks.mark_odd(tx, event)
            return
        try:
            await books.take(tx, told, height=event.height, txid=event.txid)
        except Incoherent as error:
            raise Refused(
                f"{_place(event)} cannot follow those before it ({error}): an event was lost or"
                " made up, so compare this node with another"
            ) from None
        known = Settled(event.height, event.block_id, event.txid, event.index, told)
        for follower in self.followers:
            await follower(tx, known)


def understood(contracts: Deployment, event: KeptEvent) -> Told:
    """Return what was told; raises Malformed for what our contracts do not print."""
    value = decode(event.value)
    return read(contracts, contracts.contract(event.contract), value)


def _place(event: KeptEvent) -> str:
    return f"event {event.index} of {event.txid} in block {event.height}"


def _forked(view: _View) -> Refused:
    block_id = view.ids[view.settled]
    _log.error("chain_forked_below_settled", height=view.settled, block_id=block_id)
    return Refused(
        f"block {view.settled} is settled here as {block_id[:16]}, and the node's chain has"
        " another: the books are left as they are, so compare this node with others, and"
        " set them right by hand if the chain itself forked that deep"
    )
