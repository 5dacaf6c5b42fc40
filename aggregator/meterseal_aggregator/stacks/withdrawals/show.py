"""What a member is shown of a withdrawal: its parts, why one was refused, what to claim.

Whoever opened the transaction commits it. This module must never write, nor show a claim
whose epoch has not settled on the chain.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from meterseal_aggregator.stacks.calls.token import Claim
from meterseal_aggregator.stacks.outbox import deeds
from meterseal_aggregator.stacks.withdrawals import store
from meterseal_aggregator.stacks.withdrawals.ask import mint_deed
from meterseal_aggregator.stacks.withdrawals.duty import (
    claim_leaf,
    claim_of,
    epoch_deed,
)
from meterseal_aggregator.stacks.withdrawals.model import (
    Epoch,
    Part,
    State,
    Teller,
    Withdrawal,
)
from meterseal_aggregator.stacks.withdrawals.rules import state_of
from meterseal_aggregator.storage.database import Transaction
from meterseal_proto.clarity import Err, UInt
from meterseal_proto.merkle import inclusion_proof

POSTED = "posted"


@dataclass(frozen=True, slots=True)
class Shown:
    """A withdrawal as it stands, with its parts in order."""

    withdrawal: Withdrawal
    state: State
    parts: tuple[Part, ...]

    @property
    def wh(self) -> int:
        """What left the ledger for it."""
        return sum(part.share.wh for part in self.parts)

    @property
    def paid(self) -> int:
        """What the chain paid so far, after debts there."""
        return sum(part.paid or 0 for part in self.parts)


@dataclass(frozen=True, slots=True)
class Claimable:
    """What `energy-token.claim` takes: the claim and its path to the epoch's root."""

    claim: Claim
    siblings: tuple[bytes, ...]


async def shown(tx: Transaction, withdrawals: Sequence[Withdrawal]) -> list[Shown]:
    """Return how withdrawals stand, in their order."""
    parts: dict[int, list[Part]] = {one.id: [] for one in withdrawals}
    for part in await store.parts(tx, list(parts)):
        parts[part.withdrawal].append(part)
    leaves = {p.leaf.epoch_id for ps in parts.values() for p in ps if p.leaf}
    epochs = await store.epochs(tx, sorted(leaves))
    return [_shown(one, parts[one.id], epochs) for one in withdrawals]


async def claimable(tx: Transaction, teller: Teller, one: Shown) -> Claimable | None:
    """Return what to claim of a withdrawal; None when there is nothing, or not yet."""
    (*_, part) = one.parts
    if one.state is not State.CLAIMABLE or part.leaf is None:
        return None
    epoch = (await store.epochs(tx, [part.leaf.epoch_id]))[part.leaf.epoch_id]
    beside = await store.leaves(tx, epoch.id)
    hashes = [claim_leaf(teller, epoch.number, n, p) for n, p in enumerate(beside)]
    index = part.leaf.index
    claim = claim_of(epoch.number, index, part)
    return Claimable(claim, inclusion_proof(hashes, index))


async def why_refused(tx: Transaction, one: Shown) -> dict[int, int | None]:
    """Return the contract's error by the part it refused; None for what it never answered."""
    found: dict[int, int | None] = {}
    for part in one.parts:
        if part.state is State.REFUSED:
            name = mint_deed(part) if part.leaf is None else await _epoch(tx, part)
            done = await deeds.outcome(tx, name)
            answer = None if done is None else done.result
            code = answer.value if isinstance(answer, Err) else None
            found[part.id] = code.value if isinstance(code, UInt) else None
    return found


async def _epoch(tx: Transaction, part: Part) -> str:
    assert part.leaf is not None
    found = await store.epochs(tx, [part.leaf.epoch_id])
    return epoch_deed(found[part.leaf.epoch_id])


def _shown(one: Withdrawal, parts: Sequence[Part], epochs: dict[int, Epoch]) -> Shown:
    posted = any(
        part.leaf is not None and epochs[part.leaf.epoch_id].state == POSTED
        for part in parts
    )
    return Shown(one, state_of(parts, posted=posted), tuple(parts))
