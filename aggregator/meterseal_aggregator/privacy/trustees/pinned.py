"""The three trustees' keys, written down once: devices pin them, so they never change.

    await pin(tx, PinnedTrustees(network, keys))     # at start, as configured
    trustees = await pinned(tx)              # None where there are none

This module must never replace a key: a home's seeds are in boxes for the old one.
"""

from meterseal_aggregator.privacy.trustees.model import PinnedTrustees
from meterseal_aggregator.storage.database import Transaction
from meterseal_proto.errors import Unavailable
from meterseal_proto.seedbox import TrusteeKey


async def pin(tx: Transaction, wish: PinnedTrustees) -> None:
    """Write down the trustees; again changes nothing.

    Raises Unavailable where other trustees, or another network's, are written down.
    """
    standing = await pinned(tx)
    if standing is None:
        await tx.many(
            "INSERT INTO trustees (number, network, box, sign) VALUES (?, ?, ?, ?)",
            [(key.number, wish.network, key.box, key.sign) for key in wish.keys],
        )
    elif standing != wish:
        raise Unavailable(
            "the database knows other trustees than the configuration: homes have given"
            " their seeds to those; write their keys into [[trustees]] again"
        )


async def pinned(tx: Transaction) -> PinnedTrustees | None:
    """Return the trustees that are written down, or None."""
    rows = await tx.rows(
        "SELECT network, number, box, sign FROM trustees ORDER BY number"
    )
    if not rows:
        return None
    first, second, third = (TrusteeKey(*row[1:]) for row in rows)
    return PinnedTrustees(rows[0][0], (first, second, third))
