"""The tables of withdrawals, their parts and epochs of claims.

Reads `credits`, `edit_reversals` (credits), `installations`, `registers` (registry) and
what the market promised (`slot_sales`, `slot_runs`); it must never write any but its own.
Whoever opened the transaction commits it; triggers of the schema hold every row to its one
way forward.
"""

from collections.abc import Sequence
from typing import Any, Final

from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.accounts import debt, producer
from meterseal_aggregator.ledger.model import WH
from meterseal_aggregator.stacks.withdrawals.model import (
    MAX_LEAVES,
    Credit,
    Epoch,
    Leaf,
    Part,
    Place,
    Share,
    Standing,
    State,
    Way,
    Wish,
    Withdrawal,
)
from meterseal_aggregator.storage.database import Transaction
from meterseal_proto.c32 import Principal

REFUSED_S: Final = 86_400
"""How long a refused mint counts against its member: its fee was the operator's."""

_WITHDRAWAL: Final = """
SELECT id, member_id, key, meter_point_id, register, asked_wh, asked_way, way, owner,
  asked_at FROM withdrawals
"""
_PART: Final = """
SELECT p.id, p.withdrawal_id, p.number, w.member_id, w.owner, p.meter_point_id, p.register,
  p.start, p.end_at, p.wh, p.mint_id, p.epoch_id, p.leaf, p.state, p.paid, p.txid
FROM withdrawn_parts p JOIN withdrawals w ON w.id = p.withdrawal_id
"""
_EPOCH: Final = "SELECT id, number, root, size, total, state FROM claim_epochs"
_STANDING: Final = """
SELECT max(p.end_at), max(w.way), max(CASE WHEN p.state = 'leaving' AND p.mint_id IS NULL
    AND w.member_id = ? THEN w.id END)
FROM withdrawn_parts p JOIN withdrawals w ON w.id = p.withdrawal_id
WHERE p.meter_point_id = ? AND p.register = ? AND p.state <> 'refused'
"""
_MINTING: Final = """
SELECT count(*) FROM withdrawn_parts p JOIN withdrawals w ON w.id = p.withdrawal_id
WHERE w.member_id = ? AND p.mint_id IS NOT NULL
  AND (p.state = 'leaving' OR (p.state = 'refused' AND p.settled_at > ?))
"""
# What a member holds already and has promised to somebody, until the slot is settled.
_PROMISED: Final = """
SELECT coalesce(sum(promised_wh), 0) FROM slot_sales
WHERE seller_id = ? AND settled_at IS NULL AND start < ?
"""
# A slot's revisions add up to its last value, and edits take of it. Registers of every meter that ever stood
# at the point: the chain knows the point, not the meter. Of a slot in which something was
# sold or fed in the rest stays on the ledger: only whole slots leave. No market slot is
# longer than 3600 s.
_CREDITS: Final = """
SELECT c.mint_id, c.start, c.length, sum(c.posted_wh)
  + (SELECT coalesce(sum(e.posted_wh), 0) FROM edit_reversals e
     WHERE e.mint_id = c.mint_id) AS wh
FROM credits c
WHERE c.register_id IN (SELECT g.id FROM installations i
    JOIN registers g ON g.meter_id = i.meter_id
    WHERE i.meter_point_id = ? AND g.register = ?)
  AND c.meter_point_id = ? AND c.member_id = ? AND c.start >= ?
  AND NOT EXISTS (SELECT 1 FROM slot_sales s WHERE s.meter_point_id = c.meter_point_id
    AND s.start > c.start - 3600 AND s.start <= c.start AND s.start + s.length > c.start
    AND s.promised_wh > 0)
  AND NOT EXISTS (SELECT 1 FROM slot_runs f WHERE f.meter_point_id = c.meter_point_id
    AND f.start > c.start - 3600 AND f.start <= c.start AND f.fed_in_wh > 0)
GROUP BY c.mint_id HAVING wh > 0 ORDER BY c.start LIMIT ?
"""
_ADD: Final = """
INSERT INTO withdrawals (member_id, key, meter_point_id, register, asked_wh, asked_way,
  way, owner, asked_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id
"""
_ADD_PART: Final = """
INSERT INTO withdrawn_parts (withdrawal_id, number, meter_point_id, register, start,
  end_at, wh, mint_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_ARRIVE: Final = """
UPDATE withdrawn_parts SET state = 'arrived', paid = ?, txid = ?, told_index = ?,
  settled_at = ? WHERE id = ?
"""
_REFUSE: Final = """
UPDATE withdrawn_parts SET state = 'refused', settled_at = ? WHERE id = ?
"""


async def of_key(tx: Transaction, member: int, key: str) -> Withdrawal | None:
    """Return the member's withdrawal under an idempotency key."""
    where = " WHERE member_id = ? AND key = ?"
    rows = await tx.rows(_WITHDRAWAL + where, (member, key))
    return _withdrawal(rows[0]) if rows else None


async def one(tx: Transaction, withdrawal: int) -> Withdrawal | None:
    """Return a withdrawal by its number."""
    rows = await tx.rows(f"{_WITHDRAWAL} WHERE id = ?", (withdrawal,))
    return _withdrawal(rows[0]) if rows else None


async def of_member(
    tx: Transaction, member: int, *, after: int, limit: int
) -> list[Withdrawal]:
    """Return a page of a member's withdrawals with numbers above `after`."""
    where = " WHERE member_id = ? AND id > ? ORDER BY id LIMIT ?"
    rows = await tx.rows(_WITHDRAWAL + where, (member, after, limit))
    return [_withdrawal(row) for row in rows]


async def standing(tx: Transaction, member: int, place: Place, *, now: int) -> Standing:
    """Return what decides whether a member may withdraw from a register."""
    accounts = await ledger.balances(tx, WH, [producer(member), debt(member)])
    holds, owes = accounts.get(producer(member)), accounts.get(debt(member))
    row = (member, place.meter_point, place.register)
    ((through, way, claim),) = await tx.rows(_STANDING, row)
    ((minting,),) = await tx.rows(_MINTING, (member, now - REFUSED_S))
    ((promised,),) = await tx.rows(_PROMISED, (member, now))
    return Standing(
        held=max(0, holds.held - promised) if holds else 0,
        owed=owes.owed if owes else 0,
        way=None if way is None else Way(way),
        through=through or 0,
        claim=claim,
        minting=minting,
    )


async def credits_after(
    tx: Transaction, member: int, place: Place, through: int, limit: int
) -> list[Credit]:
    """Return what a member is credited with at a register from a second on, by start."""
    point, register = place.meter_point, place.register
    row = (point, register, point, member, through, limit)
    rows = await tx.rows(_CREDITS, row)
    return [Credit(mint, start, start + length, wh) for mint, start, length, wh in rows]


async def add(tx: Transaction, wish: Wish, way: Way, *, now: int) -> int:
    """Write down a granted wish; returns its number."""
    place = (wish.place.meter_point, wish.place.register)
    asked = (wish.wh, wish.way or "", way.value, wish.owner.text(), now)
    ((row_id,),) = await tx.rows(_ADD, (wish.member, wish.key, *place, *asked))
    return int(row_id)


async def add_parts(
    tx: Transaction, withdrawal: int, place: Place, shares: Sequence[Share]
) -> None:
    """Write down the parts of a withdrawal; the schema refuses a time twice."""
    rows = [
        (
            withdrawal, number, place.meter_point, place.register, share.start, share.end,
            share.wh, share.mint_id,
        )
        for number, share in enumerate(shares)
    ]  # fmt: skip
    await tx.many(_ADD_PART, rows)


async def parts(tx: Transaction, withdrawals: Sequence[int]) -> list[Part]:
    """Return the parts of withdrawals, in order."""
    marks = ",".join("?" for _ in withdrawals)
    where = f" WHERE p.withdrawal_id IN ({marks}) ORDER BY p.withdrawal_id, p.number"
    return [_part(row) for row in await tx.rows(_PART + where, tuple(withdrawals))]


async def minted(tx: Transaction, mint_id: bytes) -> Part | None:
    """Return the part of a mint id that was not refused."""
    where = " WHERE p.mint_id = ? AND p.state <> 'refused'"
    return _first(await tx.rows(_PART + where, (mint_id,)))


async def claimed(tx: Transaction, number: int, index: int) -> Part | None:
    """Return the part that is a leaf of the posted epoch of this number."""
    where = """ JOIN claim_epochs e ON e.id = p.epoch_id
      WHERE e.number = ? AND e.state = 'posted' AND p.leaf = ?"""
    return _first(await tx.rows(_PART + where, (number, index)))


async def passed_over(tx: Transaction, place: Place, before: int) -> list[Part]:
    """Return claims of a register before a second that are not paid: now void."""
    where = """ WHERE p.meter_point_id = ? AND p.register = ? AND p.end_at <= ?
      AND p.state = 'leaving' AND p.mint_id IS NULL"""
    row = (place.meter_point, place.register, before)
    return [_part(found) for found in await tx.rows(_PART + where, row)]


async def failed_mints(tx: Transaction, heard: int, limit: int) -> list[Part]:
    """Return parts whose mint its contract refused for good up to the height `heard`.

    Its deed is named by `mint_deed`.
    """
    where = """ CROSS JOIN deeds d ON d.deed = 'mint ' || p.withdrawal_id || '/' || p.number
      JOIN seen s ON s.deed_id = d.id AND s.height <= ?
      WHERE p.state = 'leaving' AND p.mint_id IS NOT NULL AND d.state = 'failed'
      ORDER BY p.id LIMIT ?"""
    return [_part(row) for row in await tx.rows(_PART + where, (heard, limit))]


async def gathering(tx: Transaction) -> tuple[list[Part], int]:
    """Return claims that wait for an epoch, and since when the oldest does."""
    where = """ WHERE p.state = 'leaving' AND p.mint_id IS NULL AND p.epoch_id IS NULL
      ORDER BY p.id LIMIT ?"""
    found = [_part(row) for row in await tx.rows(_PART + where, (MAX_LEAVES,))]
    if not found:
        return [], 0
    oldest = await one(tx, found[0].withdrawal)
    assert oldest is not None
    return found, oldest.asked_at


async def arrive(
    tx: Transaction, part: Part, paid: int, where: tuple[str, int], *, now: int
) -> None:
    """Note that the chain paid a part, in the event `where` (txid, index)."""
    await tx.many(_ARRIVE, [(paid, *where, now, part.id)])


async def refuse(tx: Transaction, refused: Sequence[Part], *, now: int) -> None:
    """Note that parts are refused for good."""
    await tx.many(_REFUSE, [(now, part.id) for part in refused])


async def last_epoch(tx: Transaction) -> int:
    """Return the number of the last epoch the chain told of, 0 before the first."""
    ((number,),) = await tx.rows(
        "SELECT max(number) FROM claim_epochs WHERE state IN ('posted', 'foreign')"
    )
    return number or 0


async def posting(tx: Transaction) -> Epoch | None:
    """Return the epoch that is on its way."""
    rows = await tx.rows(f"{_EPOCH} WHERE state = 'posting'")
    return Epoch(*rows[0]) if rows else None


async def epochs(tx: Transaction, ids: Sequence[int]) -> dict[int, Epoch]:
    """Return epochs by their row ids."""
    marks = ",".join("?" for _ in ids)
    rows = await tx.rows(f"{_EPOCH} WHERE id IN ({marks})", tuple(ids))
    return {row[0]: Epoch(*row) for row in rows}


async def leaves(tx: Transaction, epoch: int) -> list[Part]:
    """Return the claims of an epoch (its row id) in the order of their leaves."""
    where = " WHERE p.epoch_id = ? ORDER BY p.leaf"
    return [_part(row) for row in await tx.rows(_PART + where, (epoch,))]


async def cut(
    tx: Transaction, epoch: Epoch, gathered: Sequence[Part], *, now: int
) -> int:
    """Write down an epoch about to be posted over these claims; returns its row id."""
    ((row_id,),) = await tx.rows(
        "INSERT INTO claim_epochs (number, root, size, total, state, made_at)"
        " VALUES (?, ?, ?, ?, 'posting', ?) RETURNING id",
        (epoch.number, epoch.root, epoch.size, epoch.total, now),
    )
    await tx.many(
        "UPDATE withdrawn_parts SET epoch_id = ?, leaf = ? WHERE id = ?",
        [(row_id, index, part.id) for index, part in enumerate(gathered)],
    )
    return int(row_id)


async def settle_epoch(tx: Transaction, epoch: int, state: str, *, now: int) -> None:
    """Note that an epoch is posted, or refused for good."""
    row = (state, now, epoch)
    await tx.many(
        "UPDATE claim_epochs SET state = ?, settled_at = ? WHERE id = ?", [row]
    )


async def foreign(tx: Transaction, epoch: Epoch, *, now: int) -> None:
    """Note an epoch that we did not post, so that its number is not used again."""
    row = (epoch.number, epoch.root, epoch.size, epoch.total, now, now)
    await tx.many(
        "INSERT INTO claim_epochs (number, root, size, total, state, made_at, settled_at)"
        " VALUES (?, ?, ?, ?, 'foreign', ?, ?)",
        [row],
    )


# Rows are typed Any by the driver; these functions give them their types again.
def _withdrawal(row: Sequence[Any]) -> Withdrawal:
    row_id, member, key, point, register, wh, asked, way, owner, at = row
    return Withdrawal(
        id=row_id,
        member=member,
        key=key,
        place=Place(point, register),
        asked_wh=wh,
        asked_way=Way(asked) if asked else None,
        way=Way(way),
        owner=Principal.parse(owner),
        asked_at=at,
    )


def _part(row: Sequence[Any]) -> Part:
    row_id, withdrawal, number, member, owner, *place_and_share = row[:11]
    point, register, start, end, wh, mint = place_and_share
    return Part(
        id=row_id,
        withdrawal=withdrawal,
        number=number,
        member=member,
        owner=owner,
        place=Place(point, register),
        share=Share(start, end, wh, mint),
        leaf=None if row[11] is None else Leaf(row[11], row[12]),
        state=State(row[13]),
        paid=row[14],
        txid=row[15],
    )


def _first(rows: Sequence[Sequence[Any]]) -> Part | None:
    return _part(rows[0]) if rows else None
