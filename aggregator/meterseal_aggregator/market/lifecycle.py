"""An order's life as one table: which event leads where, and whose time has run out.

    state = after(State.RESERVED, Event.CONFIRMED)     # State.CONFIRMED, or Illegal

                     expired, released
        RESERVED ------------------------> EXPIRED, RELEASED
           | confirmed
        CONFIRMED -----------------------> CANCELLED (by buyer or seller), VOIDED
           | metered                        (nobody metered the slot until the last run)
        DELIVERED <--> PARTIAL <--> FAILED  a later run may correct what was metered

Every change of an order's row names the state it leaves, so of two that race one wins. Pure;
the second is an argument. This module must never hold an order that reached an end.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Final

RESERVATION_S: Final = 10 * 60
"""A reservation's life: time to look at an order and confirm it, not to block a seller."""


class State(Enum):
    """Where an order stands."""

    RESERVED = "reserved"
    """Energy is claimed for ten minutes; no money is held yet."""
    CONFIRMED = "confirmed"
    """The buyer's money is held until the slot is metered."""
    DELIVERED = "delivered"
    PARTIAL = "partial"
    FAILED = "failed"
    """Nothing was metered for it, though the meter spoke."""
    RELEASED = "released"
    """The buyer let the reservation go."""
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    VOIDED = "voided"
    """The slot was not metered by the last run; nobody's trust changes."""


class Event(Enum):
    """What happens to an order."""

    CONFIRM = "confirm"
    RELEASE = "release"
    EXPIRE = "expire"
    CANCEL = "cancel"
    METER_ALL = "meter-all"
    METER_SOME = "meter-some"
    METER_NONE = "meter-none"
    VOID = "void"


class Illegal(Exception):
    """An event that an order in this state cannot have; the message names both."""


_METERED: Final[Mapping[Event, State]] = {
    Event.METER_ALL: State.DELIVERED,
    Event.METER_SOME: State.PARTIAL,
    Event.METER_NONE: State.FAILED,
}
MOVES: Final[Mapping[State, Mapping[Event, State]]] = {
    State.RESERVED: {
        Event.CONFIRM: State.CONFIRMED,
        Event.RELEASE: State.RELEASED,
        Event.EXPIRE: State.EXPIRED,
    },
    State.CONFIRMED: {
        Event.CANCEL: State.CANCELLED,
        Event.VOID: State.VOIDED,
        **_METERED,
    },
    State.DELIVERED: _METERED,
    State.PARTIAL: _METERED,
    State.FAILED: _METERED,
    State.RELEASED: {},
    State.EXPIRED: {},
    State.CANCELLED: {},
    State.VOIDED: {},
}
"""Every legal move; what is not here does not happen."""
CLAIMS_ENERGY: Final = frozenset({State.RESERVED, State.CONFIRMED})
"""States in which an order's Wh are nobody else's to buy."""
ENDED: Final = frozenset(state for state, moves in MOVES.items() if not moves)


def after(state: State, event: Event) -> State:
    """Return where an event leads; raises Illegal."""
    found = MOVES[state].get(event)
    if found is None:
        raise Illegal(f"{event.value}: the order is {state.value}")
    return found


def metered(ordered_wh: int, delivered_wh: int) -> Event:
    """Return the event of a metered slot; ValueError for more than was ordered."""
    if not 0 <= delivered_wh <= ordered_wh or not ordered_wh:
        raise ValueError("what was delivered is part of what was ordered")
    if delivered_wh == ordered_wh:
        return Event.METER_ALL
    return Event.METER_SOME if delivered_wh else Event.METER_NONE


def reservation_over(reserved_at: int, now: int) -> bool:
    """Tell whether a reservation may no longer be confirmed; its last second still may."""
    return now > reserved_at + RESERVATION_S
