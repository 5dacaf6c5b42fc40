"""What an account held at some moment, and its history by pages; from the entries alone.

There are three ways to say when: `recorded_at` (what we knew then), `effective_at` (what
counted then, as we know it now) and `seq` (after so many entries; exact within a second).
A hold is pending from its own moment to that of the entry which ends it. By effective time
entries stand in another order than they were allowed in, so floors need not hold there.

The cost is that of the account's own entries, found by index; no other entry is read.
This module must never write.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from meterseal_aggregator.ledger.model import (
    Account,
    AccountCode,
    Asset,
    Entry,
    Floor,
)
from meterseal_aggregator.ledger.store import ENTRY, MAX_BATCH, entry_of
from meterseal_aggregator.storage.database import Transaction

MAX_PAGE: Final = 1_000
"""Most entries a page of history: what one answer may carry."""
MAX_SEQ: Final = (1 << 63) - 1
"""Behind every entry."""

# Of each entry of an account in time: what it adds to the account's four totals. A hold
# adds to pending; what ends one takes the hold's amount away again, if it was in time too.
_BALANCE: Final = """
WITH wanted AS (
  SELECT id, code, floor FROM ledger_accounts WHERE code IN ({marks}) AND asset = ?),
moved AS (
  SELECT w.id AS id, 1 AS debit, t.phase, t.amount, h.amount AS held
  FROM wanted w CROSS JOIN ledger_transfers t ON t.debit_id = w.id
  LEFT JOIN ledger_transfers h ON h.id = t.pending_id AND h.{time} <= ?
  WHERE t.{time} <= ?
  UNION ALL
  SELECT w.id, 0, t.phase, t.amount, h.amount
  FROM wanted w CROSS JOIN ledger_transfers t ON t.credit_id = w.id
  LEFT JOIN ledger_transfers h ON h.id = t.pending_id AND h.{time} <= ?
  WHERE t.{time} <= ?)
SELECT w.code, w.floor,
  sum(CASE WHEN debit = 0 THEN 0 WHEN phase = 1 THEN amount ELSE -coalesce(held, 0) END),
  sum(CASE WHEN debit = 1 AND phase IN (0, 2) THEN amount ELSE 0 END),
  sum(CASE WHEN debit = 1 THEN 0 WHEN phase = 1 THEN amount ELSE -coalesce(held, 0) END),
  sum(CASE WHEN debit = 0 AND phase IN (0, 2) THEN amount ELSE 0 END)
FROM wanted w JOIN moved m ON m.id = w.id
GROUP BY w.id ORDER BY w.id
"""
_SIDE: Final = """SELECT seq FROM (SELECT seq FROM ledger_transfers
  WHERE {side}_id = (SELECT id FROM ledger_accounts WHERE code = ? AND asset = ?)
  AND seq > ? AND seq < ? ORDER BY seq {order} LIMIT ?)"""


async def balance_as_of(
    tx: Transaction,
    asset: Asset,
    codes: Iterable[AccountCode],
    *,
    effective_at: int | None = None,
    recorded_at: int | None = None,
    seq: int | None = None,
) -> dict[AccountCode, Account]:
    """Return what accounts (at most MAX_BATCH * 2) held at the end of a moment.

    Exactly one of the Unix seconds `effective_at` and `recorded_at` and the entry's number
    `seq` is given; else ValueError. An account without an entry by then is left out.
    Totals only: what was frozen then is told by the entries of its history.
    """
    times = {"effective_at": effective_at, "recorded_at": recorded_at, "seq": seq}
    given = [(name, at) for name, at in times.items() if at is not None]
    if len(given) != 1:
        raise ValueError("say either effective_at, recorded_at or seq")
    wanted = sorted(set(codes))
    if len(wanted) > MAX_BATCH * 2:
        raise ValueError(f"{len(wanted)} accounts; ask for {MAX_BATCH * 2} at most")
    ((name, at),) = given
    marks = ",".join("?" for _ in wanted)
    statement = _BALANCE.format(time=name, marks=marks)
    rows = await tx.rows(statement, (*wanted, asset, at, at, at, at))
    return {
        AccountCode(row[0]): Account(
            asset, AccountCode(row[0]), Floor(row[1]), row[2], row[3], row[4], row[5]
        )
        for row in rows
    }


class Sides(IntEnum):
    """Which entries of an account."""

    BOTH = 0
    DEBITS = 1
    CREDITS = 2


_SIDES: Final[dict[Sides, Sequence[str]]] = {
    Sides.BOTH: ("debit", "credit"),
    Sides.DEBITS: ("debit",),
    Sides.CREDITS: ("credit",),
}


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a history: entries numbered above `after` and below `before`.

    At most `limit` (1..MAX_PAGE) from its beginning, or from its end if `newest_first`.
    The next page begins at the number of the last entry.
    """

    after: int = 0
    before: int = MAX_SEQ
    limit: int = MAX_PAGE
    newest_first: bool = False
    sides: Sides = Sides.BOTH


FIRST_PAGE: Final = Page()
"""The oldest entries of both sides."""


async def history(
    tx: Transaction, asset: Asset, code: AccountCode, page: Page = FIRST_PAGE
) -> list[tuple[int, Entry]]:
    """Return (seq, entry) of one account by pages; nothing for an account never opened.

    Raises ValueError when the page asks for more than MAX_PAGE entries, or for none.
    """
    if not 1 <= page.limit <= MAX_PAGE:
        raise ValueError(f"limit {page.limit}; ask for 1 to {MAX_PAGE} entries")
    order = "DESC" if page.newest_first else "ASC"
    sides = _SIDES[page.sides]
    found = " UNION ALL ".join(_SIDE.format(side=s, order=order) for s in sides)
    one = (code, asset, page.after, page.before, page.limit)
    rows = await tx.rows(
        f"{ENTRY} WHERE t.seq IN ({found}) ORDER BY t.seq {order} LIMIT ?",
        (*one * len(sides), page.limit),
    )
    return [(row[0], entry_of(row)) for row in rows]
