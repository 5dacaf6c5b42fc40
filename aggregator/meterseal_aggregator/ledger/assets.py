"""The assets of money the network has named: no account opens in any other.

Their names come from the network's parameters. This module must never forget one: what
was posted in it stays.
"""

from meterseal_aggregator.ledger.chart import is_money
from meterseal_aggregator.ledger.model import Asset
from meterseal_aggregator.storage.database import Transaction


async def declare(tx: Transaction, asset: Asset, *, now: int) -> None:
    """Let accounts be opened in an asset of money; saying it again changes nothing.

    Raises ValueError when the name cannot be one of money.
    """
    if not is_money(asset):
        raise ValueError(f"{asset!r}: name money by 2-12 capitals and digits, as XTS")
    await tx.rows(
        "INSERT INTO ledger_assets (asset, declared_at) VALUES (?, ?)"
        " ON CONFLICT (asset) DO NOTHING",
        (asset, now),
    )


async def declared(tx: Transaction) -> frozenset[Asset]:
    """Return the assets of money there are."""
    rows = await tx.rows("SELECT asset FROM ledger_assets")
    return frozenset(Asset(row[0]) for row in rows)
