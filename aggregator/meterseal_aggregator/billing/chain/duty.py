"""The duty behind bills on the chain: hashes, tariffs, days, bills, refunds.

    while await run_once(database, till, moment): ...

Each bounded batch is one transaction, from what the tables say to the deeds that are wanted
next, so it may end anywhere. What the chain did is for `follow` alone. This module must
never open usage: what it hands in, a member opened.
"""

from collections.abc import Sequence
from typing import Final

from meterseal_aggregator.billing.chain import place, store
from meterseal_aggregator.billing.chain.model import (
    ChainBill,
    ChainTariff,
    Moment,
    NotAsked,
    Till,
    Trouble,
)
from meterseal_aggregator.billing.chain.press import press
from meterseal_aggregator.billing.chain.totals import on_totals
from meterseal_aggregator.billing.tariffs import store as tariffs
from meterseal_aggregator.ledger.model import Asset
from meterseal_aggregator.privacy import bills as private
from meterseal_aggregator.privacy.model import KeptDay
from meterseal_aggregator.stacks.calls import billing, meterdata, payment
from meterseal_aggregator.storage.database import Database, Transaction
from meterseal_proto.chainproof import Opening, steps
from meterseal_proto.chaintariff import chain_tariff_hash
from meterseal_proto.totalstariff import parse_totals_tariff

PAGE: Final = 50
"""Bills and hashes looked at a run: a short transaction, and the next run goes on."""
TARIFFS: Final = 1_000
"""Tariffs looked at a run: those the contract cannot compute are looked at each time."""
LEAD_S: Final = 7_200
"""A tariff is posted to hold from so much later (real): the contract takes none from before,
and a deed may wait for its block."""
_IN_USE: Final = """
SELECT DISTINCT f.hash FROM supplies s JOIN full_tariffs f ON f.code = s.tariff_code
WHERE s.rail = 'stacks' AND (s.to_at IS NULL OR s.to_at > ?)
  AND (f.valid_to IS NULL OR f.valid_to > ?)
  AND NOT EXISTS (SELECT 1 FROM chain_tariffs c WHERE c.tariff = f.hash
    AND (c.posted = 1 OR c.from_at > ?))
LIMIT ?
"""


async def run_once(database: Database, till: Till, moment: Moment) -> int:
    """Do what is due; returns how many deeds and tariffs moved on."""
    async with database.transaction() as tx:
        done = await _name_tariffs(tx, till, moment)
        done += await _post_tariffs(tx, till, moment)
        done += await _post_hashes(tx, till, moment)
    async with database.transaction() as tx:
        for bill in await store.waiting(tx, 0, PAGE):
            done += await _bring(tx, till, bill, moment)
        for bill in await store.refundable(tx, PAGE):
            done += await _refund(tx, till, bill, moment)
    return done


async def quote(
    tx: Transaction, till: Till, row: int, given: tuple[Asset, int, int], moment: Moment
) -> ChainBill:
    """Quote (asset, price, until: real) for all that a bill (row id) asks there; returns it.

    Raises NotAsked: STATE for one that is held or asks for nothing there, ASSET.
    """
    asset, price, until = given
    bill = await store.of_bill(tx, row)
    if bill is None or bill.number is None or not bill.outstanding:
        raise NotAsked(Trouble.STATE, "this bill asks for nothing on the chain")
    if bill.held:
        raise NotAsked(Trouble.STATE, "this bill is held on the chain by a dispute")
    token = till.token(asset)
    contract = None if token is None else token.contract
    call = payment.quote_bill(till.contracts, bill.number, contract, price, until)
    name = f"bill-quote {bill.id} {asset} {price} {until}"
    await press(tx, till.provider.text(), name, call, moment)
    return bill


async def _name_tariffs(tx: Transaction, till: Till, moment: Moment) -> int:
    """Name the tariffs of supplies on this rail as the contract will know them."""
    rows = await tx.rows(
        _IN_USE, (moment.network, moment.network, moment.real, TARIFFS)
    )
    done = 0
    for (digest,) in rows:
        full = await tariffs.tariff_named(tx, digest)
        assert full is not None
        begin = max(full.valid_from, moment.real + LEAD_S)
        try:
            told = on_totals(full, begin)
            terms = till.terms(Asset(full.currency))
        except (ValueError, NotAsked):
            # Bills by it are not computed there: their hashes are posted all the same.
            continue
        name = chain_tariff_hash(told, terms)
        row = ChainTariff(
            name, digest, told.document(), till.provider.text(), terms.due, begin,
            posted=False,
        )  # fmt: skip
        await store.add_tariff(tx, row)
        done += 1
    return done


async def _post_tariffs(tx: Transaction, till: Till, moment: Moment) -> int:
    done = 0
    for one in await store.unposted_tariffs(tx, moment.real, PAGE):
        told = parse_totals_tariff(one.document)
        terms = till.terms(Asset(told.currency))
        call = billing.post_tariff(till.contracts, told, terms)
        name = f"bill-tariff {one.hash.hex()}"
        done += await press(tx, till.provider.text(), name, call, moment)
    return done


async def _post_hashes(tx: Transaction, till: Till, moment: Moment) -> int:
    done = 0
    for bill, digest in await store.unposted(tx, 0, PAGE):
        call = billing.post_bill_hash(till.contracts, digest)
        name = f"bill-hash {bill}"
        done += await press(tx, till.provider.text(), name, call, moment)
    return done


async def _bring(tx: Transaction, till: Till, bill: ChainBill, moment: Moment) -> int:
    """Bring a bill's days before the contract, then the bill once they count."""
    kept = await private.every_bill(
        tx, till.genesis, after=bill.private_bill - 1, limit=1
    )
    days = await private.days_covered(tx, kept[0], till.genesis)
    there = await store.days_there(tx, bill.register, bill.begin, bill.end)
    lacking = [day for day in days if day.digest not in there]
    if lacking:
        return await _hand_in(tx, till, lacking, moment)
    counts = max(there[day.digest] for day in days)
    let = await store.let_until(tx, bill.meter)
    if moment.real <= counts or let < moment.real:
        return 0
    asked = billing.AskedBill(
        bill.tariff, bill.meter, kept[0].bill.statement.register, bill.begin, bill.end,
        tuple(steps([day.header.sum for day in days])),
        Opening(bill.usage, bill.z, bill.a), bill.asked,
    )  # fmt: skip
    call = billing.calculate_bills(till.contracts, [asked])
    name = f"bill-made {bill.id}"
    return await press(tx, till.provider.text(), name, call, moment)


async def _hand_in(
    tx: Transaction, till: Till, days: Sequence[KeptDay], moment: Moment
) -> int:
    """Hand in the days that the contract has not, in the order of their seals."""
    done = 0
    for day in sorted(days, key=lambda one: one.header.seq):
        where = await place.log_place(tx, day)
        signed = await place.sealed(tx, day, till.genesis.chain_id)
        if where is None or signed is None:
            return done
        call = meterdata.submit_usage_proof(till.contracts, signed, where)
        done += await press(tx, till.relayer, f"bill-day {day.id}", call, moment)
    return done


async def _refund(tx: Transaction, till: Till, bill: ChainBill, moment: Moment) -> int:
    """Give back what was paid above a bill that a court lowered, once for each sum."""
    assert bill.number is not None
    token = till.token(bill.asset)
    call = payment.refund_excess(till.contracts, bill.number, token, bill.excess)
    name = f"bill-refund {bill.id} {bill.paid} {bill.amount}"
    return await press(tx, till.provider.text(), name, call, moment)
