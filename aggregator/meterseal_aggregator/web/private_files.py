"""Proof and bill files, gathered from the tables under one checkpoint.

Every day is hashed again as it is read; `meterseal-verify` then trusts none of it. This
module must never put anything into a file that a reader could not check.
"""

from collections.abc import Sequence

from meterseal_aggregator.privacy import bills, tariffs
from meterseal_aggregator.privacy.bills import KeptBill
from meterseal_aggregator.privacy.model import KeptDay
from meterseal_aggregator.registry import store as registry
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
    first = days[0]
    key_id = await registry.key_event_id(tx, first.register_id, first.header.seq)
    key = await _place(tx, key_id or 0, head)
    (entry,) = await log.entries(tx, key.index, 1)
    told = [
        DayEvidence(
            day.header, day.signature, day.records, day.proof,
            await _place(tx, day.id, head),
        )
        for day in days
    ]  # fmt: skip
    assert head is not None
    bill = None if kept is None else await _bill(tx, kept, head)
    key_evidence = KeyEvidence(entry.body, key)
    note = await cosignatures.note(tx, head)
    return PrivateFile(genesis, key_evidence, tuple(told), note, bill)


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
