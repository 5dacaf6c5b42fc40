"""What accounts may still give while a batch is planned: balances that follow the plan.

Pure. A frozen account gives nothing. This module must never let an account give more than
it holds, so that what is planned is what the ledger takes.
"""

from collections.abc import Iterable

from meterseal_aggregator.ledger.model import Account, AccountCode, Asset


class Purse:
    """The balances of a batch's accounts; one that was never opened holds nothing."""

    def __init__(self, accounts: Iterable[Account]) -> None:
        self._held: dict[tuple[Asset, AccountCode], int] = {}
        self._frozen: set[tuple[Asset, AccountCode]] = set()
        for account in accounts:
            self._held[account.asset, account.code] = account.held
            if account.frozen:
                self._frozen.add((account.asset, account.code))

    def holds(self, asset: Asset, code: AccountCode) -> int:
        """Return what an account may give now, >= 0."""
        if (asset, code) in self._frozen:
            return 0
        return self._held.get((asset, code), 0)

    def frozen(self, asset: Asset, code: AccountCode) -> bool:
        """Tell whether a dispute stops an account."""
        return (asset, code) in self._frozen

    def take(self, asset: Asset, code: AccountCode, at_most: int) -> int:
        """Take what there is of `at_most` >= 0; returns it."""
        taken = min(at_most, self.holds(asset, code))
        if taken:
            self._held[asset, code] -= taken
        return taken

    def give(self, asset: Asset, code: AccountCode, amount: int) -> None:
        """Add what an entry of the plan brings."""
        self._held[asset, code] = self._held.get((asset, code), 0) + amount
