"""What was told of offers, trades, scores and stakes.

Energy in Wh, money in micro-STX or units of the asset (None: STX), prices in millionths a
kWh, scores in 1/10000. This module must never decide what a trade comes to.
"""

from dataclasses import dataclass

from meterseal_aggregator.stacks.events.record import Meter, Short, Told, told
from meterseal_proto.c32 import Principal


@told("marketplace", "offer-listed")
@dataclass(frozen=True, slots=True)
class OfferListed(Told):
    """Energy to come is offered."""

    offer: int
    seller: Principal
    price_micro_per_kwh: int
    quantity: int
    start: int
    end: int
    asset: Principal | None


@told("marketplace", "offer-updated")
@dataclass(frozen=True, slots=True)
class OfferUpdated(Told):
    """Price and quantity of what is left changed."""

    offer: int
    price_micro_per_kwh: int
    quantity: int


@told("marketplace", "offer-cancelled")
@dataclass(frozen=True, slots=True)
class OfferCancelled(Told):
    """An offer is withdrawn."""

    offer: int


@told("marketplace", "offer-taken")
@dataclass(frozen=True, slots=True)
class OfferTaken(Told):
    """A trade took of an offer."""

    offer: int
    quantity: int
    buyer: Principal


@told("marketplace", "offer-returned")
@dataclass(frozen=True, slots=True)
class OfferReturned(Told):
    """A cancelled trade gave back to an offer."""

    offer: int
    quantity: int


@told("marketplace", "energy-for-sale")
@dataclass(frozen=True, slots=True)
class EnergyForSale(Told):
    """Minted Wh wait for buyers; `left` are the seller's."""

    seller: Principal
    amount: int
    left: int


@told("marketplace", "energy-off-sale")
@dataclass(frozen=True, slots=True)
class EnergyOffSale(Told):
    """Minted Wh went back to their seller."""

    seller: Principal
    amount: int
    left: int


@told("marketplace", "energy-bought")
@dataclass(frozen=True, slots=True)
class EnergyBought(Told):
    """Minted Wh were sold."""

    seller: Principal
    buyer: Principal
    amount: int
    price: int
    commission: int


@told("marketplace", "energy-refunded")
@dataclass(frozen=True, slots=True)
class EnergyRefunded(Told):
    """Bought Wh were given back."""

    buyer: Principal
    amount: int
    refund: int


@told("marketplace", "refunds-funded")
@dataclass(frozen=True, slots=True)
class RefundsFunded(Told):
    """Money for refunds came in."""

    by: Principal
    amount: int


@told("marketplace", "commission-withdrawn")
@dataclass(frozen=True, slots=True)
class CommissionWithdrawn(Told):
    """Commissions were paid out."""

    amount: int
    to: Principal


@told("marketplace", "energy-price")
@dataclass(frozen=True, slots=True)
class EnergyPrice(Told):
    """The community's price changed."""

    price: int


@told("marketplace", "commission-rate")
@dataclass(frozen=True, slots=True)
class CommissionRate(Told):
    """The commission changed, in 1/10000."""

    rate: int


@told("marketplace", "refund-rate")
@dataclass(frozen=True, slots=True)
class RefundRate(Told):
    """The refunded share changed, in 1/10000."""

    rate: int


@told("marketplace", "reserve-limit")
@dataclass(frozen=True, slots=True)
class ReserveLimit(Told):
    """What may be for sale together changed."""

    limit: int


@told("marketplace", "user-limit")
@dataclass(frozen=True, slots=True)
class UserLimit(Told):
    """What one seller may have for sale changed."""

    limit: int


@told("trade-escrow", "trade-opened")
@dataclass(frozen=True, slots=True)
class TradeOpened(Told):
    """A buyer's money is held."""

    trade: int
    offer: int
    buyer: Principal
    seller: Principal
    asset: Principal | None
    quantity: int
    amount: int


@told("trade-escrow", "trade-settled")
@dataclass(frozen=True, slots=True)
class TradeSettled(Told):
    """What was held went to seller, treasury and buyer."""

    trade: int
    delivered: int
    paid: int
    fee: int
    refunded: int


@told("trade-escrow", "trade-cancelled")
@dataclass(frozen=True, slots=True)
class TradeCancelled(Told):
    """What was held went back."""

    trade: int
    by: Principal
    refunded: int


@told("trade-escrow", "trade-expired")
@dataclass(frozen=True, slots=True)
class TradeExpired(Told):
    """Nobody said what was delivered: the money went back."""

    trade: int
    refunded: int


@told("trade-escrow", "trade-frozen")
@dataclass(frozen=True, slots=True)
class TradeFrozen(Told):
    """A dispute holds a trade."""

    trade: int


@told("trade-escrow", "trade-thawed")
@dataclass(frozen=True, slots=True)
class TradeThawed(Told):
    """A trade goes on as if never disputed."""

    trade: int


@told("trade-escrow", "trade-decided")
@dataclass(frozen=True, slots=True)
class TradeDecided(Told):
    """A court decided what was delivered."""

    trade: int
    delivered: int


@told("trade-escrow", "asset-allowed")
@dataclass(frozen=True, slots=True)
class AssetAllowed(Told):
    """A token was allowed or forbidden."""

    token: Principal
    allowed: bool


@told("trade-escrow", "treasury-set")
@dataclass(frozen=True, slots=True)
class TreasurySet(Told):
    """Fees go there."""

    who: Principal


@told("reputation", "trade-counted")
@dataclass(frozen=True, slots=True)
class TradeCounted(Told):
    """A trade counts in the scores."""

    trade: int
    seller: Principal
    score: int
    buyer: Principal
    buyer_score: int


@told("reputation", "rated")
@dataclass(frozen=True, slots=True)
class Rated(Told):
    """One side rated the other; `comment` is up to 32 bytes of anything."""

    trade: int
    by: Principal
    of: Principal
    stars: int
    comment: Short


@told("reputation", "meter-document-counted")
@dataclass(frozen=True, slots=True)
class MeterDocumentCounted(Told):
    """A meter document counts in its owner's score."""

    meter: Meter
    owner: Principal
    score: int


@told("reputation", "staked")
@dataclass(frozen=True, slots=True)
class Staked(Told):
    """A stake grew."""

    who: Principal
    amount: int


@told("reputation", "unstake-requested")
@dataclass(frozen=True, slots=True)
class UnstakeRequested(Told):
    """A stake is asked back."""

    who: Principal
    amount: int


@told("reputation", "unstaked")
@dataclass(frozen=True, slots=True)
class Unstaked(Told):
    """A stake was paid back."""

    who: Principal
    amount: int


@told("reputation", "slashed")
@dataclass(frozen=True, slots=True)
class Slashed(Told):
    """A court took of a stake."""

    who: Principal
    amount: int
    to: Principal
