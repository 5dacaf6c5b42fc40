"""What committed registers showed when their devices came, as those devices sealed it.

Ciphertext, kept for the day a device dies and given to whoever replaces it: a successor
without the secret can do nothing with it. Every function takes the transaction first. This
module must never be given a value in the clear.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.storage.database import Transaction
from meterseal_proto.units import MeterId, RegisterId

MAX_STARTS: Final = 8
"""Of a register's devices the first ones are told: it is the oldest start that counts."""


@dataclass(frozen=True, slots=True)
class SealedStart:
    """What a register showed at grid time `at`, `sealed` for its device."""

    meter: MeterId
    register: RegisterId
    at: int
    sealed: bytes


async def keep(tx: Transaction, starts: Sequence[SealedStart], *, now: int) -> None:
    """Keep the sealed starts of registers that are enrolled."""
    await tx.many(
        "INSERT INTO sealed_starts (register_id, at, sealed, received_at)"
        " SELECT r.id, ?, ?, ? FROM registers r JOIN meters m ON m.id = r.meter_id"
        " WHERE m.meter = ? AND r.register = ?",
        [(s.at, s.sealed, now, s.meter, s.register) for s in starts],
    )


async def of(
    tx: Transaction, register_ids: Iterable[int]
) -> dict[int, tuple[tuple[int, str], ...]]:
    """Return each register's starts as heads tell them: time and hex, the oldest first."""
    ids = list(register_ids)
    marks = ", ".join("?" * len(ids))
    rows = await tx.rows(
        "SELECT register_id, at, sealed FROM sealed_starts"  # noqa: S608 - marks
        f" WHERE register_id IN ({marks}) ORDER BY register_id, id",
        ids,
    )
    found = defaultdict[int, list[tuple[int, str]]](list)
    for register_id, at, sealed in rows:
        found[register_id].append((at, sealed.hex()))
    return {row_id: tuple(starts[:MAX_STARTS]) for row_id, starts in found.items()}
