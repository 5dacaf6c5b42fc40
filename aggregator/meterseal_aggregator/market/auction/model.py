"""The auction's nouns: a sealed order, what becomes of it, and a slot's clearing.

Energy in Wh, prices in micro-units per kWh, money in micro-units, time in Unix seconds.
Pure. This module must never read a table.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from meterseal_aggregator.ledger.model import AccountCode, TransferId
from meterseal_aggregator.market.model import transfer_id

MAX_SEALED: Final = 10_000
"""Sealed orders of a slot, cleared in one transaction: where all of them trade that takes
1.5 s of a core, so 6 s on a machine four times slower. A job's lease is 60 s, and another
process waits 10 s for the file."""
MAX_OF_MEMBER: Final = 20
"""Of them, one member's: a curve in steps, and a slot is not full of one party."""
MAX_EVER: Final = 200
"""Orders of a member for a slot, cancelled ones too: who thinks again each few hours of the
weeks before it may, and nobody fills the table by placing and cancelling all day."""


class Side(StrEnum):
    """Whether an order sells or buys."""

    ASK = "ask"
    BID = "bid"


class OrderState(StrEnum):
    """Where a sealed order stands; it leaves SEALED once."""

    SEALED = "sealed"
    CANCELLED = "cancelled"
    """Taken back before the gate closed, or not fit to be cleared."""
    CLEARED = "cleared"
    """Opened, and filled with none, some or all of its Wh."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a member wants of the slot that begins at `start`: Wh at `price` or better.

    A seller's price is what he is left with; `meter_point` is where he sells, None of a bid.
    """

    member: int
    side: Side
    start: int
    wh: int
    price: int
    meter_point: int | None = None


@dataclass(frozen=True, slots=True)
class SealedOrder:
    """A wish as it was taken, and what became of it; `id` is the order of submission."""

    id: int
    wish: Wish
    length: int
    state: OrderState
    filled_wh: int
    submitted_at: int
    ended_at: int | None

    @property
    def hold(self) -> TransferId:
        """The ledger's hold of a bid's money."""
        return transfer_id("bid", self.id, "hold")

    @property
    def release(self) -> TransferId:
        """What gives that money back."""
        return transfer_id("bid", self.id, "void")

    @property
    def escrow(self) -> AccountCode:
        """Where that money waits."""
        return AccountCode(f"escrow:bid-{self.id}")


@dataclass(frozen=True, slots=True)
class Cleared:
    """A slot's clearing as it is on record; `price` is None where nothing traded.

    The log's entry `entry` holds SHA-256(salt || hash).
    """

    start: int
    length: int
    price: int | None
    volume_wh: int
    hash: bytes
    salt: bytes
    entry: int
    cleared_at: int
