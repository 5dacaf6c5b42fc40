"""Promises, orders, asks and bids as the market's lanes leave them once a trade is made.

Only the rows that settlement reads: who tests a lane itself makes them by its own functions.
"""

from dataclasses import dataclass, field
from itertools import count
from typing import Final

from meterseal_aggregator.storage.database import Transaction
from tests.support.marketplace import SLOT_S
from tests.support.street import BEGIN, Home

CAP_WH: Final = 5_000
PAST: Final = BEGIN - 3_600
"""When trades were made."""
_NUMBERS: Final = count(1)


@dataclass
class Producer:
    """A seller with a meter point and, unless it is bare, a meter; his asks by slot."""

    member: int
    point: int
    home: Home | None
    asks: dict[int, int] = field(default_factory=dict)


async def promise(tx: Transaction, who: Producer, start: int, wh: int) -> None:
    """Add to what is promised of a slot."""
    row = (who.point, start, SLOT_S, who.member, CAP_WH, wh)
    await tx.rows(
        "INSERT INTO slot_sales (meter_point_id, start, length, seller_id, cap_wh,"
        " promised_wh) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE"
        " SET promised_wh = promised_wh + excluded.promised_wh",
        row,
    )


async def order(tx: Transaction, who: Producer, buyer: int, start: int, wh: int) -> int:
    """Return a confirmed order of all of an offer's only slot."""
    key = f"order-{next(_NUMBERS)}"
    ((offer,),) = await tx.rows(
        "INSERT INTO offers (seller_id, meter_point_id, price, rail, request_key,"
        " made_at) VALUES (?, ?, 150000, 'ledger', ?, ?) RETURNING id",
        (who.member, who.point, key, PAST),
    )
    await tx.rows(
        "INSERT INTO offer_slots (offer_id, start, wh, claimed_wh, closed_at)"
        " VALUES (?, ?, ?, ?, ?)",
        (offer, start, wh, wh, start),
    )
    ((number,),) = await tx.rows(
        "INSERT INTO orders (offer_id, buyer_id, seller_id, rail, state, wh,"
        " request_key, reserved_at, confirmed_at)"
        " VALUES (?, ?, ?, 'ledger', 'confirmed', ?, ?, ?, ?) RETURNING id",
        (offer, buyer, who.member, wh, key, PAST, PAST),
    )
    return int(number)


async def ask(tx: Transaction, who: Producer, start: int, wh: int) -> int:
    """Return the seller's ask of the slot: one for all his trades there."""
    if start not in who.asks:
        who.asks[start] = await _sealed(tx, "ask", who.member, who.point, start, wh)
    return who.asks[start]


async def bid(tx: Transaction, buyer: int, start: int, wh: int) -> int:
    """Return a cleared bid."""
    return await _sealed(tx, "bid", buyer, None, start, wh)


async def _sealed(
    tx: Transaction, side: str, member: int, point: int | None, start: int, wh: int
) -> int:
    key = f"{side}-{next(_NUMBERS)}"
    ((number,),) = await tx.rows(
        "INSERT INTO auction_orders (side, member_id, meter_point_id, start, length,"
        " wh, price, rail, state, filled_wh, request_key, submitted_at, ended_at)"
        " VALUES (?, ?, ?, ?, ?, ?, 150000, 'ledger', 'cleared', ?, ?, ?, ?)"
        " RETURNING id",
        (side, member, point, start, SLOT_S, wh, wh, key, PAST, PAST),
    )
    return int(number)
