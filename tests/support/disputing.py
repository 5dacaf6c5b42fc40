"""A bill of May, and the disputes of it.

home, bill = await billed(utility)
made = await opened(utility, bill, WRONG)
"""

from dataclasses import replace
from typing import Final

from meterseal_aggregator.billing.model import BillRow
from meterseal_aggregator.disputes.model import Dispute, Wish
from meterseal_aggregator.disputes.open import open_bill
from tests.support.billinghouse import DAY, JUNE, MAY, Home, Utility

NOW: Final = JUNE + 2 * DAY
WRONG: Final = Wish(0, "this is not my meter", "key-1")


async def billed(utility: Utility) -> tuple[Home, BillRow]:
    """Let Ada use 250 Wh a slot through May, and be billed for it."""
    home = await utility.supply("Ada")
    await utility.use(home, MAY, JUNE, 250)
    (bill,) = await utility.bill(now=JUNE + DAY)
    return home, bill


async def opened(
    utility: Utility, bill: BillRow, wish: Wish, now: int = NOW
) -> Dispute:
    """Dispute a bill: the wish's member does, or where it names none the bill's own."""
    async with utility.database.transaction() as tx:
        mine = replace(wish, member=wish.member or bill.member)
        return await open_bill(tx, bill.number, mine, now=now)
