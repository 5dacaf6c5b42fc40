"""The duty that ends reservations whose time is over, and closes slots that have begun.

    done = await run_once(database, now)        # 0: nothing was due

What they claimed goes back to the offer, what nobody claimed to the seller's limits. No rule
waits for it: an order is refused by its own second. This module must never end what was
confirmed.
"""

from collections import Counter
from typing import Final

from meterseal_aggregator.market.lifecycle import Event
from meterseal_aggregator.market.offers import orders, store
from meterseal_aggregator.market.offers.store import Place
from meterseal_aggregator.storage.database import Database

MAX_RESERVATIONS: Final = 200
"""Reservations a run: with 192 slots each some 40,000 rows, half a second of one writer."""
MAX_SLOTS: Final = 5_000
"""Slots a run: as many sellers' quarter hours begin in one second."""


async def run_once(database: Database, now: int) -> int:
    """Do one batch of what is due at a Unix second; returns how many things ended."""
    async with database.reading() as tx:
        due = await orders.over(tx, now=now, limit=1)
        begun = await store.begun(tx, now=now, limit=1)
    if not due and not begun:
        return 0
    async with database.transaction() as tx:
        ended = await orders.over(tx, now=now, limit=MAX_RESERVATIONS)
        claimed: Counter[Place] = Counter()
        for order in ended:
            await orders.move(tx, order, Event.EXPIRE, now=now)
            claimed.update({(order.offer, at): wh for at, wh in order.slots.items()})
        await store.give_back(tx, claimed)
        closing = await store.begun(tx, now=now, limit=MAX_SLOTS)
        await store.close(tx, closing, now=now)
    return len(ended) + len(closing)
