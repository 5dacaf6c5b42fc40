"""Whether a seller can still deliver what he offered, before anybody puts money on it.

    start = await unbacked(tx, rules, offer.id, starts)      # None: he can

Between an offer and its order a seller may move out, lose his certificate or his meter;
then his slots give nothing, and the mutual fund would pay for it. The auction looks at the
same before it clears. This module must never take an offer off the market.
"""

from collections.abc import Iterable
from typing import Final

from meterseal_aggregator.market.terms import MarketRules
from meterseal_aggregator.storage.database import Transaction
from meterseal_proto.units import EXPORT

_BACKING: Final = f"""
WITH wanted (offer_id, start) AS (VALUES {{pairs}})
SELECT w.start,
  EXISTS (SELECT 1 FROM tenancies t
    WHERE t.member_id = o.seller_id AND t.meter_point_id = o.meter_point_id
    AND t.from_at <= p.start AND (t.to_at IS NULL OR t.to_at >= p.start + p.length)),
  EXISTS (SELECT 1 FROM installations i
    WHERE i.meter_point_id = o.meter_point_id AND i.to_at IS NULL),
  EXISTS (SELECT 1 FROM installations i
    JOIN registers g ON g.meter_id = i.meter_id AND g.register = {int(EXPORT)}
      AND g.mode = 0
    WHERE i.meter_point_id = o.meter_point_id AND i.to_at IS NULL)
  AND EXISTS (SELECT 1 FROM certifications c
    WHERE c.meter_point_id = o.meter_point_id AND c.from_at <= p.start
    AND (c.to_at IS NULL OR c.to_at >= p.start + p.length)
    AND (c.member_id IS NULL OR c.member_id = o.seller_id))
FROM wanted w JOIN offers o ON o.id = w.offer_id
JOIN slot_sales p ON p.meter_point_id = o.meter_point_id AND p.start = w.start
ORDER BY w.start
"""  # noqa: S608 - a number of ours


async def unbacked(
    tx: Transaction, rules: MarketRules, offer: int, starts: Iterable[int]
) -> int | None:
    """Return the first of an offer's slots that its seller cannot deliver, None for none.

    He must hold the meter point through it, under a certificate with an open export meter;
    where no meter stands, it must be a demo.
    """
    pairs = [(offer, start) for start in starts]
    for start, held, metered, certified in await tx.rows_of_pairs(_BACKING, pairs):
        backed = certified if metered else rules.mock is not None
        if not (held and backed):
            return int(start)
    return None
