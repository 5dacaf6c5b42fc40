"""The duty behind withdrawals: post epochs, give back what was refused, ask too much back.

    while await run_once(database, teller, gathering, moment): ...

Each act is one transaction, from what the tables say to what is wanted next, so it may
end anywhere. What the chain paid is for `follow` alone: this module must never take a
confirmed deed for Wh that arrived, nor a refused one for Wh that did not before all is heard
up to its block: a transaction sent twice is refused because the first was not.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import structlog

from meterseal_aggregator.stacks.calls import token
from meterseal_aggregator.stacks.calls.deployment import Call
from meterseal_aggregator.stacks.mirror import blocks
from meterseal_aggregator.stacks.outbox import deeds
from meterseal_aggregator.stacks.outbox.deeds import State as DeedState
from meterseal_aggregator.stacks.outbox.deeds import Wish as DeedWish
from meterseal_aggregator.stacks.withdrawals import books, returns, store
from meterseal_aggregator.stacks.withdrawals.ask import FIRST
from meterseal_aggregator.stacks.withdrawals.model import (
    MAX_LEAVES,
    Epoch,
    Moment,
    Part,
    Teller,
)
from meterseal_aggregator.stacks.withdrawals.rules import again_at, leaf
from meterseal_aggregator.storage.database import Database, Transaction
from meterseal_proto.c32 import Principal
from meterseal_proto.merkle import root_of

PAGE: Final = 200
"""Parts and slots taken up a run: a short transaction, and the next run goes on."""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Gathering:
    """An epoch is posted when its oldest claim waited `after_s`, or `most` are there.

    One transaction then serves them all, so waiting saves fees.
    """

    after_s: int = 3_600
    most: int = MAX_LEAVES


async def run_once(
    database: Database, teller: Teller, gathering: Gathering, moment: Moment
) -> int:
    """Do what is due; returns how many parts, epochs and reversals moved on."""
    async with database.transaction() as tx:
        done = await _give_back_mints(tx, moment)
        done += await _dissolve_epoch(tx, moment)
        done += await _refuse_reversals(tx, moment)
    async with database.transaction() as tx:
        done += await _post_epoch(tx, teller, gathering, moment)
        done += await _ask_back(tx, teller, moment)
    return done


async def _give_back_mints(tx: Transaction, moment: Moment) -> int:
    """Give back what the contract refused to mint, a page a run."""
    refused = await store.failed_mints(tx, await _heard(tx), PAGE)
    await _give_back(tx, refused, moment)
    return len(refused)


async def _give_back(tx: Transaction, refused: Sequence[Part], moment: Moment) -> None:
    if not refused:
        return
    await store.refuse(tx, refused, now=moment.network)
    await books.give_back(tx, refused, now=moment.network)
    _log.warning("withdrawn_parts_refused", parts=[one.id for one in refused])


async def _dissolve_epoch(tx: Transaction, moment: Moment) -> int:
    """Give back the claims of an epoch that the contract refused."""
    epoch = await store.posting(tx)
    if epoch is None or not await _failed(tx, epoch_deed(epoch)):
        return 0
    await store.settle_epoch(tx, epoch.id, "refused", now=moment.network)
    await _give_back(tx, await store.leaves(tx, epoch.id), moment)
    return 1


async def _refuse_reversals(tx: Transaction, moment: Moment) -> int:
    done = 0
    for one in await returns.wanted(tx):
        if await _failed(tx, reversal_deed(one.id)):
            await returns.settle_reversal(tx, one.id, None, now=moment.network)
            done += 1
    return done


async def _post_epoch(
    tx: Transaction, teller: Teller, gathering: Gathering, moment: Moment
) -> int:
    """Cut the next epoch over the claims that wait, when it is time for it."""
    if await store.posting(tx) is not None:
        return 0
    waiting, since = await store.gathering(tx)
    gathered = waiting[: gathering.most]
    young = moment.network - since < gathering.after_s
    if not gathered or (young and len(gathered) < gathering.most):
        return 0
    number = 1 + await store.last_epoch(tx)
    root = root_of([claim_leaf(teller, number, n, p) for n, p in enumerate(gathered)])
    total = sum(part.share.wh for part in gathered)
    size = len(gathered)
    epoch = Epoch(0, number, root, size, total, "posting")
    row_id = await store.cut(tx, epoch, gathered, now=moment.network)
    call = token.post_epoch(teller.contracts, number, root, size, total)
    await _want(tx, teller, epoch_deed(replace(epoch, id=row_id)), call, moment)
    return 1


async def _ask_back(tx: Transaction, teller: Teller, moment: Moment) -> int:
    """Want a reversal for what was minted and is not worth it any more."""
    done = 0
    for excess in await returns.too_much(tx, PAGE):
        if moment.network < again_at(excess.tries, excess.last_at):
            continue
        number = await returns.want_reversal(
            tx, excess.part, excess.wh, now=moment.network
        )
        owner = Principal.parse(excess.owner)
        call = token.reverse(teller.contracts, excess.mint_id, FIRST, excess.wh, owner)
        await _want(tx, teller, reversal_deed(number), call, moment)
        done += 1
    return done


def epoch_deed(epoch: Epoch) -> str:
    """Return the name of the deed that posts an epoch."""
    return f"epoch {epoch.id}"


def reversal_deed(number: int) -> str:
    """Return the name of the deed that reverses."""
    return f"reverse {number}"


def claim_of(number: int, index: int, part: Part) -> token.Claim:
    """Return the claim of a part as leaf `index` of the epoch `number`."""
    place, share = part.place, part.share
    slot = token.Slot(place.meter_point, place.register, share.start, share.end)
    owner = Principal.parse(part.owner)
    return token.Claim(number, index, owner, slot, share.wh)


def claim_leaf(teller: Teller, number: int, index: int, part: Part) -> bytes:
    """Return the leaf hash of a part."""
    return leaf(teller.contracts, claim_of(number, index, part))


async def _failed(tx: Transaction, deed: str) -> bool:
    """Tell whether a deed was refused for good, and all before that was heard."""
    found = await deeds.outcome(tx, deed)
    if found is None or found.state is not DeedState.FAILED:
        return False
    return found.block is not None and found.block.height <= await _heard(tx)


async def _heard(tx: Transaction) -> int:
    """Return the height up to which `follow` was told what the chain did."""
    following = await blocks.following(tx)
    return 0 if following is None else following.settled


async def _want(
    tx: Transaction, teller: Teller, deed: str, call: Call, moment: Moment
) -> None:
    wish = DeedWish(teller.oracle, deed, call.payload, call.conditions)
    await deeds.want(tx, wish, now=moment.real)
