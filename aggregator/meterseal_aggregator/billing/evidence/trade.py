"""The evidence of a trade, gathered from its tables, for one of its two sides.

    found = await gather(tx, trade, Asker.SELLER, genesis)

What each side gets: both the terms, the runs, and the ledger's entries of this trade, in
which the other side is a number; both an auction's book, which names nobody. The seller
(and the operator) besides the seller's own seals of the slot and what else was sold of it.
A buyer never gets the seller's readings, nor either side anything of a third trade. Reads
`trades`, `trade_runs` and `clearings` (market), `installations` (registry). A constant
number of statements, and a few for each export register of the slot.
"""

from dataclasses import asdict
from enum import Enum
from typing import Final

from meterseal_aggregator.billing.evidence import postings, readings
from meterseal_aggregator.billing.evidence.bill import proved_files
from meterseal_aggregator.billing.evidence.model import Entries, Gathered, NotYet
from meterseal_aggregator.billing.evidence.proving import prove_all
from meterseal_aggregator.ledger.model import TransferId
from meterseal_aggregator.market import trades
from meterseal_aggregator.market.delivery import Lane
from meterseal_aggregator.market.model import Trade, transfer_id
from meterseal_aggregator.market.settlement.runs import Run
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.translog import store as log
from meterseal_proto.bundle import canonical
from meterseal_proto.enrolment import Genesis
from meterseal_proto.evidence import contents as parts
from meterseal_proto.evidence.contents import numbered
from meterseal_proto.evidence.ledgerrun import write_runs
from meterseal_proto.evidence.sealedfile import SealedRegister, write_seals
from meterseal_proto.evidence.tradefile import (
    FoundRun,
    Sold,
    TradeDocument,
    write_trade,
)
from meterseal_proto.units import EXPORT, MeterId, RegisterId

WHYS: Final = (
    "hold", "pay", "pay-owed", "sale", "market-fee", "wheeling", "delivery",
    "compensation", "compensation-fund", "return-fund", "return-fund-owed",
    "return-stake", "return-stake-owed",
)  # fmt: skip
"""What settlement posts of a trade, by its name for it."""

_RUNS: Final = """
SELECT run, metered_wh, delivered_wh, paid, to_seller, fee, losses, from_stake, from_fund,
  uncovered, arrears, at
FROM trade_runs WHERE trade_id = ? ORDER BY run
"""
_CLEARING: Final = "SELECT book, salt, entry_id FROM clearings WHERE start = ?"
_METERS: Final = """
SELECT m.meter FROM installations i JOIN meters m ON m.id = i.meter_id
JOIN registers r ON r.meter_id = m.id AND r.register = ? AND r.mode = 0
WHERE i.meter_point_id = ? AND i.from_at < ? AND coalesce(i.to_at, ?) > ?
ORDER BY i.from_at
"""


class Asker(Enum):
    """Whose evidence it is."""

    SELLER = "seller"
    BUYER = "buyer"
    OPERATOR = "operator"


async def gather(
    tx: Transaction, trade: Trade, asker: Asker, genesis: Genesis
) -> Gathered:
    """Return the files of a trade's evidence for one side; NotYet while the log has it not."""
    entries, whole = Entries(), asker is not Asker.BUYER
    files = {
        parts.NETWORK: canonical(asdict(genesis)),
        parts.TRADE: write_trade(await _document(tx, trade, genesis, whole=whole)),
        parts.LEDGER: write_runs(await postings.runs_of(tx, _ids(trade))),
    }
    if trade.lane is Lane.AUCTION:
        await _clearing(tx, trade, files, entries)
    if whole:
        files |= await _export(tx, trade, genesis, entries)
    if not entries.bodies:
        files[parts.LOG] = b'{"hashes":[],"places":{}}'
        files[parts.CHECKPOINT] = await _newest(tx)
        return Gathered(files)
    return Gathered(files | proved_files(await prove_all(tx, entries)))


async def _document(
    tx: Transaction, trade: Trade, genesis: Genesis, *, whole: bool
) -> TradeDocument:
    runs = tuple(FoundRun(*row) for row in await tx.rows(_RUNS, (trade.id,)))
    sold = None
    if whole and runs:
        there = await trades.where(
            tx, "meter_point_id = ? AND start = ? AND state = 'settled'",
            (trade.meter_point, trade.start),
        )  # fmt: skip
        sold = tuple(
            Sold(one.id, int(one.lane), one.wh, one.metered_wh or 0) for one in there
        )
    terms = trade.terms
    return TradeDocument(
        network=genesis.network, id=trade.id, lane=int(trade.lane),
        meter_point=trade.meter_point, start=trade.start, length=trade.length,
        seller=trade.seller, buyer=trade.buyer, wh=trade.wh, price=terms.price,
        fee=terms.fee, losses_bp=terms.losses_bp, retail=terms.retail,
        made_at=trade.made_at, delivered_wh=trade.delivered_wh, asset=trade.asset,
        rail="ledger", state=trade.state.value, metered_wh=trade.metered_wh, runs=runs,
        sold=sold,
    )  # fmt: skip


def _ids(trade: Trade) -> list[TransferId]:
    """Return every id that a trade's money and Wh may have moved under."""
    found = [trade.hold, transfer_id("trade", trade.id, "void")]
    for run in (0, *map(int, Run)):
        found += [transfer_id("trade", trade.id, run, why) for why in WHYS]
    return found


async def _clearing(
    tx: Transaction, trade: Trade, files: dict[str, bytes], entries: Entries
) -> None:
    ((book, salt, entry_id),) = await tx.rows(_CLEARING, (trade.start,))
    files[parts.CLEARING] = book
    files[parts.CLEARING_SALT] = parts.write_salt(salt)
    ((body,),) = await tx.rows("SELECT body FROM log_entries WHERE id = ?", (entry_id,))
    entries.add(entry_id, body)


async def _export(
    tx: Transaction, trade: Trade, genesis: Genesis, entries: Entries
) -> dict[str, bytes]:
    """Return the seals of the slot's export registers, with their keys."""
    begin, end = trade.start, trade.start + trade.length
    rows = await tx.rows(_METERS, (EXPORT, trade.meter_point, end, end, begin))
    files: dict[str, bytes] = {}
    keys: list[bytes] = []
    for number, (meter,) in enumerate(rows, 1):
        register = RegisterId(EXPORT)
        place = await readings.place_of(tx, MeterId(meter), register)
        seals = await readings.seals_of(tx, place, (begin, end), genesis)
        keys += await readings.keys_of(tx, place, seals, entries)
        sealed = SealedRegister(
            MeterId(meter), register, tuple(one.seal for one in seals)
        )
        files[numbered(parts.SEALS, number)] = write_seals(sealed)
    if keys:
        files[parts.KEYS] = parts.write_keys(list(dict.fromkeys(keys)))
    return files


async def _newest(tx: Transaction) -> bytes:
    head = await log.latest(tx)
    if head is None:
        raise NotYet("the log has no checkpoint yet; ask again in a minute")
    return head.note.encode()
