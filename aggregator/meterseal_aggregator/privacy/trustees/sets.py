"""The sets that are due: each cell's after its cut-off, then the network's late one.

A cell is due once its roster is signed by all three, its day is final and enough homes
reported; while proofs are being checked it waits for them a little. This module must never
fix the late set before the cells have theirs: it would take their homes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from meterseal_aggregator.parameters import store as parameters
from meterseal_aggregator.parameters.model import Name
from meterseal_aggregator.privacy import totals, wholedays
from meterseal_aggregator.privacy.trustees import store
from meterseal_aggregator.privacy.trustees.calendar import (
    LATE_AFTER_S,
    PENDING_GRACE_S,
    cut_off,
    day_of,
    open_days,
)
from meterseal_aggregator.privacy.trustees.round import Round
from meterseal_aggregator.privacy.wholedays import LEFT_OUT
from meterseal_aggregator.storage.database import Transaction
from meterseal_proto.reporting import LATE, Place, quarter_of
from meterseal_proto.totals import K_MIN, SEEDS

_TOLD: Final = """
WITH asked (first) AS (VALUES {marks})
SELECT a.first FROM asked a
WHERE EXISTS (SELECT 1 FROM committed_seals s WHERE s.first = a.first) ORDER BY a.first
"""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Terms:
    """The network's calendar at the moment of a round."""

    zone: str
    delay_s: int

    def due(self, day: int) -> int:
        """Return the second from which a day's sets may be fixed."""
        return cut_off(day, self.delay_s, self.zone)

    def quarter(self, now: int) -> int:
        """Return the quarter that Unix second `now` is in."""
        return quarter_of(day_of(now, self.zone))


async def terms_at(tx: Transaction, now: int) -> Terms:
    """Return the calendar's terms at Unix second `now`."""
    return Terms(
        await parameters.text_at(tx, Name.ZONE, now),
        await parameters.number_at(tx, Name.FINALITY_DELAY_S, now),
    )


async def fix_due(asking: Round, terms: Terms) -> int:
    """Fix every set that is due and has enough homes; returns how many."""
    fixed = 0
    for place in await _due(asking, terms):
        if not asking.office.enough():
            with asking.sparing_others():
                fixed += await _fix(asking, terms, place)
    return fixed


async def _due(asking: Round, terms: Terms) -> Sequence[Place]:
    """Return the places without a set whose time has come: cells' first, then late ones."""
    now, network = asking.now, asking.office.genesis.network
    days = list(open_days(now, terms.delay_s, terms.zone))
    if not days:
        return []
    async with asking.office.database.reading() as tx:
        days = await _told(tx, days, terms.zone)
        if not days:
            return []
        cells = await store.cells(tx, quarter_of(days[0]))
        rows = await tx.rows(
            "SELECT cell, day FROM reporting_sets WHERE day >= ?", (days[0],)
        )
    standing = {(cell, day) for cell, day in rows}
    signed = [(c, quarter) for c, quarter, _, _, count in cells if count == SEEDS]
    wanted = [
        (cell, day)
        for day in days
        for cell, quarter in signed
        if quarter_of(day) == quarter
    ]
    late = {day for _, day in wanted if terms.due(day) + LATE_AFTER_S <= now}
    return [
        Place(network, *place)
        for place in [*wanted, *((LATE, day) for day in sorted(late))]
        if place not in standing
    ]


async def _told(tx: Transaction, days: Sequence[int], zone: str) -> list[int]:
    """Return those of `days` that anybody told, at one register or another."""
    begins = {totals.day_span(day, zone).begin: day for day in days}
    marks = ", ".join(["(?)"] * len(begins))
    rows = await tx.rows(_TOLD.format(marks=marks), tuple(begins))
    return [begins[row[0]] for row in rows]


async def _fix(asking: Round, terms: Terms, place: Place) -> int:
    database, genesis = asking.office.database, asking.office.genesis
    span = totals.day_span(place.day, terms.zone)
    async with database.reading() as tx:
        count = len(await wholedays.reportable(tx, place, span))
        if count < K_MIN:
            return 0
        patient = asking.now < terms.due(place.day) + PENDING_GRACE_S
        if patient and await wholedays.pending(tx, place, span):
            return 0
    async with database.transaction() as tx:
        fixed = await totals.fix_set(
            tx, place, genesis, zone=terms.zone, now=asking.now
        )
        absent = await store.absent(tx, fixed.id)
    _log.info("set_fixed", cell=place.cell, day=place.day, homes=len(fixed.days))
    for why in sorted({one.why for one in absent}):
        meters = [one.meter.hex() for one in absent if one.why == why]
        tell = _log.error if why == LEFT_OUT else _log.warning
        tell(
            "days_absent_from_set",
            cell=place.cell,
            day=place.day,
            why=why,
            meters=meters,
        )
    return 1
