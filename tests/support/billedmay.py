"""A home that was billed for May, as tests of corrections find it."""

from meterseal_aggregator.billing.model import BillRow
from meterseal_aggregator.billing.statements.correct import Why
from tests.support.billinghouse import HOUR, JUNE, MAY, Home, Utility, at

BILLED = JUNE + 6 * HOUR
TENTH = at(2026, 5, 10)
"""A day of May."""
LATER = at(2026, 9, 3, 12)
"""When something is known otherwise."""
WHY = Why("ms_operator", "asked by Ada")


async def may(utility: Utility, delta: int = 1_000) -> tuple[Home, BillRow]:
    """Bill Ada for May, in which she used `delta` Wh an hour."""
    home = await utility.supply("Ada")
    await utility.use(home, MAY, JUNE, delta)
    (bill,) = await utility.bill(now=BILLED)
    return home, bill
