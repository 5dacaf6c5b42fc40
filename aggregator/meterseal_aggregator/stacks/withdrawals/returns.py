"""The tables of what comes back: corrections, deposits, debts on the chain, and strays.

Reads `credits` and `edit_reversals` (credits) in one statement, `too_much`. Whoever opened
the transaction commits it. This module must never write another room's table, nor forget a
stray.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from meterseal_aggregator.stacks.mirror.indexer import Settled
from meterseal_aggregator.stacks.withdrawals.model import Deposit
from meterseal_aggregator.storage.database import Transaction

NAME_BYTES: Final = 32
"""Of a deposit's name: what `retire` takes for a beneficiary."""
MINTED: Final = ("energy-minted", "energy-claimed")
"""Strays that made Wh out of nothing we know of."""

# Slots that were minted with more than they are worth now, and what is not asked back yet.
_TOO_MUCH: Final = """
SELECT p.id, p.mint_id, w.owner,
  p.wh - (SELECT sum(c.posted_wh) FROM credits c WHERE c.mint_id = p.mint_id)
    - (SELECT coalesce(sum(e.posted_wh), 0) FROM edit_reversals e
      WHERE e.mint_id = p.mint_id)
    - coalesce((SELECT sum(r.wh) FROM chain_reversals r
      WHERE r.part_id = p.id AND r.state <> 'refused'), 0) AS excess,
  (SELECT count(*) FROM chain_reversals r WHERE r.part_id = p.id AND r.state = 'refused'),
  (SELECT max(r.settled_at) FROM chain_reversals r
    WHERE r.part_id = p.id AND r.state = 'refused')
FROM (SELECT mint_id FROM credits WHERE posted_wh < 0
  UNION SELECT mint_id FROM edit_reversals) d
CROSS JOIN withdrawn_parts p ON p.mint_id = d.mint_id AND p.state = 'arrived'
JOIN withdrawals w ON w.id = p.withdrawal_id
WHERE excess > 0 ORDER BY p.id LIMIT ?
"""
_DEPOSIT: Final = """
SELECT d.id, d.member_id, d.key, d.name, d.opened_at,
  coalesce((SELECT sum(t.wh) FROM deposited t WHERE t.deposit_id = d.id), 0)
FROM deposits d
"""
_OWE: Final = """
INSERT INTO chain_debts (owner, wh) VALUES (?, ?)
ON CONFLICT (owner) DO UPDATE SET wh = excluded.wh
"""
_STRAY: Final = """
INSERT INTO chain_strays (height, txid, told_index, what, wh, told_at)
VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (txid, told_index) DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class Excess:
    """`wh` of a part's mint that its slot is no longer worth.

    `tries` to reverse it were refused, the last at `last_at`.
    """

    part: int
    mint_id: bytes
    owner: str
    wh: int
    tries: int
    last_at: int | None


@dataclass(frozen=True, slots=True)
class Reversal:
    """A reversal that is wanted on the chain."""

    id: int
    part: int
    wh: int


@dataclass(frozen=True, slots=True)
class Stray:
    """What the chain told that no withdrawal explains."""

    id: int
    txid: str
    what: str
    wh: int


async def too_much(tx: Transaction, limit: int) -> list[Excess]:
    """Return minted slots that were corrected downward since, and by how much."""
    return [Excess(*row) for row in await tx.rows(_TOO_MUCH, (limit,))]


async def want_reversal(tx: Transaction, part: int, wh: int, *, now: int) -> int:
    """Write down that Wh of a part are asked back; returns the reversal's number."""
    ((row_id,),) = await tx.rows(
        "INSERT INTO chain_reversals (part_id, wh, wanted_at) VALUES (?, ?, ?)"
        " RETURNING id",
        (part, wh, now),
    )
    return int(row_id)


async def wanted(tx: Transaction) -> list[Reversal]:
    """Return the reversals that are on their way."""
    rows = await tx.rows(
        "SELECT id, part_id, wh FROM chain_reversals WHERE state = 'wanted' ORDER BY id"
    )
    return [Reversal(*row) for row in rows]


async def settle_reversal(
    tx: Transaction, reversal: int, burned: int | None, *, now: int
) -> None:
    """Note what a reversal burned, or None that it was refused."""
    state = "refused" if burned is None else "done"
    await tx.many(
        "UPDATE chain_reversals SET state = ?, burned = ?, settled_at = ? WHERE id = ?",
        [(state, burned, now, reversal)],
    )


async def open_deposit(
    tx: Transaction, member: int, key: str, *, now: int
) -> tuple[Deposit, bool]:
    """Return the member's deposit under an idempotency key, and whether it is new."""
    row = (member, key, secrets.token_bytes(NAME_BYTES), now)
    made = await tx.rows(
        "INSERT INTO deposits (member_id, key, name, opened_at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (member_id, key) DO NOTHING RETURNING id",
        row,
    )
    rows = await tx.rows(
        f"{_DEPOSIT} WHERE d.member_id = ? AND d.key = ?", (member, key)
    )
    return Deposit(*rows[0]), bool(made)


async def deposits(
    tx: Transaction, member: int, *, after: int, limit: int
) -> list[Deposit]:
    """Return a page of a member's deposits with numbers above `after`."""
    where = " WHERE d.member_id = ? AND d.id > ? ORDER BY d.id LIMIT ?"
    return [
        Deposit(*row) for row in await tx.rows(_DEPOSIT + where, (member, after, limit))
    ]


async def deposit_named(tx: Transaction, name: bytes) -> Deposit | None:
    """Return the deposit of this name."""
    rows = await tx.rows(f"{_DEPOSIT} WHERE d.name = ?", (name,))
    return Deposit(*rows[0]) if rows else None


async def take_deposit(
    tx: Transaction, deposit: Deposit, at: Settled, came: tuple[int, str], *, now: int
) -> None:
    """Note Wh that came for a deposit, from whom (`came`), in the event `at`."""
    row = (deposit.id, at.txid, at.index, *came, now)
    await tx.many(
        "INSERT INTO deposited (deposit_id, txid, told_index, wh, holder, at)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        [row],
    )


async def owed(tx: Transaction, owner: str) -> int:
    """Return the Wh a principal owes to the contract."""
    rows = await tx.rows("SELECT wh FROM chain_debts WHERE owner = ?", (owner,))
    return int(rows[0][0]) if rows else 0


async def owe(tx: Transaction, owner: str, wh: int) -> None:
    """Note what a principal owes now; text, for a stray may owe more than 63 bits."""
    await tx.many(_OWE, [(owner, str(wh))])


async def stray(tx: Transaction, at: Settled, what: str, wh: int, *, now: int) -> None:
    """Note an event that no withdrawal explains; again is no change."""
    await tx.many(_STRAY, [(at.height, at.txid, at.index, what, str(wh), now)])


async def strays(tx: Transaction) -> list[Stray]:
    """Return everything unexplained, oldest first."""
    rows = await tx.rows("SELECT id, txid, what, wh FROM chain_strays ORDER BY id")
    return [_stray(row) for row in rows]


async def is_sound(tx: Transaction) -> bool:
    """Tell whether no Wh was ever minted there that we cannot explain."""
    marks = ",".join("?" for _ in MINTED)
    rows = await tx.rows(
        f"SELECT 1 FROM chain_strays WHERE what IN ({marks}) LIMIT 1",  # noqa: S608
        MINTED,
    )
    return not rows


def _stray(row: Sequence[Any]) -> Stray:  # a row of the driver's own types
    return Stray(row[0], row[1], row[2], int(row[3]))
