"""What really struck in a billing history: counted from its books, not from what was tried.

    for (kind, how), count in (await happenings(years)).items(): ...

A rig that never has summer time end within a bill says nothing about bills in which it does.
This module must never change the books.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Final

from tests.support.billingyears import Years

_DOCUMENTS: Final = """
WITH told AS (
  SELECT b.*, json_extract(d.value, '$.segments[0].cycle_begin') AS cycle_begin,
    json_extract(d.value, '$.segments[0].cycle_end') AS cycle_end,
    json_extract(d.value, '$.segments[#-1].cycle_end') AS last_end,
    json_array_length(d.value, '$.segments') AS parts, d.value AS told
  FROM bills b, json_each(json_array(json(CAST(b.document AS TEXT)))) d
  WHERE b.kind = 'bill')
"""
_KINDS: Final[Mapping[str, str]] = {
    "tariff changed within a cycle": "SELECT count(*) FROM told WHERE parts > 1",
    "cycles got longer or shorter": """
SELECT count(*) FROM (SELECT 1 FROM told GROUP BY supply_id
HAVING min(cycle_end - cycle_begin) < 100000 AND max(cycle_end - cycle_begin) > 100000)
""",
    "clocks changed within a bill": """
SELECT count(*) FROM told WHERE (cycle_end - cycle_begin) % 86400 <> 0
AND from_at = cycle_begin AND to_at = cycle_end
""",
    "by another clock than most bills": """
SELECT count(*) FROM told WHERE json_extract(told, '$.zone') <> (
  SELECT json_extract(told, '$.zone') FROM told GROUP BY 1 ORDER BY count(*) DESC LIMIT 1)
""",
    "moved out within a cycle": """
SELECT count(*) FROM told t JOIN tenancies n ON n.member_id = t.member_id
AND n.to_at = t.to_at WHERE t.to_at < t.last_end
""",
    "supply changed within a cycle": """
SELECT count(*) FROM told t JOIN supplies s ON s.id = t.supply_id AND s.to_at = t.to_at
JOIN supplies o ON o.meter_point_id = s.meter_point_id AND o.from_at = s.to_at
AND o.member_id = s.member_id WHERE t.to_at < t.last_end
""",
    "settled after the bill": """
SELECT count(*) FROM told t JOIN trades r ON r.buyer_id = t.member_id
AND r.state = 'settled' AND r.start >= t.from_at AND r.start < t.to_at
AND r.ended_at > t.issued_at
""",
    "settled again later": "SELECT count(*) FROM trades WHERE run > 1",
    "edited after it was paid": """
SELECT count(*) FROM told t JOIN bill_acts p ON p.bill_id = t.id AND p.act = 'paid'
JOIN bill_acts c ON c.bill_id = t.id AND c.act = 'corrected' AND c.id > p.id
JOIN supplies s ON s.id = t.supply_id
WHERE EXISTS (SELECT 1 FROM installations i
  JOIN registers r ON r.meter_id = i.meter_id JOIN vee_values v ON v.register_id = r.id
  WHERE i.meter_point_id = s.meter_point_id AND v.source = 'edit' AND v.known_at >= p.at
  AND v.start < t.to_at AND v.start + v.length > t.from_at)
""",
    "corrected while disputed": """
SELECT count(*) FROM bill_acts c JOIN disputes d ON d.bill_id = c.bill_id
AND d.opened_at <= c.at AND coalesce(d.ended_at, c.at) >= c.at WHERE c.act = 'corrected'
""",
    "disputed after it was paid": """
SELECT count(*) FROM bill_acts p JOIN disputes d ON d.bill_id = p.bill_id
AND d.opened_at > p.at WHERE p.act = 'paid'
""",
    "disputed trade, settled otherwise": """
SELECT count(*) FROM dispute_decisions x JOIN disputes d ON d.id = x.dispute_id
WHERE d.subject = 'trade' AND x.verdict <> 'rejected'
""",
    "erased who had bills": """
SELECT count(*) FROM erasures e WHERE e.done_at IS NOT NULL
AND EXISTS (SELECT 1 FROM bills b WHERE b.member_id = e.member_id)
""",
    "corrected after erasure": """
SELECT count(*) FROM told t JOIN erasures e ON e.member_id = t.member_id
AND e.done_at IS NOT NULL AND t.issued_at >= e.done_at AND t.replaces_id IS NOT NULL
""",
    "moved in after one erased": """
SELECT count(*) FROM erasures e JOIN tenancies a ON a.member_id = e.member_id
WHERE e.done_at IS NOT NULL AND EXISTS (SELECT 1 FROM tenancies b
  WHERE b.meter_point_id = a.meter_point_id AND b.from_at >= a.to_at
  AND b.member_id <> a.member_id)
""",
}
STRUCK: Final = frozenset(_KINDS)
"""All that is counted."""
_DECIDED: Final = """
SELECT verdict || ' by ' || remedy, count(*) FROM dispute_decisions GROUP BY 1
"""


async def happenings(years: Years) -> Counter[tuple[str, str]]:
    """Return how often each happening struck, by ("struck", what)."""
    found: Counter[tuple[str, str]] = Counter()
    for what, statement in _KINDS.items():
        ((count,),) = await years.rows(_DOCUMENTS + statement)
        found["struck", what] += count
    for how, count in await years.rows(_DECIDED):
        found["decided", how] += count
    return found
