"""A committed register's past, for the device that replaces a dead one.

Who asks is the seal key in force, by a signature that lives for minutes; what is given
is commitments, ciphertext and the member's own bills. This module must never answer a
key that was replaced: that device is dead, or stolen.
"""

from meterseal_aggregator.privacy import bills, store
from meterseal_aggregator.privacy.model import Cause, KeptDay, NotTaken
from meterseal_aggregator.registry.model import Claim
from meterseal_aggregator.registry.store import claims
from meterseal_aggregator.storage.database import Transaction
from meterseal_proto.enrolment import Genesis
from meterseal_proto.history import (
    BILLS_A_PAGE,
    DAYS_A_PAGE,
    LIFE_S,
    HistoryDay,
    HistoryPage,
    HistoryRequest,
)
from meterseal_proto.seal import MODE_COMMITTED


async def page(
    tx: Transaction, wish: HistoryRequest, genesis: Genesis, *, real_now: int
) -> HistoryPage:
    """Return the next days and bills of a register; raises NotTaken (REGISTER, KEY).

    `real_now` is real time: a request is taken for LIFE_S around when it was signed.
    """
    claim = await _claim(tx, wish, genesis, real_now)
    days = await store.days_after(
        tx, claim.register_id, wish.after, DAYS_A_PAGE, genesis
    )
    told = await bills.after(tx, claim.register_id, wish.after, BILLS_A_PAGE, genesis)
    # Where one list is full the other is cut to it: what is above comes with the next.
    ends = [
        found[-1].id
        for found, most in ((days, DAYS_A_PAGE), (told, BILLS_A_PAGE))
        if len(found) == most
    ]
    upto = min(ends) if ends else None
    return HistoryPage(
        tuple([await _day(tx, one) for one in days if upto is None or one.id <= upto]),
        tuple(one.bill for one in told if upto is None or one.id <= upto),
        upto,
    )


async def _claim(
    tx: Transaction, wish: HistoryRequest, genesis: Genesis, real_now: int
) -> Claim:
    known = await claims(tx, [wish.meter])
    claim = known.get((wish.meter, wish.register))
    if claim is None or claim.mode != MODE_COMMITTED:
        raise NotTaken(Cause.REGISTER, "no committed register of that name is enrolled")
    if abs(real_now - wish.at) > LIFE_S:
        raise NotTaken(
            Cause.KEY,
            f"the request was not signed in the last {LIFE_S} s: set the clock",
        )
    key = claim.keys[-1]
    digest = wish.digest(genesis.network)
    if key.to_seq is not None or not key.public.verify(digest, wish.signature):
        raise NotTaken(Cause.KEY, "the register's seal key in force did not sign this")
    return claim


async def _day(tx: Transaction, day: KeptDay) -> HistoryDay:
    return HistoryDay(
        day.header.seq,
        day.revision,
        b"".join(record.commitment for record in day.records),
        bytes(record.quality for record in day.records),
        day.state.value,
        await store.backup_of(tx, day.id) or b"",
    )
