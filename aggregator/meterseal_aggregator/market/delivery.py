"""How a slot's metered export is shared among what its seller sold, and what a trade then pays.

    delivered = shared(export_wh, promises)
    paid = payment(terms, ordered_wh, delivered_wh)

A seller's final export goes first to fixed offers in the order of their confirmation, then to
the auction's trades in proportion, by largest remainder. What was not delivered is not paid;
the buyer's extra cost at retail is owed to him. Wh and micro-units, pure. This module must
never deliver more than was metered or ordered, nor lose a micro-unit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from meterseal_aggregator.ledger.model import MAX_AMOUNT
from meterseal_proto.clearing import ALL_BP, TICK_UNIT

WH_A_KWH: Final = 1_000
"""A price is per kWh."""


class Lane(IntEnum):
    """How a trade came about; the order in which export is shared out."""

    OFFER = 0
    """A fixed-price offer that was taken: first come, first served."""
    AUCTION = 1
    """The slot's sealed auction: all alike."""


@dataclass(frozen=True, slots=True)
class Promise:
    """What a seller sold of a slot, in Wh. `seq` orders confirmations and breaks ties."""

    trade: str
    lane: Lane
    seq: int
    wh: int


@dataclass(frozen=True, slots=True)
class Terms:
    """What a trade pays by, micro-units per kWh, each a multiple of 1,000.

    price: the buyer's. fee: of it to the house. `losses_bp`: of what is left, for line losses.
    retail: what the buyer pays the utility instead of what was not delivered.
    """

    price: int
    fee: int
    losses_bp: int
    retail: int

    def __post_init__(self) -> None:
        """ValueError for prices that Wh would not multiply to whole micro-units."""
        for name in ("price", "fee", "retail"):
            value = getattr(self, name)
            if value < 0 or value % TICK_UNIT:
                raise ValueError(f"{name}: a multiple of {TICK_UNIT} from 0 up")
        if self.fee > self.price or not 0 <= self.losses_bp < ALL_BP:
            raise ValueError("fee and losses leave the seller something of the price")


@dataclass(frozen=True, slots=True)
class Payment:
    """Where the buyer's money goes, micro-units; `held` is what he had put aside.

    held = seller + fee + losses + returned. `owed` is the shortfall's cost to the buyer, from
    the seller's stake and then the mutual fund; no more of it than the ledger can count.
    """

    held: int
    seller: int
    fee: int
    losses: int
    returned: int
    owed: int


def shared(export_wh: int, promises: Sequence[Promise]) -> dict[str, int]:
    """Return what each trade was delivered, 0 to its Wh; together at most the export.

    ValueError for an export below zero.
    """
    if export_wh < 0:
        raise ValueError("export is metered from 0 up")
    left, delivered = export_wh, dict[str, int]()
    for one in sorted(_of(promises, Lane.OFFER), key=_confirmed):
        delivered[one.trade] = min(one.wh, left)
        left -= delivered[one.trade]
    auctioned = sorted(_of(promises, Lane.AUCTION), key=_confirmed)
    wh = largest_remainder(left, {one.trade: one.wh for one in auctioned})
    return delivered | wh


def largest_remainder(total: int, weights: Mapping[str, int]) -> dict[str, int]:
    """Share `total` by weights, whole units, nobody above his weight (Hamilton's method).

    What flooring leaves goes one by one to the largest remainders, then to who is listed
    first. Weights are above 0.
    """
    whole = sum(weights.values())
    if total >= whole:
        return dict(weights)
    parts = {name: divmod(total * weight, whole) for name, weight in weights.items()}
    given = {name: floor for name, (floor, _) in parts.items()}
    # sorted() is stable: equal remainders stay as they are listed.
    by_rest = sorted(parts, key=lambda name: -parts[name][1])
    for name in by_rest[: total - sum(given.values())]:
        given[name] += 1
    return given


def payment(terms: Terms, ordered_wh: int, delivered_wh: int) -> Payment:
    """Return what becomes of the buyer's money once a trade was metered.

    ValueError for more than was ordered.
    """
    if not 0 <= delivered_wh <= ordered_wh:
        raise ValueError("what was delivered is part of what was ordered")
    held, paid = (cost(wh, terms.price) for wh in (ordered_wh, delivered_wh))
    fee = cost(delivered_wh, terms.fee)
    losses = -(-(paid - fee) * terms.losses_bp // ALL_BP)
    short = ordered_wh - delivered_wh
    return Payment(
        held=held,
        seller=paid - fee - losses,
        fee=fee,
        losses=losses,
        returned=held - paid,
        owed=min(cost(short, max(0, terms.retail - terms.price)), MAX_AMOUNT),
    )


def cost(wh: int, price: int) -> int:
    """Return what Wh cost in micro-units, exactly: a price is a multiple of 1,000."""
    return wh * (price // WH_A_KWH)


def _of(promises: Sequence[Promise], lane: Lane) -> list[Promise]:
    return [one for one in promises if one.lane is lane]


def _confirmed(promise: Promise) -> tuple[int, str]:
    return promise.seq, promise.trade
