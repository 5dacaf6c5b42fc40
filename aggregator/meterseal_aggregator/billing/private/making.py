"""A period's draft out of the tables: its tariff, what was opened, what the bill before leaves.

This module must never write.
"""

from meterseal_aggregator.billing.model import Cause, Refused
from meterseal_aggregator.billing.private.draft import Basis, drafted
from meterseal_aggregator.billing.private.model import Opened, PrivatePeriod
from meterseal_aggregator.billing.private.netting import NOTHING, Netted
from meterseal_aggregator.billing.statements.draft import Draft, Moment
from meterseal_aggregator.billing.statements.gather import carried
from meterseal_aggregator.billing.tariffs import store as tariffs
from meterseal_aggregator.storage.database import Transaction
from meterseal_proto.rating.line import NOTHING_CARRIED


async def draft_period(
    tx: Transaction,
    period: PrivatePeriod,
    opened: Opened,
    moment: Moment,
    *,
    netted: Netted = NOTHING,
    replaces: str = "",
) -> Draft | Refused:
    """Return the draft of what was opened of a period, or why there is none.

    `replaces` is the number of the bill it stands in for, `netted` what of neighbours' Wh
    it takes off.
    """
    tariff = await tariffs.tariff_named(tx, period.tariff)
    assert tariff is not None  # by the schema
    supply, to_at = period.home.supply.id, period.home.supply.to_at
    if to_at is not None and to_at < period.end:
        return Refused(
            Cause.STATE,
            f"supply {supply} ended within the period its device was asked for: bill its"
            " rest by an estimate, and correct it",
        )
    left = await carried(tx, [(supply, period.begin)])
    before = left.get(supply, NOTHING_CARRIED)
    basis = Basis(tariff, opened, before, replaces, netted)
    return drafted(period, basis, moment)
