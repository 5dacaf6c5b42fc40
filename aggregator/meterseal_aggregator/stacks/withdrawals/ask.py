"""A member asks for Wh on the chain: the ledger gives them up in the moment of the wish.

    async with database.transaction() as tx:
        made = await withdraw(tx, teller, wish, moment)

Wish, ledger transfer, parts and the mints that are wanted change in one transaction, so a
restart finds all of it or nothing. This module must never let more leave than is held.
"""

from typing import Final

from meterseal_aggregator.stacks.calls import token
from meterseal_aggregator.stacks.outbox import deeds
from meterseal_aggregator.stacks.outbox.deeds import Wish as DeedWish
from meterseal_aggregator.stacks.withdrawals import books, store
from meterseal_aggregator.stacks.withdrawals.model import (
    Moment,
    NotMade,
    Part,
    Teller,
    Trouble,
    Way,
    Wish,
    Withdrawal,
)
from meterseal_aggregator.stacks.withdrawals.rules import (
    MOST_SLOTS,
    leave,
    shares,
    way_of,
)
from meterseal_aggregator.storage.database import Transaction
from meterseal_proto.c32 import Principal

FIRST: Final = 0
"""The revision a slot is minted as; what a later one adds stays on the ledger."""


async def withdraw(
    tx: Transaction, teller: Teller, wish: Wish, moment: Moment
) -> tuple[Withdrawal, bool]:
    """Grant a wish; returns the withdrawal and whether it is new.

    The same wish under the same key is the same withdrawal. Raises NotMade.
    """
    known = await store.of_key(tx, wish.member, wish.key)
    if known is not None:
        return _again(known, wish), False
    standing = await store.standing(tx, wish.member, wish.place, now=moment.network)
    way = way_of(wish, standing)
    credited = await store.credits_after(
        tx, wish.member, wish.place, standing.through, MOST_SLOTS[way]
    )
    chosen = shares(wish, way, standing, credited)
    number = await store.add(tx, wish, way, now=moment.network)
    await store.add_parts(tx, number, wish.place, chosen)
    total = sum(share.wh for share in chosen)
    move = leave(number, wish.member, total, moment.network)
    await books.post(tx, [move], now=moment.network)
    if way is Way.DIRECT:
        for part in await store.parts(tx, [number]):
            await _want_mint(tx, teller, part, moment)
    made = await store.one(tx, number)
    assert made is not None
    return made, True


def mint_deed(part: Part) -> str:
    """Return the name of the deed that mints a part: once for ever."""
    return f"mint {part.withdrawal}/{part.number}"


async def _want_mint(
    tx: Transaction, teller: Teller, part: Part, moment: Moment
) -> None:
    place, share = part.place, part.share
    slot = token.Slot(place.meter_point, place.register, share.start, share.end)
    owner = Principal.parse(part.owner)
    call = token.mint(teller.contracts, owner, slot, FIRST, share.wh)
    wish = DeedWish(teller.oracle, mint_deed(part), call.payload, call.conditions)
    await deeds.want(tx, wish, now=moment.real)


def _again(known: Withdrawal, wish: Wish) -> Withdrawal:
    same = (known.place, known.asked_wh, known.asked_way, known.owner)
    if same != (wish.place, wish.wh, wish.way, wish.owner):
        raise NotMade(
            Trouble.KEY_USED,
            f"this idempotency key is that of withdrawal {known.id}, which asked for"
            " something else: send another key",
        )
    return known
