"""Proof and bill files, gathered from the tables under one checkpoint.

Every day is hashed again as it is read; `meterseal-verify` then trusts none of it. This
module must never put anything into a file that a reader could not check.
"""

from collections.abc import Sequence

from meterseal_aggregator.privacy import bills, tariffs
from meterseal_aggregator.privacy.bills import KeptBill
from meterseal_aggregator.privacy.model import KeptDay
from meterseal_aggregator.registry import store as registry
from meterseal_aggregator.registry.model import KeyValidity
from meterseal_aggregator.stacks.anchors.carried import anchor_over
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.translog import cosignatures, proofs
from meterseal_aggregator.translog import store as log
from meterseal_aggregator.translog.store import SignedHead
from meterseal_aggregator.web.problems import not_yet
from meterseal_proto.bundle import KeyEvidence, Logged
from meterseal_proto.enrolment import Genesis
from meterseal_proto.privatefile import BillEvidence, DayEvidence, PrivateFile


async def proof_file(tx: Transaction, day: KeptDay, genesis: Genesis) -> bytes:
    """Return the proof file of one day; raises the answer 409 before it is logged."""
    return (await _gather(tx, [day], genesis, None)).encode()


async def bill_file(tx: Transaction, kept: KeptBill, genesis: Genesis) -> bytes:
    """Return the bill file of a kept bill; raises the answer 409 before it is logged."""
    days = await bills.days_covered(tx, kept, genesis)
    return (await _gather(tx, days, genesis, kept)).encode()


async def _gather(
    tx: Transaction, days: Sequence[KeptDay], genesis: Genesis, kept: KeptBill | None
) -> PrivateFile:
    head = await log.latest(tx)
    keys = [await _key(tx, one, head) for one in await _speaking(tx, days, kept)]
    told = [
        DayEvidence(
            day.header, day.signature, day.records, day.proof,
            await _place(tx, day.id, head),
        )
        for day in days
    ]  # fmt: skip
    assert head is not None
    bill = None if kept is None else await _bill(tx, kept, head)
    note = await cosignatures.note(tx, head)
    places = [day.logged for day in told] + ([] if bill is None else [bill.logged])
    anchor = await anchor_over(tx, max(place.index for place in places), head)
    return PrivateFile(genesis, tuple(keys), tuple(told), note, bill, anchor)


async def _speaking(
    tx: Transaction, days: Sequence[KeptDay], kept: KeptBill | None
) -> list[int]:
    """Return the log entries of the keys in force over the days, in order.

    Of a bill the last one is the key that consented to it, in force when it was taken.
    """
    seqs = [day.header.seq for day in days]
    events = await registry.key_events_from(tx, days[0].register_id, min(seqs))
    found = [
        entry_id for entry_id, key in events if any(_covers(key, seq) for seq in seqs)
    ]
    if kept is None:
        return found
    bill = kept.bill
    consented = [
        entry_id
        for entry_id, key in events
        if key.public.verify(bill.statement.consent(), bill.consent)
    ]
    return [*dict.fromkeys([*found, *consented[-1:]])]


def _covers(key: KeyValidity, seq: int) -> bool:
    return key.from_seq <= seq and (key.to_seq is None or seq <= key.to_seq)


async def _key(tx: Transaction, entry_id: int, head: SignedHead | None) -> KeyEvidence:
    place = await _place(tx, entry_id, head)
    (entry,) = await log.entries(tx, place.index, 1)
    return KeyEvidence(entry.body, place)


async def _bill(tx: Transaction, kept: KeptBill, head: SignedHead) -> BillEvidence:
    tariff = await tariffs.tariff_named(tx, kept.bill.statement.tariff)
    assert tariff is not None
    place = await _place(tx, kept.id, head)
    return BillEvidence(kept.bill, tariff.document(), place)


async def _place(tx: Transaction, entry_id: int, head: SignedHead | None) -> Logged:
    found = await proofs.include(tx, entry_id, head)
    if found is None:
        raise not_yet("it waits for its place in the log; ask again in a minute")
    return Logged(found.index, found.proof)
