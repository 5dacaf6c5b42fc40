"""What audits found, written down so that a monitor can see it: one row an audit.

Whoever opened the transaction commits it. This module must never audit anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.storage.finding import Finding


@dataclass(frozen=True, slots=True)
class Audited:
    """An audit at a network second: how many findings it made, how many of them fail."""

    at: int
    findings: int
    failing: int


async def keep(tx: Transaction, found: Sequence[Finding], *, now: int) -> None:
    """Write down what an audit found."""
    failing = sum(not one.ok for one in found)
    await tx.many(
        "INSERT INTO audits (at, findings, failing) VALUES (?, ?, ?)",
        [(now, len(found), failing)],
    )


async def last(tx: Transaction) -> Audited | None:
    """Return the last audit, None where there never was one."""
    rows = await tx.rows(
        "SELECT at, findings, failing FROM audits ORDER BY id DESC LIMIT 1"
    )
    return Audited(*rows[0]) if rows else None
