"""A private home that bought of its neighbours: its device answers what may be netted.

async with a_buyer(folder, tariff) as home:
    await home.street.deliver(at(1), 300)      # 300 Wh of the day's second slot
    await home.opened()                        # asked, opened, and asked what it nets
    await home.net()                           # the device's answer
    lines = await home.lines()                 # the bill, every audit held
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from meterseal_aggregator.billing.private import check
from meterseal_aggregator.billing.statements import audit
from meterseal_aggregator.billing.statements.draft import local_of
from meterseal_aggregator.ledger import check as ledger_check
from meterseal_aggregator.privacy import netting as module
from meterseal_aggregator.privacy.errands import nettings
from meterseal_aggregator.privacy.errands.nettings import NettingRequest
from meterseal_proto.netting import Netting, ProvedNetting, prove_netting
from meterseal_proto.rangeprover import Opening
from meterseal_proto.rating.line import Line
from meterseal_proto.rating.load import Load, Period
from meterseal_proto.rating.price import rate
from meterseal_proto.rating.tariff import FullTariff
from tests.support.devices import BEGAN_AT, GENESIS
from tests.support.neighbours import Neighbours, move_in
from tests.support.privatebills import PrivateHome, a_home
from tests.support.privateperiods import DAY_S, PIECES, answer, issued, work

END: Final = BEGAN_AT + DAY_S
"""The end of the day that is billed."""


def at(slot: int) -> int:
    """Return the start of a slot of the day."""
    return BEGAN_AT + slot * 900


@dataclass
class Buyer:
    """A private home beside a neighbour who sells; its device answers as it should."""

    home: PrivateHome
    street: Neighbours

    @property
    def usage(self) -> list[int]:
        """What the day's slots used, which its device alone knows."""
        return [one.value.reveal() for day in self.home.days for one in day.openings]

    async def request(self) -> NettingRequest | None:
        """Return what the device is asked to net of the day."""
        place = (self.home.device.register_id, BEGAN_AT, END)
        async with self.home.desk.database.reading() as tx:
            return await nettings.of_period(tx, GENESIS.network, place)

    async def asked(self) -> Netting:
        """Return what is asked, which must be."""
        found = await self.request()
        assert found is not None
        return found.asked

    def openings(self) -> dict[bytes, Sequence[Opening]]:
        """What opens each of its days."""
        return {day.digest: day.openings for day in self.home.days}

    def fits(self, asked: Netting) -> Netting:
        """Return the slots that used what is asked about."""
        days, values = [], self.openings()
        for day in asked.days:
            opened = values[day.header]
            slots = tuple(
                (place, wh)
                for place, wh in day.slots
                if opened[place].value.reveal() >= wh
            )
            if slots:
                days.append(replace(day, slots=slots))
        return replace(asked, days=tuple(days))

    def prove(self, netting: Netting) -> ProvedNetting:
        """Prove a netting as the device does."""
        bits = {day.digest: self.home.device.bits for day in self.home.days}
        return prove_netting(netting, self.openings(), bits, self.home.device.key)

    async def tell(self, proved: ProvedNetting, now: int = END) -> None:
        """Let an answer arrive."""
        await module.take(self.home.desk.database, proved, GENESIS, now)

    async def net(self) -> None:
        """Answer what is asked."""
        await self.tell(self.prove(self.fits(await self.asked())))

    async def opened(self, now: int = END) -> None:
        """Have the day asked for, opened, and asked about."""
        await work(self.home, now)
        await answer(self.home)
        await work(self.home, now)

    async def lines(self, now: int = END) -> list[Line]:
        """Bill, hold every audit, and return the lines of the one bill there is."""
        await work(self.home, now)
        ((_, statement),) = await issued(self.home)
        await self.well()
        return list(statement.lines)

    async def well(self) -> None:
        """Hold the audits of bills, of what is netted, and of the ledger."""
        async with self.home.desk.database.reading() as tx:
            found = [
                *await audit.findings(tx),
                *await check.findings(tx, GENESIS),
                *await ledger_check.findings(tx),
            ]
        assert [one for one in found if not one.ok] == []

    def open_lines(self, netted: dict[int, int]) -> list[Line]:
        """What an open home with the same usage and netting would be billed."""
        bought = [netted.get(slot, 0) for slot in range(len(self.usage))]
        load = Load(BEGAN_AT, 900, self.usage, bought=bought if any(bought) else ())
        period = Period.whole(BEGAN_AT, END)
        tariff = self.home.tariff
        return list(rate(tariff, load, period, local_of(tariff.zone)).lines)


@asynccontextmanager
async def a_buyer(folder: Path, tariff: FullTariff) -> AsyncIterator[Buyer]:
    """Open a home on the ledger's rail whose device told a day, beside a seller."""
    async with a_home(folder, PIECES, tariff) as home:
        async with home.desk.database.transaction() as tx:
            await tx.rows("DROP TRIGGER supplies_keep_their_terms")
            await tx.rows("UPDATE supplies SET rail = 'ledger'")
        yield Buyer(home, await move_in(home.desk.database, home.member))
