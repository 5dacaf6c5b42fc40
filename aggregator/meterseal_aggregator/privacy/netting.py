"""Nettings: what devices prove that neighbours' Wh were used is checked and kept.

    offer = await gather(tx, proved, genesis)    # what the database knows: days, request, key
    check(offer)                                 # in a thread: proofs; raises NotTaken
    await keep(tx, offer, now=now)
    await take(database, proved, genesis, now)   # the three of them

An answer nets slots that were asked about and nothing else, each with the Wh asked about,
over days whose proofs are verified. This module must never take an answer that nobody asked
for: it would tell of slots that a device was not asked about.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from meterseal_aggregator.privacy import store
from meterseal_aggregator.privacy.errands import nettings
from meterseal_aggregator.privacy.errands.nettings import NettingRequest
from meterseal_aggregator.privacy.model import Cause, KeptDay, NotTaken
from meterseal_aggregator.registry.model import Claim
from meterseal_aggregator.registry.store import claims
from meterseal_aggregator.storage.database import Database, Transaction
from meterseal_proto.enrolment import Genesis
from meterseal_proto.keys import PublicKey
from meterseal_proto.netting import BadNetting, NettedDay, ProvedNetting, check_netting
from meterseal_proto.seal import MODE_COMMITTED


@dataclass(frozen=True, slots=True)
class Offer:
    """An answer with all that is needed to check it: nothing more is read."""

    proved: ProvedNetting
    request: NettingRequest
    key: PublicKey
    days: tuple[KeptDay, ...]


async def gather(
    tx: Transaction, proved: ProvedNetting, genesis: Genesis
) -> Offer | None:
    """Return what is known about an answer; None where it was taken before.

    Raises NotTaken: REGISTER, PROOF for a signature that is not the device's, PERIOD for
    a period that nobody asked about.
    """
    said = proved.netting
    claim = (await claims(tx, [said.meter])).get((said.meter, said.register))
    if claim is None or claim.mode != MODE_COMMITTED:
        raise NotTaken(Cause.REGISTER, "no committed register of that name is enrolled")
    if said.network != genesis.network:
        raise NotTaken(Cause.REGISTER, "the netting is of another network")
    # First of all that costs anything: nobody else's signature makes us read a month.
    key = claim.keys[-1].public
    if not key.verify(said.digest(), proved.consent):
        raise NotTaken(Cause.PROOF, "the device's seal key did not sign this netting")
    request = await _asked(tx, claim, proved, genesis)
    if await nettings.proved(tx, request) == proved:
        return None
    good = said.part_of(request.asked)
    days = await days_of(tx, request, genesis) if good else []
    return Offer(proved, request, key, tuple(days))


def check(offer: Offer) -> None:
    """Check an answer; raises NotTaken: PERIOD, PROOF. Plain work, made for a thread."""
    if offer.request.answered_at is not None:
        raise NotTaken(Cause.PERIOD, "the device has said otherwise before")
    if not offer.proved.netting.part_of(offer.request.asked):
        raise NotTaken(Cause.PERIOD, "it nets what was not asked about")
    try:
        verify(offer.proved, offer.days, offer.key)
    except BadNetting as error:
        raise NotTaken(Cause.PROOF, str(error)) from None


def verify(proved: ProvedNetting, days: Sequence[KeptDay], key: PublicKey) -> None:
    """Hold a netting to the days it is over; raises BadNetting."""
    known = {day.digest: day for day in days}
    for day in proved.netting.days:
        kept = known.get(day.header)
        if kept is None or not _is_of(day, kept):
            raise BadNetting("a netted day is none of those that were verified")
    check_netting(
        proved,
        {one.digest: [r.commitment for r in one.records] for one in days},
        {one.digest: one.header.bits for one in days},
        key,
    )


async def keep(tx: Transaction, offer: Offer, *, now: int) -> None:
    """Keep a checked answer at Unix second `now`; one that was kept meanwhile stays."""
    await nettings.settle(tx, offer.request.id, offer.proved, now=now)


async def take(
    database: Database, proved: ProvedNetting, genesis: Genesis, now: int
) -> None:
    """Check and keep an answer at Unix second `now`; again is the same.

    Raises NotTaken with its cause, which the request keeps where the device's key signed
    the answer. The proofs are checked in a thread.
    """
    async with database.reading() as tx:
        offer = await gather(tx, proved, genesis)
    if offer is None:
        return
    try:
        await asyncio.to_thread(check, offer)
    except NotTaken as wrong:
        async with database.transaction() as tx:
            await nettings.note_not_taken(tx, offer.request.id, wrong.cause.value)
        raise
    async with database.transaction() as tx:
        await keep(tx, offer, now=now)


async def days_of(
    tx: Transaction, request: NettingRequest, genesis: Genesis
) -> list[KeptDay]:
    """Return the verified days of a request's period, by start."""
    period = request.period
    return await store.days_of(
        tx, period.register_id, period.begin, period.end, genesis
    )


async def _asked(
    tx: Transaction, claim: Claim, proved: ProvedNetting, genesis: Genesis
) -> NettingRequest:
    said = proved.netting
    period = claim.register_id, said.begin, said.end
    request = await nettings.of_period(tx, genesis.network, period)
    if request is None:
        raise NotTaken(Cause.PERIOD, "nobody asked what of that period may be netted")
    return request


def _is_of(day: NettedDay, kept: KeptDay) -> bool:
    return (day.first, day.step) == (kept.header.first, kept.header.step)
