"""Lane A's nouns: offers with their slots, orders, and what members wish of them.

Energy in Wh by a slot's first Unix second, prices in micro-units per kWh. Pure. This module
must never read a table.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from meterseal_aggregator.market.lifecycle import RESERVATION_S, State


@dataclass(frozen=True, slots=True)
class NewOffer:
    """What a seller wants to offer of one meter point; `key` names the wish among his."""

    seller: int
    key: str
    meter_point: int
    price: int
    wh: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class OfferSlot:
    """A slot of an offer; closed slots are not claimed again."""

    start: int
    length: int
    wh: int
    claimed_wh: int
    closed_at: int | None

    @property
    def left_wh(self) -> int:
        """What may still be ordered of it."""
        return 0 if self.closed_at is not None else self.wh - self.claimed_wh


@dataclass(frozen=True, slots=True)
class Offer:
    """An offer as it stands."""

    id: int
    seller: int
    meter_point: int
    price: int
    made_at: int
    withdrawn_at: int | None
    slots: Mapping[int, OfferSlot]


@dataclass(frozen=True, slots=True)
class NewOrder:
    """What a buyer wants of an offer: all of these Wh or nothing."""

    buyer: int
    key: str
    offer: int
    wh: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Order:
    """An order as it stands; `slots` are the Wh it was made for, cancelled or not."""

    id: int
    offer: int
    meter_point: int
    price: int
    buyer: int
    seller: int
    state: State
    wh: int
    slots: Mapping[int, int]
    reserved_at: int
    confirmed_at: int | None
    ended_at: int | None

    @property
    def reserved_until(self) -> int:
        """The last second in which its reservation may be confirmed."""
        return self.reserved_at + RESERVATION_S


@dataclass(frozen=True, slots=True)
class NewCancellation:
    """What buyer or seller wants to cancel; `starts` None is all that has not begun."""

    member: int
    key: str
    order: int
    starts: frozenset[int] | None
