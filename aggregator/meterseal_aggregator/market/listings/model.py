"""The nouns of lane C: deeds, their wishes, prices by integer division, account names.

A seller's Wh for sale wait in `escrow:listed-N`, those the house took back in
`escrow:listed-house`; commissions, and what the house is paid for its Wh, wait in
`escrow:refunds`, from which refunds are paid. Semantics are those of
contracts/marketplace.clar. Pure. This module must never know a balance.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from meterseal_aggregator.ledger.model import AccountCode, Asset, TransferId
from meterseal_aggregator.market.delivery import cost
from meterseal_aggregator.market.model import transfer_id
from meterseal_proto.clearing import ALL_BP

HOUSE: Final = 0
"""The seller of what buyers gave back; no member has this number."""
REFUNDS: Final = AccountCode("escrow:refunds")
"""Money that refunds are paid from, and that nothing else may be paid from."""


class Kind(StrEnum):
    """What can be done."""

    ADD = "add"
    """A seller puts Wh up for sale."""
    REMOVE = "remove"
    """He takes them back."""
    BUY = "buy"
    REFUND = "refund"
    """A buyer gives Wh back to the house."""


@dataclass(frozen=True, slots=True)
class ListingTerms:
    """The community's price in micro-units per kWh, rates in 1/10,000, limits in Wh."""

    asset: Asset
    price: int
    commission_bp: int
    refund_bp: int
    reserve_wh: int
    user_reserve_wh: int

    def price_of(self, wh: int) -> int:
        """Return what Wh cost, exactly: a price is a multiple of 1,000."""
        return cost(wh, self.price)

    def commission_of(self, wh: int) -> int:
        """Return what is added for the house, rounded down to a micro-unit."""
        return self.price_of(wh) * self.commission_bp // ALL_BP

    def refund_of(self, wh: int) -> int:
        """Return what is paid back for Wh given back, rounded down to a micro-unit."""
        return self.price_of(wh) * self.refund_bp // ALL_BP


@dataclass(frozen=True, slots=True)
class Wish:
    """Something a member wants done, once a `key`.

    `seller` is whose Wh for sale change: his own, the one he buys of, the house.
    `bound` is the most he pays in all, or the least he takes back; 0 where no money moves.
    """

    kind: Kind
    member: int
    seller: int
    wh: int
    bound: int
    key: str


@dataclass(frozen=True, slots=True)
class Deed:
    """A wish as it was done: `amount` to the seller, or back; `commission` on top.

    `price` is the community's then, micro-units per kWh. `left_wh` is what the seller had
    for sale after it, `bought_wh` what the member could still give back after it.
    """

    id: int
    wish: Wish
    price: int
    amount: int
    commission: int
    asset: Asset
    left_wh: int
    bought_wh: int
    done_at: int

    def transfer(self, leg: str) -> TransferId:
        """Return the ledger id of a leg: `energy`, `price`, `commission` or `refund`."""
        return transfer_id("listing", self.id, leg)


def listed(seller: int) -> AccountCode:
    """Return the account where a seller's Wh for sale wait."""
    return AccountCode(f"escrow:listed-{seller or 'house'}")
