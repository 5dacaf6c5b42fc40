"""Private bills: an amount over days nobody can read is checked, logged and kept.

    offer = await gather(tx, bill, genesis)      # what the database knows: days, tariff, before
    check(offer)                                 # in a thread: pure work; raises NotTaken
    await keep(tx, offer, now)                   # one log entry, one row
    await take(database, bill, genesis, now)     # the three of them

A register's bills are openings of one chain: each names the one before. Their periods are
equal or disjoint, and over one period the common refinement of all of them keeps every
atom of `MIN_ATOM` intervals, whatever the device was willing to sign (SETTLED 19): the
device refuses first, and here nothing finer is taken. This module must never take a bill
over a day whose proof is not verified, nor learn of a usage more than the amount.
"""

import asyncio
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from meterseal_aggregator.privacy import store, tariffs
from meterseal_aggregator.privacy.errands.store import settle
from meterseal_aggregator.privacy.model import Cause, KeptDay, NotTaken
from meterseal_aggregator.registry.model import Claim
from meterseal_aggregator.registry.store import claims
from meterseal_aggregator.storage.database import Database, Transaction
from meterseal_aggregator.translog import store as log
from meterseal_proto.bill import BadBill, BillStatement, ProvedBill, check_bill
from meterseal_proto.enrolment import Genesis
from meterseal_proto.entry import Opening, opening_entry
from meterseal_proto.errand import BillAsked
from meterseal_proto.privatefile import MAX_DAYS
from meterseal_proto.refinement import (
    MAX_OPENINGS,
    Refinement,
    TooFine,
)
from meterseal_proto.seal import MODE_COMMITTED
from meterseal_proto.tariff import Tariff
from meterseal_proto.units import MeterId, Quality, RegisterId

_BILLS: Final = """
SELECT b.id, b.register_id, m.meter, r.register, b.from_at, b.to_at, b.tariff, b.amount,
  b.revision, b.headers, b.previous, b.digest, b.proof, b.consent
FROM private_bills b JOIN registers r ON r.id = b.register_id
JOIN meters m ON m.id = r.meter_id
"""
_WAITING: Final = """
SELECT count(*) FROM committed_seals s JOIN range_proofs p ON p.seal_id = s.id
WHERE p.state = 'pending' AND s.register_id = ? AND s.first >= ? AND s.first < ?
"""
_KEEP: Final = """
INSERT INTO private_bills (id, register_id, from_at, to_at, tariff, amount, revision,
  headers, previous, digest, proof, consent, received_at, log_entry_id)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

# A row of the driver has the types of its table's columns.
Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class KeptBill:
    """A bill that was checked; `id` is its log entry's."""

    id: int
    register_id: int
    bill: ProvedBill


@dataclass(frozen=True, slots=True)
class Offer:
    """A bill with all that is needed to check it: nothing more is read."""

    bill: ProvedBill
    claim: Claim
    tariff: Tariff
    days: tuple[KeptDay, ...]
    before: tuple[KeptBill, ...]
    """All openings of the register, in the order of their chain."""
    tariffs_before: tuple[Tariff, ...]
    """Those of the openings of the same period, each once."""


async def gather(
    tx: Transaction, bill: ProvedBill, genesis: Genesis
) -> Offer | KeptBill:
    """Return what is known about a bill; the kept one when it was taken before.

    Raises NotTaken: REGISTER, TARIFF, PERIOD, or NOT_YET while proofs wait.
    """
    statement = bill.statement
    known = await claims(tx, [statement.meter])
    claim = known.get((statement.meter, statement.register))
    if claim is None or claim.mode != MODE_COMMITTED:
        raise NotTaken(Cause.REGISTER, "no committed register of that name is enrolled")
    if statement.network != genesis.network:
        raise NotTaken(Cause.REGISTER, "the statement is of another network")
    # First of all that costs anything: nobody else's signature makes us read a year.
    if not claim.keys[-1].public.verify(statement.consent(), bill.consent):
        raise NotTaken(Cause.PROOF, "the device's seal key did not consent to this")
    before = await of_register(tx, claim.register_id, genesis)
    for kept in before:
        # Compared with its signatures: else whoever guessed an amount would be told so.
        if kept.bill == bill:
            return kept
    tariff = await tariffs.tariff_named(tx, statement.tariff)
    if tariff is None:
        raise NotTaken(Cause.TARIFF, "no tariff of that hash is published")
    days = await _days(tx, claim, statement, genesis)
    names = {
        one.bill.statement.tariff
        for one in before
        if _period(one.bill.statement) == _period(statement)
    }
    earlier = [await _kept_tariff(tx, name) for name in sorted(names)]
    return Offer(bill, claim, tariff, tuple(days), tuple(before), tuple(earlier))


def check(offer: Offer) -> None:
    """Check a bill; raises NotTaken with its cause. Plain work, made for a thread."""
    statement = offer.bill.statement
    _check_chain(offer)
    starts = [record.start for day in offer.days for record in day.records]
    prices = prices_of(offer.tariff, starts)
    if offer.tariff.valid_from > statement.begin:
        raise NotTaken(Cause.TARIFF, "the tariff is not valid when the period begins")
    opened = [prices_of(tariff, starts) for tariff in offer.tariffs_before]
    try:
        Refinement.after([*opened, prices], known_slots(offer.days))
    except TooFine as error:
        raise NotTaken(Cause.TOO_FINE, str(error)) from None
    commitments = [record.commitment for day in offer.days for record in day.records]
    try:
        check_bill(offer.bill, prices, commitments, offer.claim.keys[-1].public)
    except BadBill as error:
        raise NotTaken(Cause.PROOF, str(error)) from None


def prices_of(tariff: Tariff, starts: Sequence[int]) -> list[int]:
    """Return the price of each interval, in order."""
    return [*tariff.prices(starts, tariffs.clock_of(tariff.zone))]


def known_slots(days: Sequence[KeptDay]) -> list[int]:
    """Return the places of the slots that everybody knows: MISSING ones are 0."""
    records = [record for day in days for record in day.records]
    return [at for at, one in enumerate(records) if one.quality == Quality.MISSING]


async def keep(tx: Transaction, offer: Offer, *, now: int) -> KeptBill:
    """Log and keep a checked bill at Unix second `now`.

    Raises NotTaken (CHAIN) when another bill of the register came first meanwhile.
    """
    bill, statement = offer.bill, offer.bill.statement
    entry = opening_entry(Opening.of(bill))
    (entry_id,) = await log.append(tx, [entry])
    row = (
        entry_id, offer.claim.register_id, statement.begin, statement.end,
        statement.tariff, str(statement.amount), statement.revision,
        b"".join(statement.headers), statement.previous, statement.digest(),
        bill.proof, bill.consent, now, entry_id,
    )  # fmt: skip
    try:
        await tx.many(_KEEP, [row])
    except sqlite3.IntegrityError:
        raise NotTaken(Cause.CHAIN, "another bill of the register came first") from None
    await settle(tx, offer.claim.register_id, asked_of(statement), entry_id)
    return KeptBill(entry_id, offer.claim.register_id, bill)


async def take(
    database: Database, bill: ProvedBill, genesis: Genesis, now: int
) -> KeptBill:
    """Check, log and keep a bill at Unix second `now`, however it came; again is the same.

    Raises NotTaken with its cause. The check runs in a thread.
    """
    async with database.reading() as tx:
        found = await gather(tx, bill, genesis)
    if isinstance(found, KeptBill):
        return found
    await asyncio.to_thread(check, found)
    async with database.transaction() as tx:
        return await keep(tx, found, now=now)


def asked_of(statement: BillStatement) -> BillAsked:
    """Return what a bill is the answer to."""
    s = statement
    return BillAsked(s.meter, s.register, s.begin, s.end, s.tariff)


async def of_register(
    tx: Transaction, register_id: int, genesis: Genesis
) -> list[KeptBill]:
    """Return a register's bills in the order of their chain."""
    rows = await tx.rows(
        f"{_BILLS}WHERE b.register_id = ? ORDER BY b.id",
        (register_id,),
    )
    return [_kept(row, genesis) for row in rows]


async def after(
    tx: Transaction, register_id: int, row: int, limit: int, genesis: Genesis
) -> list[KeptBill]:
    """Return a register's next `limit` bills whose rows are above `row`, by row."""
    rows = await tx.rows(
        f"{_BILLS}WHERE b.register_id = ? AND b.id > ? ORDER BY b.id LIMIT ?",
        (register_id, row, limit),
    )
    return [_kept(row, genesis) for row in rows]


async def last_openings(
    tx: Transaction, register_ids: Sequence[int]
) -> dict[int, bytes]:
    """Return the digest of each register's last opening; those without one are absent."""
    marks = ", ".join("?" * len(register_ids))
    rows = await tx.rows(
        "SELECT register_id, digest FROM private_bills WHERE id IN (SELECT max(id)"  # noqa: S608 - marks
        f" FROM private_bills WHERE register_id IN ({marks}) GROUP BY register_id)",
        register_ids,
    )
    return dict(rows)


async def every_bill(
    tx: Transaction, genesis: Genesis, *, after: int, limit: int
) -> list[KeptBill]:
    """Return bills of all registers by id, `limit` after `after`."""
    rows = await tx.rows(
        f"{_BILLS}WHERE b.id > ? ORDER BY b.id LIMIT ?", (after, limit)
    )
    return [_kept(row, genesis) for row in rows]


async def days_covered(
    tx: Transaction, kept: KeptBill, genesis: Genesis
) -> list[KeptDay]:
    """Return the days a bill is over, by start."""
    statement = kept.bill.statement
    found = await store.days_of(
        tx, kept.register_id, statement.begin, statement.end, genesis
    )
    covered = set(statement.headers)
    return [day for day in found if day.digest in covered]


async def _kept_tariff(tx: Transaction, name: bytes) -> Tariff:
    found = await tariffs.tariff_named(tx, name)
    assert found is not None  # by the schema: a kept bill's tariff is never deleted
    return found


async def _days(
    tx: Transaction, claim: Claim, statement: BillStatement, genesis: Genesis
) -> list[KeptDay]:
    """Return the verified days that tile the period, which the statement must name."""
    if not 1 <= len(statement.headers) <= MAX_DAYS:
        raise NotTaken(Cause.PERIOD, f"a bill is over 1 to {MAX_DAYS} days")
    begin, end = _period(statement)
    days = await store.days_of(tx, claim.register_id, begin, end, genesis)
    at = begin
    for day in days:
        at = day.header.end if day.header.first == at else -1
    if at == end and [day.digest for day in days] == list(statement.headers):
        return days
    ((waiting,),) = await tx.rows(_WAITING, (claim.register_id, begin, end))
    if waiting:
        detail = f"{waiting} days of the period wait for the check of their proofs"
        raise NotTaken(Cause.NOT_YET, detail)
    raise NotTaken(
        Cause.PERIOD, "the headers are not those of verified days that fill the period"
    )


def _check_chain(offer: Offer) -> None:
    """Hold openings to one chain, and to periods that are equal or apart."""
    statement, before = offer.bill.statement, offer.before
    last = before[-1].bill.statement.digest() if before else offer.claim.enrolment_hash
    if statement.previous != last:
        raise NotTaken(Cause.CHAIN, "it does not name the register's opening before it")
    begin, end = _period(statement)
    periods = [_period(one.bill.statement) for one in before]
    if any(a < end and begin < b and (a, b) != (begin, end) for a, b in periods):
        detail = "its period overlaps another: bills are over equal or disjoint periods"
        raise NotTaken(Cause.PERIOD, detail)
    opened = periods.count((begin, end))
    if opened >= MAX_OPENINGS:
        raise NotTaken(Cause.PERIOD, f"this period was opened {opened} times already")
    if statement.revision != opened:
        raise NotTaken(Cause.CHAIN, f"revision {opened} of this period is next")


def _period(statement: BillStatement) -> tuple[int, int]:
    return statement.begin, statement.end


def _kept(row: Row, genesis: Genesis) -> KeptBill:
    bill_id, register_id, meter, register, begin, end, tariff, amount, *rest = row
    revision, headers, previous, digest, proof, consent = rest
    statement = BillStatement(
        genesis.network, MeterId(meter), RegisterId(register), begin, end, tariff,
        int(amount), revision,
        tuple(headers[at : at + 32] for at in range(0, len(headers), 32)), previous,
    )  # fmt: skip
    if statement.digest() != digest:
        raise log.Rotten(f"private_bills {bill_id}: it does not hash to its digest")
    return KeptBill(bill_id, register_id, ProvedBill(statement, proof, consent))
