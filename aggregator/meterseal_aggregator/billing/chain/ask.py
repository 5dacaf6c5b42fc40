"""A member opens his own bill on the chain: the one act that makes usage public for ever.

    bill = await open_on_chain(tx, till, wish, moment)     # again is the same bill

Nobody else asks, and no duty does (SETTLED 26). What is asked is checked as the contract
will: the opening against the days' commitments, the amount against the tariff. This module
must never want a deed: the duty does.
"""

import hmac

from meterseal_aggregator.billing.chain import store
from meterseal_aggregator.billing.chain.model import (
    ChainBill,
    ChainTariff,
    Moment,
    NotAsked,
    OpenWish,
    Till,
    Trouble,
)
from meterseal_aggregator.billing.model import BillRow, BillState, Refused
from meterseal_aggregator.billing.statements import store as bills
from meterseal_aggregator.billing.tariffs import store as tariffs
from meterseal_aggregator.identity import wallets
from meterseal_aggregator.ledger.assets import declare
from meterseal_aggregator.privacy import bills as private
from meterseal_aggregator.privacy.bills import KeptBill
from meterseal_aggregator.privacy.model import KeptDay
from meterseal_aggregator.storage.database import Transaction
from meterseal_proto.chainproof import MAX_TERMS, ZERO_MESSAGE, Proof, knows
from meterseal_proto.commitment import opens, total
from meterseal_proto.rating.statement import Rail, StatementKind
from meterseal_proto.rating.statement_json import read_statement
from meterseal_proto.totalstariff import parse_totals_tariff


async def open_on_chain(
    tx: Transaction, till: Till, wish: OpenWish, moment: Moment
) -> ChainBill:
    """Keep that a bill is to be computed and paid on the chain; raises NotAsked."""
    row = await _bill(tx, wish)
    known = await store.of_bill(tx, row.id)
    if known is not None:
        return _same(known, wish)
    await _check_first(tx, row)
    kept = await _opened(tx, row, till)
    days = await private.days_covered(tx, kept, till.genesis)
    if len(days) > MAX_TERMS:
        detail = f"the contract adds {MAX_TERMS} days, and the bill is over {len(days)}"
        raise NotAsked(Trouble.DAYS, detail)
    if await wallets.holder(tx, wish.payer) != wish.member:
        detail = f"{wish.payer.text()} is not linked as yours: link that wallet first"
        raise NotAsked(Trouble.WALLET, detail)
    _check_opening(wish, kept, days)
    tariff = await _tariff(tx, row, till)
    _check_guard(row, tariff, wish.usage, len(days))
    till.token(row.asset)
    await declare(tx, row.asset, now=moment.network)
    meter = kept.bill.statement.meter
    of = (row.id, kept.id, meter, tariff.hash, row.asset, row.amount)
    await store.ask(tx, wish, of, now=moment.network)
    made = await store.of_bill(tx, row.id)
    assert made is not None
    return made


async def _bill(tx: Transaction, wish: OpenWish) -> BillRow:
    """Return the member's bill that something is asked of."""
    try:
        row = await bills.bill(tx, wish.number)
    except Refused as refused:
        raise NotAsked(Trouble.UNKNOWN, refused.detail) from None
    if row.member != wish.member:
        raise NotAsked(Trouble.UNKNOWN, f"there is no bill {wish.number}")
    if row.rail is not Rail.STACKS:
        detail = "this bill is kept on the ledger's rail and is paid there"
        raise NotAsked(Trouble.RAIL, detail)
    standing = (await bills.standings(tx, [row.id])).get(row.id)
    taken_back = standing is not None and standing.state is BillState.CORRECTED
    if row.kind is not StatementKind.BILL or row.amount <= 0 or taken_back:
        raise NotAsked(Trouble.STATE, "nothing is asked of this bill")
    return row


async def _check_first(tx: Transaction, row: BillRow) -> None:
    """Raise NotAsked where a bill before this one of the period was opened there already."""
    before = row.replaces
    while before is not None:
        if await store.of_bill(tx, before) is not None:
            raise NotAsked(
                Trouble.STATE,
                "the contract bills a period once, and this bill stands in for one that was"
                " opened there: only the contract's court lowers that",
            )
        before = (await bills.bills_by_id(tx, [before]))[before].replaces


async def _opened(tx: Transaction, row: BillRow, till: Till) -> KeptBill:
    """Return the private bill that a bill stands on."""
    if row.private_bill is not None:
        before = row.private_bill - 1
        found = await private.every_bill(tx, till.genesis, after=before, limit=1)
        if found and found[0].id == row.private_bill:
            return found[0]
    raise NotAsked(
        Trouble.NOT_OPENED,
        "no device opened this bill's period: only a bill over committed days can be"
        " computed on the chain; the hash of this one is posted",
    )


def _check_opening(wish: OpenWish, kept: KeptBill, days: list[KeptDay]) -> None:
    """Raise NotAsked unless the sum of the days opens to the usage that was billed."""
    whole = total([day.header.sum for day in days])
    if wish.usage:
        good = not wish.a and opens(whole, wish.usage, int.from_bytes(wish.z))
    else:
        good = knows(whole, Proof(wish.a, wish.z), ZERO_MESSAGE)
    said = str(kept.bill.statement.amount)
    if not good or not hmac.compare_digest(said, str(wish.usage)):
        raise NotAsked(
            Trouble.OPENING,
            "this does not open the sum of the bill's days to the total it is made of:"
            " export the opening of this very period on the meter's device",
        )


async def _tariff(tx: Transaction, row: BillRow, till: Till) -> ChainTariff:
    """Return the tariff by which the contract computes a bill."""
    segments = read_statement(row.document).segments
    if len(segments) == 1:
        known = await store.tariffs_of(tx, segments[0].tariff)
        held = [
            one
            for one in known
            if one.posted
            and one.begin <= row.begin
            and one.provider == till.provider.text()
        ]
        if held:
            return held[-1]
        if await tariffs.tariff_named(tx, segments[0].tariff) is None:
            raise NotAsked(Trouble.TARIFF, "the bill's tariff is not kept here")
    raise NotAsked(
        Trouble.TARIFF,
        "the contract did not hold this bill's tariff, one and whole, since its period"
        " began: it cannot be computed there",
    )


def _check_guard(row: BillRow, tariff: ChainTariff, usage: int, days: int) -> None:
    """Raise NotAsked for a bill above what the contract's tariff gives: it is ours to mend."""
    most = parse_totals_tariff(tariff.document).charge(usage, days)
    if row.amount > most:
        raise NotAsked(
            Trouble.GUARD,
            f"the bill asks {row.amount} micro-units, and {usage} in {days} days cost"
            f" {most} by the contract, which shares no block out over a part of a cycle:"
            " have it corrected, or keep it here",
        )


def _same(known: ChainBill, wish: OpenWish) -> ChainBill:
    said = (wish.payer.text(), wish.usage, wish.z, wish.a)
    if said != (known.payer, known.usage, known.z, known.a):
        detail = "this bill is on its way to the chain with another opening or payer"
        raise NotAsked(Trouble.ASKED, detail)
    return known
