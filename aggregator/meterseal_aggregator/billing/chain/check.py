"""The audit of bills on the chain: invariant 21, the half that the chain's events keep.

What stands of each bill is what its events add up to, and the ledger has just their moves;
nothing was told under our name that nobody asked for. This module must never write.
"""

from typing import Any, Final

from meterseal_aggregator.billing.chain.rules import Place, transfer_id
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.storage.finding import Finding

INVARIANT: Final = 21
"""The number of "what is billed of hidden usage, and on the chain, is what was proved"."""
PAGE: Final = 1_000
"""Events compared at a time."""

_SUMS: Final = """
SELECT c.bill_id FROM chain_bills c
LEFT JOIN (SELECT chain_bill_id AS id,
    sum(CASE act WHEN 'issued' THEN amount WHEN 'corrected' THEN -amount ELSE 0 END) AS amount,
    sum(CASE WHEN act IN ('paid', 'paid-at-quote') THEN amount
      WHEN act = 'refunded' THEN -amount ELSE 0 END) AS paid,
    sum(CASE act WHEN 'rewarded' THEN amount ELSE 0 END) AS reward
  FROM chain_bill_acts GROUP BY chain_bill_id) a ON a.id = c.id
WHERE coalesce(c.amount, 0) <> coalesce(a.amount, 0) OR c.paid <> coalesce(a.paid, 0)
  OR c.reward <> coalesce(a.reward, 0) ORDER BY c.id LIMIT 1
"""
_MOVED: Final = """
SELECT a.txid, a.told_index, a.act, a.amount, a.price, c.bill_id
FROM chain_bill_acts a JOIN chain_bills c ON c.id = a.chain_bill_id
WHERE a.act IN ('issued', 'paid', 'paid-at-quote', 'corrected', 'refunded')
  AND (a.txid, a.told_index) > (?, ?) ORDER BY a.txid, a.told_index LIMIT ?
"""
_POSTED: Final = """
SELECT count(*) FROM ledger_transfers WHERE purpose IN
  ('chain-bill', 'chain-pay', 'chain-pay-quoted', 'chain-lower', 'chain-refund')
"""
_ABOVE: Final = """
SELECT c.bill_id FROM chain_bills c JOIN bills b ON b.id = c.bill_id
WHERE c.asked <> b.amount ORDER BY c.id LIMIT 1
"""


async def findings(tx: Transaction) -> list[Finding]:
    """Say whether bills on the chain, their events and the ledger tell the same."""
    return [
        await _none(tx, _SUMS, "what stands of bills on the chain is what was told"),
        await _none(tx, _ABOVE, "what was asked on the chain is what bills ask"),
        await _posted(tx),
        await _unexplained(tx),
    ]


async def _none(tx: Transaction, sql: str, good: str) -> Finding:
    rows = await tx.rows(sql)
    if rows:
        detail = f"not of bill {rows[0][0]}: {good}"
        return Finding(INVARIANT, ok=False, detail=detail)
    return Finding(INVARIANT, ok=True, detail=good)


async def _posted(tx: Transaction) -> Finding:
    """Compare each event's moves with the ledger's, and their number with all there are."""
    count, last = 0, ("", -1)
    while rows := await tx.rows(_MOVED, (*last, PAGE)):
        last = rows[-1][0], rows[-1][1]
        wanted = {leg: row[5] for row in rows for leg in _legs(row)}
        count += len(wanted)
        marks = ",".join("?" for _ in wanted)
        found = await tx.rows(
            f"SELECT id, amount FROM ledger_transfers WHERE id IN ({marks})",  # noqa: S608 - marks
            [leg[0] for leg in wanted],
        )
        lacking = wanted.keys() - {(row[0], row[1]) for row in found}
        if lacking:
            bill = min(wanted[leg] for leg in lacking)
            detail = f"an event of bill {bill} is not in the ledger as it was told"
            return Finding(INVARIANT, ok=False, detail=detail)
    ((posted,),) = await tx.rows(_POSTED)
    detail = f"{count} moves follow from the chain's bills, {posted} are in the ledger"
    return Finding(INVARIANT, ok=posted == count, detail=detail)


def _legs(
    row: tuple[Any, ...],
) -> list[tuple[bytes, int]]:  # a row of the driver's types
    """Return the ledger's ids and amounts of an event's moves."""
    place, amount, price = Place(row[0], row[1]), row[3], row[4]
    amounts = [amount] if price is None else [price, amount]
    return [(transfer_id(place, n), one) for n, one in enumerate(amounts) if one]


async def _unexplained(tx: Transaction) -> Finding:
    rows = await tx.rows(
        "SELECT what, txid, (SELECT count(*) FROM chain_bill_strays)"
        " FROM chain_bill_strays ORDER BY id LIMIT 1"
    )
    if rows:
        what, txid, count = rows[0]
        detail = (
            f"{count} events of bills on the chain are none we asked for: the first,"
            f" {what}, in transaction {txid}"
        )
        return Finding(INVARIANT, ok=False, detail=detail)
    detail = "whatever bills and payments the chain told under our name was asked for"
    return Finding(INVARIANT, ok=True, detail=detail)
