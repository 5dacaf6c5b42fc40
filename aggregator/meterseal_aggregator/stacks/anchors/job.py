"""Publish the log's latest root: write the intent, act, write down the reference.

Safe to stop anywhere: an intent found without its reference is asked for at the
publisher before anything is published again. One call does one anchor; the job loop
calls it, holds the lease, and retries when the publisher is Unavailable. This module
must never publish what is not a signed checkpoint, nor the same size twice.
"""

from typing import Protocol

import structlog

from meterseal_aggregator.stacks.anchors import store
from meterseal_aggregator.stacks.anchors.store import AnchorRow
from meterseal_aggregator.storage.database import Database
from meterseal_aggregator.translog import store as log_store
from meterseal_proto.errors import Unavailable

log = structlog.get_logger()


class Refused(Exception):
    """The publisher holds a larger size, or another root at this one: somebody must look.

    Either another log anchors there or this database was restored from an old backup.
    """


class OnItsWay(Unavailable):
    """Handed in and not published for good yet: nothing is wrong, ask again later."""


class Publisher(Protocol):
    """Where roots are published. Sizes strictly grow, for everybody who publishes there."""

    @property
    def name(self) -> str:
        """The publisher's kind, as bundles name it."""
        ...

    @property
    def proves(self) -> bool:
        """Whether a stranger may rely on what is published there."""
        ...

    async def publish(self, size: int, root: bytes) -> str:
        """Publish a size and its 32-byte root; returns the reference to find it by.

        Raises Refused when the size does not grow, Unavailable when it may be tried
        again - it may have been published all the same, so `find` comes first then.
        """
        ...

    async def find(self, size: int, root: bytes) -> str | None:
        """Give the reference if exactly this was published, or None if it surely was not.

        Raises Refused when another root stands at this size, Unavailable when unknown.
        """
        ...


async def anchor_once(db: Database, publisher: Publisher, now: int) -> AnchorRow | None:
    """Publish the latest checkpoint at Unix second `now`, or finish what was begun.

    Returns the anchor, or None when nothing new was signed. Raises Unavailable (call
    again later: the intent is kept) and Refused.
    """
    async with db.reading() as tx:
        last = await store.last(tx, publisher.name)
    if last is not None and last.reference is None:
        reference = await publisher.find(last.size, last.root)
        return await _finish(db, publisher, last, reference, now)
    intent = await _intend(db, publisher, last.size if last else 0, now)
    if intent is None:
        return None
    return await _finish(db, publisher, intent, None, now)


async def _intend(
    db: Database, publisher: Publisher, anchored: int, now: int
) -> AnchorRow | None:
    async with db.transaction() as tx:
        head = await log_store.latest(tx, at_least=anchored + 1)
        if head is None:
            return None
        return await store.intend(tx, publisher.name, head, now=now)


async def _finish(
    db: Database, publisher: Publisher, anchor: AnchorRow, found: str | None, now: int
) -> AnchorRow:
    reference = found or await publisher.publish(anchor.size, anchor.root)
    async with db.transaction() as tx:
        await store.complete(tx, anchor, reference, now=now)
    event = log.info if publisher.proves else log.warning
    event(
        "root_anchored" if publisher.proves else "root_anchored_proving_nothing",
        publisher=publisher.name,
        size=anchor.size,
        root=anchor.root.hex(),
        reference=reference,
        found=found is not None,
    )
    row = (anchor.publisher, anchor.size, anchor.root, anchor.intended_at)
    return AnchorRow(*row, reference, now)
