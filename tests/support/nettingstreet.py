"""A street with a seller and a buyer who is supplied by the day, with a meter of import.

async with a_street(folder) as street:
    await street.world.sell(street.ada, 0, 500)         # a trade of slot 0
    await street.used(300)                              # what her meter says of it
    (bill,) = await street.bill()                       # billed, corrected, audited
"""

from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from meterseal_aggregator.billing.model import BillRow
from meterseal_aggregator.billing.statements import affected, audit, duty, store
from meterseal_aggregator.billing.supplies.model import NewSupply, Terms
from meterseal_aggregator.billing.supplies.store import begin
from meterseal_aggregator.billing.tariffs.store import publish
from meterseal_aggregator.credits import audit as credit_audit
from meterseal_aggregator.identity.model import MemberId
from meterseal_proto.rating.components import Export, Flat, Netting, Price, Wheeling
from meterseal_proto.rating.line import LineKind
from meterseal_proto.rating.statement_json import read_statement
from meterseal_proto.rating.tariff import Commodity, Cycle, FullTariff, Rule, Split
from meterseal_proto.units import IMPORT, Quality
from tests.support.billinghouse import (
    DAY,
    HOUR,
    MOST_ROUNDS,
    NETWORK,
    add_meter,
    pack,
)
from tests.support.marketplace import make_point
from tests.support.migrated import open_migrated
from tests.support.settling import World, a_world
from tests.support.street import BEGIN

NOW = BEGIN + DAY + 6 * HOUR
TARIFF = FullTariff(
    "daily", "XTS", "UTC", BEGIN, Commodity.ELECTRICITY,
    (
        Flat("energy", Price(300_000)),
        Wheeling("lines", Price(50_000)),
        Export("feed-in", Netting.REGISTER, Price(80_000)),
    ),
    Rule.HALF_EVEN, Split.PROPORTION, minor=6, cycle=Cycle.DAY,
)  # fmt: skip


@dataclass
class Street:
    """A seller and a buyer who is supplied by the tariff, with a meter of import."""

    world: World
    ada: int
    supply: int
    register: int

    async def used(self, *wh: int, known_at: int = BEGIN + DAY + HOUR) -> None:
        """Let the buyer's first slots of the day be known, and the others as nothing."""
        row = array("I", [*wh, *[0] * (96 - len(wh))])
        day = (BEGIN // DAY, (BEGIN, 900, row, bytes([Quality.VALIDATED]) * 96))
        async with self.world.database.transaction() as tx:
            await pack(tx, self.register, *day, known_at)

    async def bill(self, now: int = NOW) -> list[BillRow]:
        """Bill and correct all there is; returns all bills."""
        while await duty.run_once(self.world.database, NETWORK, now):
            pass
        rounds = 0
        while await affected.run_once(self.world.database, NETWORK, now):
            rounds += 1
            assert rounds < MOST_ROUNDS
        async with self.world.database.reading() as tx:
            found = await audit.findings(tx) + await credit_audit.findings(tx)
            assert [one for one in found if not one.ok] == []
            return await store.bills(tx, limit=100)


@asynccontextmanager
async def a_street(folder: Path) -> AsyncIterator[Street]:
    """Open a street whose buyer Ada is supplied from BEGIN on."""
    database = await open_migrated(folder / "street.sqlite")
    world = await a_world(database)
    ada = world.buyers[0]
    async with database.transaction() as tx:
        await publish(tx, TARIFF.document(), now=BEGIN)
        point = await make_point(tx, ada)
        rows = await add_meter(tx, point, (IMPORT,), from_at=BEGIN)
        made = await begin(tx, NewSupply(MemberId(ada), point, Terms("daily"), BEGIN))
    yield Street(world, ada, made.id, rows[IMPORT])
    await database.close()


def figures(bill: BillRow) -> dict[str, Fraction | None]:
    """What of each line was charged for, in kWh."""
    return {
        line.component: line.quantity
        for line in read_statement(bill.document).lines
        if line.kind not in (LineKind.EXPORT, LineKind.TRADED)
    }
