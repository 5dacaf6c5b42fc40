"""The market's nouns: who declines what and why, and a trade as it stands.

Energy in Wh, prices in micro-units per kWh, money in micro-units, time in Unix seconds.
Pure. This module must never read a table.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from meterseal_aggregator.ledger.model import AccountCode, Asset, TransferId
from meterseal_aggregator.market.delivery import Lane, Terms


class Cause(StrEnum):
    """Why the market declines a wish; the value is the problem's name on the wire."""

    UNKNOWN = "not-found"
    KEY_USED = "key-used"
    SLOT = "no-such-slot"
    """Not on the grid, too many, named twice, or of another length than what is sold."""
    TOO_LATE = "too-late"
    """The gate is closed, the slot has begun, or the window to cancel is over."""
    PRICE = "price"
    NOT_YOURS = "not-your-meter-point"
    NO_METER = "no-meter"
    """No open export register stands there, and this is no demo."""
    UNCERTIFIED = "uncertified"
    ABOVE_CAP = "above-capacity"
    """More than the point's capacity gives in a slot, both lanes together."""
    ABOVE_TRUST = "above-trust-limit"
    SOLD_OUT = "sold-out"
    SELF_TRADE = "self-trade"
    BOTH_SIDES = "both-sides"
    """A party is buyer or seller in a slot."""
    FUNDS = "funds"
    EXPIRED = "reservation-expired"
    STATE = "state"
    FROZEN = "disputed"
    LOW_TRUST = "low-trust"
    RESERVE = "above-reserve"
    FULL = "too-many"
    DOCUMENT = "document"
    """A meter's document from which no text can be had."""
    FIGURE = "figure"
    """Which of a document's numbers is meant is not plain, or it is not in it."""


class Declined(Exception):
    """A wish that cannot be granted as things stand; the message says what to do."""

    def __init__(self, cause: Cause, detail: str) -> None:
        super().__init__(detail)
        self.cause = cause
        self.detail = detail


def check_same(known: str, compared: Iterable[tuple[str, object, object]]) -> None:
    """Go on if a wish is the one its key was used for, `known`; else raise Declined (KEY_USED).

    Compared are fields by what their asker calls them: as they were, and as they are now.
    """
    for name, before, asked in compared:
        if before != asked:
            raise Declined(
                Cause.KEY_USED,
                f"this idempotency key was used with different {name}, for {known}: send"
                " a new key",
            )


class TradeState(StrEnum):
    """Where a trade stands."""

    HELD = "held"
    """The buyer's money is put aside until the slot is metered."""
    CANCELLED = "cancelled"
    SETTLED = "settled"
    """Metered, delivered and paid; later runs post differences."""
    VOIDED = "voided"
    """Nobody metered the slot until the last run."""


@dataclass(frozen=True, slots=True)
class Trade:
    """`wh` of one slot at one meter point, from seller to buyer, and what came of it.

    `metered_wh` is None until a run; `run` is the last one's number.
    """

    id: int
    lane: Lane
    meter_point: int
    start: int
    length: int
    seller: int
    buyer: int
    wh: int
    terms: Terms
    asset: Asset
    order: int | None
    ask: int | None
    bid: int | None
    made_at: int
    state: TradeState
    metered_wh: int | None
    delivered_wh: int
    run: int

    @property
    def hold(self) -> TransferId:
        """The ledger's hold of the buyer's money."""
        return transfer_id("trade", self.id, "hold")

    @property
    def escrow(self) -> AccountCode:
        """Where that money waits."""
        return AccountCode(f"escrow:trade-{self.id}")


def transfer_id(*about: str | int) -> TransferId:
    """Return the ledger id of a market's move: SHA-256 of a label and what it is about."""
    text = "/".join(map(str, about))
    return TransferId(hashlib.sha256(f"meterseal-market/{text}".encode()).digest())
