"""The audit of private bills: invariant 21, the half that devices' openings prove.

Each bill over hidden usage is reckoned again from what its device opened, by its tariff:
line for line it is the statement that was issued. What it nets is what its device proved,
slot for slot, and its key signed. The range proofs themselves are multiplied out when they
are taken, and by whoever has the bill's evidence. This module must never write.
"""

from typing import Final

from meterseal_aggregator.billing.model import Cause, Refused
from meterseal_aggregator.billing.private import store
from meterseal_aggregator.billing.private.model import PeriodState, PrivatePeriod
from meterseal_aggregator.billing.private.netting import NOTHING, Netted, netted_by
from meterseal_aggregator.billing.statements import store as bills
from meterseal_aggregator.billing.statements.draft import local_of
from meterseal_aggregator.billing.tariffs import store as tariffs
from meterseal_aggregator.privacy.errands import nettings
from meterseal_aggregator.registry.store import claims
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.storage.finding import Finding
from meterseal_proto.enrolment import Genesis
from meterseal_proto.rating.calendar import Unrateable
from meterseal_proto.rating.hidden import plan_of
from meterseal_proto.rating.load import Period
from meterseal_proto.rating.opened import OpenedPeriod, rate_opened
from meterseal_proto.rating.statement_json import read_statement

INVARIANT: Final = 21
"""The number of "what is billed of hidden usage, and on the chain, is what was proved"."""
PAGE: Final = 200
_NAKED: Final = """
SELECT b.number FROM bills b LEFT JOIN private_periods p ON p.bill_id = b.id
WHERE b.private_bill_id IS NOT NULL AND p.id IS NULL ORDER BY b.id LIMIT 1
"""


async def findings(tx: Transaction, genesis: Genesis) -> list[Finding]:
    """Say whether every bill over hidden usage is what its openings cost at its tariff."""
    count = last = 0
    while page := await store.every_period(tx, after=last, limit=PAGE):
        last = page[-1].id
        for period in page:
            if period.state in (PeriodState.OPENED, PeriodState.CORRECTED):
                count += 1
                wrong = await _wrong(tx, period, genesis.network)
                if wrong is not None:
                    return [Finding(INVARIANT, ok=False, detail=wrong)]
    for (number,) in await tx.rows(_NAKED):
        detail = f"bill {number} names an opening that no private period asked for"
        return [Finding(INVARIANT, ok=False, detail=detail)]
    detail = f"{count} bills over hidden usage are what was opened costs"
    return [Finding(INVARIANT, ok=True, detail=detail)]


async def _wrong(tx: Transaction, period: PrivatePeriod, network: bytes) -> str | None:
    """Return what is wrong with the bill of a period, None where it is right."""
    assert period.bill is not None  # by the schema
    row = (await bills.bills_by_id(tx, [period.bill]))[period.bill]
    tariff = await tariffs.tariff_named(tx, period.tariff)
    assert tariff is not None  # by the schema
    statement, opened = read_statement(row.document), await store.opened(tx, period)
    proofs = tuple(usage.proof for usage in statement.usage)
    if proofs != opened.digests or statement.network != network:
        return f"bill {row.number} is not over what its device opened"
    nets = await _netted(tx, period, network)
    if isinstance(nets, str):
        return f"bill {row.number} {nets}"
    (segment,) = statement.segments
    cycle = (segment.cycle_begin, segment.cycle_end)
    found = OpenedPeriod(
        Period(period.begin, period.end, *cycle), period.home.step, opened.amounts,
        nets.slots,
    )  # fmt: skip
    try:
        local = local_of(tariff.zone)
        rated = rate_opened(tariff, plan_of(tariff), found, local, segment.before)
    except (Refused, Unrateable) as error:
        return f"bill {row.number}: {Cause.UNRATEABLE}: {error}"
    if rated.lines != segment.lines or segment.tariff != period.tariff:
        return f"bill {row.number} is not what was opened costs at its tariff"
    return None


async def _netted(
    tx: Transaction, period: PrivatePeriod, network: bytes
) -> Netted | str:
    """Return what a period's bill nets, or what is wrong with it."""
    assert period.bill is not None  # by the schema
    wh = await store.netted(tx, period.bill)
    if not wh:
        return NOTHING
    home = period.home
    place = (home.row, period.begin, period.end)
    request = await nettings.of_period(tx, network, place)
    proved = None if request is None else await nettings.proved(tx, request)
    if request is None or proved is None:
        return "nets what its device never proved"
    found = netted_by(request)
    if wh != {(one.start, one.length): one.wh for one in found.traded}:
        return "does not net what its device proved"
    claim = (await claims(tx, [home.meter]))[home.meter, home.register]
    digest, consent = proved.netting.digest(), proved.consent
    signed = any(key.public.verify(digest, consent) for key in claim.keys)
    if not signed or len(proved.proofs) != len(proved.netting.days):
        return "nets what its device's seal key did not sign, or did not prove"
    return found
