"""The table of what keeps deeds from going on: written by each run, read by rules and people.

A trouble is there as long as it lasts; the refusal for which a deed was cancelled stays.
Whoever opened the transaction commits it. This module must never decide anything.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from meterseal_aggregator.storage.database import Transaction

MAX_WORDS: Final = 500
_NOTE: Final = """
INSERT INTO troubles (deed_id, kind, why, first_at, last_at) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (deed_id, kind) DO UPDATE SET why = excluded.why, last_at = excluded.last_at
"""
_KNOWN: Final = """
SELECT t.deed_id, t.kind FROM troubles t JOIN deeds d ON d.id = t.deed_id
WHERE d.account = ? AND d.state IN ('wanted', 'sent')
"""
_ACCEPTED: Final = """
DELETE FROM troubles WHERE deed_id = ? AND kind IN ('refused', 'postponed')
  AND NOT EXISTS (
    SELECT 1 FROM attempts a WHERE a.deed_id = troubles.deed_id AND a.cancels = 1
  )
"""


class Kind(Enum):
    """What a trouble is."""

    REFUSED = "refused"
    """No node takes the transaction, for a reason that does not pass."""
    POSTPONED = "postponed"
    """No node takes it now: no money, too low a fee."""
    HELD = "held"
    """What was asked first says no, so nothing was signed."""
    UNHEARD = "unheard"
    """No answer of use came, or two that contradict each other."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """A trouble of a deed and its words, without its times."""

    deed_id: int
    kind: Kind
    why: str


@dataclass(frozen=True, slots=True)
class Lasting:
    """A trouble as it stands: Unix seconds of the first time and the last."""

    kind: Kind
    why: str
    first_at: int
    last_at: int


async def note(tx: Transaction, met: Sequence[Trouble], *, now: int) -> None:
    """Write down what was met at Unix second `now`; what lasts keeps its first time."""
    rows = [
        (one.deed_id, one.kind.value, one.why[:MAX_WORDS] or "?", now, now)
        for one in met
    ]
    await tx.many(_NOTE, rows)


async def clear(tx: Transaction, gone: Collection[tuple[int, Kind]]) -> None:
    """Forget troubles, each a deed's of one kind, that are over."""
    rows = [(deed_id, kind.value) for deed_id, kind in gone]
    await tx.many("DELETE FROM troubles WHERE deed_id = ? AND kind = ?", rows)


async def accepted(tx: Transaction, deed_id: int) -> None:
    """Forget refusals of a deed, unless they are why it is being cancelled."""
    await tx.many(_ACCEPTED, [(deed_id,)])


async def known(tx: Transaction, account: str) -> set[tuple[int, Kind]]:
    """Give which troubles an account's open deeds have, each a deed's of one kind."""
    rows = await tx.rows(_KNOWN, (account,))
    return {(deed_id, Kind(kind)) for deed_id, kind in rows}


async def of(tx: Transaction, deed_id: int) -> list[Lasting]:
    """Give a deed's troubles, the oldest first."""
    rows = await tx.rows(
        "SELECT kind, why, first_at, last_at FROM troubles WHERE deed_id = ?"
        " ORDER BY first_at, kind",
        (deed_id,),
    )
    return [Lasting(Kind(kind), *rest) for kind, *rest in rows]


async def count(tx: Transaction) -> int:
    """Count what keeps deeds from going on, all accounts together."""
    ((found,),) = await tx.rows("SELECT count(*) FROM troubles")
    return int(found)
