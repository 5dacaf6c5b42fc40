"""Invariants 2 and 3 of ARCHITECTURE: every slot minted once and in full, nothing lost.

Reads `readings` (intake), `registers`, `meters`, `installations` (registry), the ledger's
accounts and the credits' own tables. This module must never write.
"""

from collections import defaultdict
from typing import Final

from meterseal_aggregator.credits import reversalcheck
from meterseal_aggregator.ledger.model import WH
from meterseal_aggregator.ledger.store import accounts
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.storage.finding import Finding
from meterseal_proto.units import EXPORT

MINTED: Final = 2
"""The number of "minted at most once, and in full"."""
KEPT: Final = 3
"""The number of "minted - reversed = circulating + escrowed + retired"."""

# Wh that were exported before a register's mark, less those credited or refused.
_UNDECIDED: Final = """
SELECT g.id, coalesce(sum(r.wh), 0) - coalesce(sum(c.wh), 0) - coalesce(sum(f.wh), 0)
FROM registers g JOIN credit_marks w ON w.register_id = g.id
LEFT JOIN (SELECT d.register_id, sum(d.delta) AS wh FROM readings d
  JOIN credit_marks k ON k.register_id = d.register_id
  WHERE d.revision = 0 AND d.start < k.minted_through
  GROUP BY d.register_id) r ON r.register_id = g.id
LEFT JOIN (SELECT register_id, sum(value_wh) AS wh FROM credits WHERE revision = 0
  GROUP BY register_id) c ON c.register_id = g.id
LEFT JOIN (SELECT register_id, sum(wh) AS wh FROM credit_refusals WHERE revision = 0
  GROUP BY register_id) f ON f.register_id = g.id
WHERE g.register = ?
GROUP BY g.id
"""
# Slots whose postings do not add up to the value of their last revision.
_SLOTS: Final = """
SELECT c.register_id, c.start FROM credits c
GROUP BY c.register_id, c.start
HAVING sum(c.posted_wh) <> (SELECT l.value_wh FROM credits l
  WHERE l.register_id = c.register_id AND l.start = c.start
  ORDER BY l.revision DESC LIMIT 1)
"""
# Credits of a meter point where their meter never stood when the slot began.
_ASTRAY: Final = """
SELECT c.register_id FROM credits c JOIN registers g ON g.id = c.register_id
WHERE NOT EXISTS (SELECT 1 FROM installations i WHERE i.meter_id = g.meter_id
  AND i.meter_point_id = c.meter_point_id AND i.from_at <= c.start)
LIMIT 1
"""
# Time of a meter point and register that two meters were credited with, 3600 s at most.
_SHARED: Final = """
SELECT c.meter_point_id FROM credits c
JOIN registers g ON g.id = c.register_id
JOIN installations o ON o.meter_point_id = c.meter_point_id AND o.meter_id <> g.meter_id
JOIN registers h ON h.meter_id = o.meter_id AND h.register = g.register
JOIN credits k ON k.register_id = h.id AND k.meter_point_id = c.meter_point_id
WHERE k.start < c.start + c.length AND k.start > c.start - 3600
  AND k.start + k.length > c.start
LIMIT 1
"""
# Credits that no certificate of their producer held when they were made.
_UNCERTIFIED: Final = """
SELECT c.register_id FROM credits c
WHERE NOT EXISTS (SELECT 1 FROM certifications d
  WHERE d.meter_point_id = c.meter_point_id AND d.from_at <= c.start
  AND (d.to_at IS NULL OR d.to_at >= c.start + c.length)
  AND (d.member_id IS NULL OR d.member_id = c.member_id))
LIMIT 1
"""
_POSTED: Final = """
SELECT m.meter, sum(CASE WHEN c.posted_wh > 0 THEN c.posted_wh ELSE 0 END)
FROM credits c JOIN registers g ON g.id = c.register_id JOIN meters m ON m.id = g.meter_id
GROUP BY m.meter
"""
_REVERSED: Final = """
SELECT coalesce(sum(CASE WHEN posted_wh < 0 THEN -posted_wh ELSE 0 END), 0)
  - (SELECT coalesce(sum(posted_wh), 0) FROM edit_reversals) FROM credits
"""
_RETIRED: Final = "SELECT coalesce(sum(wh), 0) FROM retirements"


async def findings(tx: Transaction) -> list[Finding]:
    """Say whether slots, credits and the ledger tell the same story, to the Wh."""
    net, minted = await _ledger(tx)
    return [
        await _slots(tx),
        await reversalcheck.finding(tx, MINTED),
        await _meters(tx, minted),
        _kept(net),
        await _given_back(tx, net),
    ]


async def _ledger(tx: Transaction) -> tuple[dict[str, int], dict[str, int]]:
    """Return credits less debits by kind of account, and debits by measured account."""
    net: dict[str, int] = defaultdict(int)
    minted: dict[str, int] = {}
    last = 0
    while page := await accounts(tx, after_id=last):
        last = page[-1][0]
        for _, account in page:
            if account.asset != WH:
                continue
            kind = account.code.split(":", maxsplit=1)[0]
            net[kind] += account.credits_posted - account.debits_posted
            if kind == "meter":
                minted[account.code] = account.debits_posted
    return net, minted


async def _slots(tx: Transaction) -> Finding:
    undecided = [row for row in await tx.rows(_UNDECIDED, (EXPORT,)) if row[1]]
    if undecided:
        register_id, wh = undecided[0]
        detail = (
            f"register {register_id}: {wh} exported Wh neither credited nor refused"
        )
        return Finding(MINTED, ok=False, detail=detail)
    uneven = await tx.rows(_SLOTS)
    if uneven:
        detail = f"register {uneven[0][0]}: a slot's postings are not its last value"
        return Finding(MINTED, ok=False, detail=detail)
    shared = await tx.rows(_SHARED)
    if shared:
        detail = f"meter point {shared[0][0]}: two meters were credited with one time"
        return Finding(MINTED, ok=False, detail=detail)
    astray = await tx.rows(_ASTRAY)
    if astray:
        detail = f"register {astray[0][0]}: credited where its meter did not stand"
        return Finding(MINTED, ok=False, detail=detail)
    uncertified = await tx.rows(_UNCERTIFIED)
    if uncertified:
        detail = f"register {uncertified[0][0]}: minted outside a certificate in force"
        return Finding(MINTED, ok=False, detail=detail)
    ((count,),) = await tx.rows("SELECT count(*) FROM credits")
    detail = f"{count} credits and the refusals are every final exported Wh, each once"
    return Finding(MINTED, ok=True, detail=detail)


async def _meters(tx: Transaction, minted: dict[str, int]) -> Finding:
    posted = {
        f"meter:{meter.hex()}:measured": wh
        for meter, wh in await tx.rows(_POSTED)
        if wh
    }
    wrong = sorted(
        k for k in posted.keys() | minted.keys() if posted.get(k) != minted.get(k)
    )
    if wrong:
        detail = f"{wrong[0]}: ledger {minted.get(wrong[0])} Wh, credits {posted.get(wrong[0])}"
        return Finding(MINTED, ok=False, detail=detail)
    total = sum(posted.values())
    detail = f"{total} Wh minted from {len(posted)} meters, in credits as in the ledger"
    return Finding(MINTED, ok=True, detail=detail)


def _kept(net: dict[str, int]) -> Finding:
    minted, back, owed = -net["meter"], net["reversed"], -net["debt"]
    circulating = net["producer"] + net["buyer"] + net["chain"]
    ok = minted - back == circulating + net["escrow"] + net["retired"] - owed
    detail = (
        f"minted {minted} - reversed {back} Wh against circulating {circulating}"
        f" + escrowed {net['escrow']} + retired {net['retired']} - owed {owed}"
    )
    return Finding(KEPT, ok=ok, detail=detail)


async def _given_back(tx: Transaction, net: dict[str, int]) -> Finding:
    ((back,),) = await tx.rows(_REVERSED)
    ((retired,),) = await tx.rows(_RETIRED)
    ok = (back, retired) == (net["reversed"], net["retired"])
    detail = (
        f"reversed {back} and retired {retired} Wh by their rows,"
        f" {net['reversed']} and {net['retired']} by the ledger"
    )
    return Finding(KEPT, ok=ok, detail=detail)
