"""A committed day as a contract takes it: its header, who signed it, its place in the log.

Reads the log, its anchors and the registry's keys. This module must never name a root that
is not published on the chain.
"""

from meterseal_aggregator.privacy.model import KeptDay
from meterseal_aggregator.registry.store import claims
from meterseal_aggregator.stacks.anchors import store as anchors
from meterseal_aggregator.stacks.calls.arguments import LogPlace, Sealed
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.translog import proofs
from meterseal_aggregator.translog import store as log
from meterseal_proto import recovery
from meterseal_proto.bundle import STACKS_PUBLISHER


async def log_place(tx: Transaction, day: KeptDay) -> LogPlace | None:
    """Return a day's place under the first anchored root over it; None while there is none."""
    index = (await log.indices(tx, [day.id])).get(day.id)
    row = None if index is None else await anchors.covering(tx, index)
    if index is None or row is None or row.publisher != STACKS_PUBLISHER:
        return None
    found = await proofs.include_at(tx, index, await log.head_at(tx, row.size))
    return None if found is None else LogPlace(index, found.proof, row.root)


async def sealed(tx: Transaction, day: KeptDay, chain_id: int) -> Sealed | None:
    """Return a day's header with a signature that names its key; None for a lost key."""
    known = await claims(tx, [day.header.meter])
    claim = known.get((day.header.meter, day.header.register))
    for key in claim.keys if claim is not None else ():
        try:
            digest = day.header.digest(chain_id)
            named = recovery.named(digest, day.signature, key.public.raw)
        except ValueError:
            continue
        return Sealed(day.header, named)
    return None
