"""Whole trading days on the real rooms: whatever happens when, the books agree in the end.

Seen to fail: with an offer or an ask that keeps its promise where its slot was settled, a
cancelled order or an ended reservation that leaves a slot claimed, a bid whose money is not
given back, a run that charges what was paid before, delivers what the producer has not,
feeds in twice or settles what is disputed, a purchase whose commission is lost, and wishes
whose key is forgotten.
"""

import os
import time
from collections import Counter
from collections.abc import Mapping
from random import Random
from typing import Final

import pytest

from tests.support.seed import NIGHTS, SEED, Swept
from tests.support.tradingdays import Days
from tests.support.tradingsteps import end, live

NIGHT: Final = 3_000
HISTORIES: Final = int(
    os.environ.get("METERSEAL_TRADING_DAYS", "100" if NIGHTS == 1 else str(NIGHT))
)
# How each kind of step must have ended at least once, or nothing was tried.
WANTED: Final[Mapping[str, str]] = {
    "pay": "done funds state",
    "stake": "done funds disputed",
    "unstake": "done funds state",
    "declare": "done",
    "choose": "done",
    "agree": "done",
    "offer": "done price too-late above-capacity above-trust-limit both-sides no-meter"
    " not-your-meter-point uncertified",
    "withdraw-offer": "done",
    "reserve": "done self-trade too-late sold-out both-sides low-trust",
    "confirm": "done funds reservation-expired state",
    "release": "done",
    "cancel": "done too-late state",
    "refuse": "done too-late state disputed",
    "ask": "done price too-late above-capacity both-sides uncertified",
    "bid": "done price too-late funds both-sides",
    "unseal": "done too-late",
    "reuse": "key-used",
    "tell": "done",
    "revise": "done",
    "speak": "done",
    "list-add": "done above-reserve",
    "list-remove": "done sold-out",
    "list-buy": "done sold-out price self-trade",
    "list-refund": "done state",
    "leave": "done nothing too-little other-way claim-first",
    "freeze": "trade bid stake",
    "thaw": "done",
    "expire": "done idle",
    "auction": "done idle",
    "validate": "done idle",
    "mint": "done idle",
    "settle": "done idle",
    "cut": "offer reserve confirm cancel ask bid expire auction mint settle list-add pay",
    "again": "offer reserve confirm cancel refuse ask bid pay stake list-add leave",
    "order": "delivered partial failed cancelled voided released expired",
    "paid": "from:stake from:fund by:nobody",
    "slot": "fed:in kept owed",
    "clearing": "price empty",
    "trade": "whole part nothing voided cancelled whole:of:an:auction"
    " part:of:an:auction whole:by:the:mock part:by:the:mock nothing:by:the:mock",
    "trust": "delivered:up delivered:down seller-cancel:down buyer-cancel:down"
    " corrected:up corrected:down",
}
FOUND: Final = (
    # A sealed ask whose slot was settled before its auction kept its promise for ever,
    1,
    # and so did an offer whose slot was settled before it was closed.
    2,
)
"""Seeds of histories that found something."""


async def history(seed: int) -> Counter[tuple[str, str]]:
    """Live through one history; returns how often each kind of step ended how."""
    days = await Days.begin(Random(seed))
    try:
        await live(days)
        await end(days)
    except BaseException as error:
        error.add_note(f"trading days of seed {seed}, on day {days.today}")
        raise
    finally:
        await days.database.close()
    return days.met


async def test_whatever_happens_on_trading_days_the_books_agree(swept: Swept) -> None:
    met: Counter[tuple[str, str]] = Counter()
    began = time.process_time()
    for number in range(HISTORIES):
        met += await history(SEED * 100_000 + number)
    swept("histories of trading days", HISTORIES, max(NIGHT, HISTORIES))
    rate = HISTORIES / (time.process_time() - began)
    print(f"{HISTORIES} histories, {rate:.1f} a second of one core")
    for (kind, how), count in sorted(met.items()):
        print(f"| {kind} | {how} | {count:,} |")
    wanted = {
        (kind, how.replace(":", " "))
        for kind, ends in WANTED.items()
        for how in ends.split()
    }
    never = sorted(one for one in wanted if not met[one])
    assert not never, f"never met: {never}"


@pytest.mark.parametrize("seed", FOUND)
async def test_days_on_which_something_was_found_end_well(seed: int) -> None:
    met = await history(seed)
    assert met["wait", "done"]
