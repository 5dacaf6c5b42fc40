"""What the pages are made of, read from the outbox as it stands.

A register or bill that is not there, or is not private where it has to be, is None. This
module must never read more than the page asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from meterseal_agent.outbox.model import Chain
from meterseal_agent.resident.export import usage_file
from meterseal_agent.resident.figures import (
    BillShown,
    DayShown,
    bill_shown,
    by_date,
    by_hour,
    days_shown,
)
from meterseal_agent.resident.look import Home, Look, Thread
from meterseal_agent.resident.pages import Disclosed, Usage
from meterseal_proto.usagefile import UsageFile

DAY_S: Final = 86_400
LATELY_S: Final = 63 * DAY_S
"""This month and the last, and a day or two."""
ALL_S: Final = 420 * DAY_S
"""More than the outbox keeps."""
SHOWN_S: Final = 35 * DAY_S
"""Of what left the house, day by day."""
SLACK_S: Final = 2 * DAY_S
"""Around a local day or month, whatever the zone."""


@dataclass(frozen=True, slots=True)
class Days:
    """A register's usage, with the days that were told of it."""

    of: Usage
    days: Sequence[DayShown]


class Contents:
    """The figures of each page."""

    def __init__(self, home: Home, look: Look) -> None:
        self.home = home
        self._look = look

    async def lately(self) -> list[Usage]:
        """Return every register's usage of this month and the last."""
        begin = int(self.home.now()) - LATELY_S
        return [(await self._days(c, begin)).of for c in await self._look.chains()]

    async def usage(self, number: int, month: date | None = None) -> Days | None:
        """Return the usage of a private register: all that is kept, or of one month."""
        chain = await self._private(number)
        if chain is None:
            return None
        if month is None:
            return await self._days(chain, int(self.home.now()) - ALL_S)
        following = (month + timedelta(days=31)).replace(day=1)
        return await self._days(
            chain, _about(month) - SLACK_S, _about(following) + SLACK_S
        )

    async def hours(
        self, number: int, on: date
    ) -> tuple[Usage, list[tuple[int, int, int]]] | None:
        """Return the hours of a private register's day that was told; None without it."""
        chain = await self._private(number)
        if chain is None:
            return None
        about = _about(on)
        told = await self._look.told(chain, about - SLACK_S, about + SLACK_S)
        local = self.home.local
        for shown in days_shown(told, local):
            if shown.on == on:
                first = next(day for day, _ in told if day.first == shown.begin)
                return self._usage(chain, {}), by_hour(first, local)
        return None

    async def bills(self) -> list[Disclosed]:
        """Return the bills of every private register, without their lines."""
        return [await self._billed(chain) for chain in await self._privates()]

    async def bill(self, number: int, at: int, slow: Thread) -> Disclosed | None:
        """Return a register's bills, that at place `at`, from 1, with its lines.

        They are recomputed in `slow`: a year at many prices takes seconds.
        """
        chain = await self._private(number)
        found = [] if chain is None else await self._look.bills(chain)
        if chain is None or not 1 <= at <= len(found):
            return None
        shown = [BillShown(bill, tariff, ()) for bill, tariff in found]
        bill, tariff = found[at - 1]
        days = await self._look.billed_days(chain, bill)
        clock = self.home.clock(tariff.zone)
        shown[at - 1] = await slow.do(bill_shown, bill, tariff, days, clock)
        return Disclosed(self._usage(chain, {}), (), shown)

    async def openings(self, number: int, at: int, slow: Thread) -> UsageFile | None:
        """Return the openings of a bill, put together in `slow`; None without its days."""
        chain = await self._private(number)
        found = [] if chain is None else await self._look.bills(chain)
        if chain is None or not 1 <= at <= len(found):
            return None
        bill, _ = found[at - 1]
        days = await self._look.billed_days(chain, bill)
        if len(days) != len(bill.statement.headers):
            return None
        rows = [(day, await self._look.revision(day)) for day in days]
        home = self.home
        return await slow.do(usage_file, home.network, chain, rows, home.root)

    async def others(self) -> tuple[list[Disclosed], list[Usage]]:
        """Return what left of private registers, and the registers that are open."""
        begin = int(self.home.now()) - SHOWN_S
        masked = await self._look.masked()
        private = []
        for chain in await self._privates():
            found, billed = await self._days(chain, begin), await self._billed(chain)
            days, summed = [*reversed(found.days)], chain.meter in masked
            told = await self._look.netted(chain, begin, int(self.home.now()))
            netted = {
                first: (len(slots), sum(reached for _, reached in slots.values()))
                for first, slots in told.items()
            }
            private.append(Disclosed(found.of, days, billed.bills, summed, netted))
        chains = await self._look.chains()
        open_ = [self._usage(c, {}) for c in chains if not self.home.is_private(c)]
        return private, open_

    async def _privates(self) -> list[Chain]:
        return [c for c in await self._look.chains() if self.home.is_private(c)]

    async def _private(self, number: int) -> Chain | None:
        found = (c for c in await self._privates() if c.id == number)
        return next(found, None)

    async def _billed(self, chain: Chain) -> Disclosed:
        found = await self._look.bills(chain)
        shown = [BillShown(bill, tariff, ()) for bill, tariff in found]
        return Disclosed(self._usage(chain, {}), (), shown)

    async def _days(self, chain: Chain, begin: int, end: int | None = None) -> Days:
        """Return the days that begin in [`begin`, `end`), with the records after them."""
        local = self.home.local
        upto = int(self.home.now()) + DAY_S if end is None else end
        told = await self._look.told(chain, begin, upto)
        days = days_shown(told, local)
        since = max((day.end for day in days), default=begin)
        records = await self._look.records(chain, since)
        return Days(self._usage(chain, by_date(days, records, local)), days)

    def _usage(self, chain: Chain, usage: dict[date, int]) -> Usage:
        home = self.home
        serial = home.serials.get(chain.meter, chain.meter.hex())
        today = home.local(int(home.now())).date()
        return Usage(chain, serial, home.is_private(chain), usage, today)


def _about(on: date) -> int:
    """Return the UTC midnight a date begins at, as Unix seconds."""
    return (on.toordinal() - date(1970, 1, 1).toordinal()) * DAY_S
