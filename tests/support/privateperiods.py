"""Private homes that are billed by the day: tariffs, the duty, and devices that answer.

await work(home, BEGAN_AT + DAY_S)      # the duty asks
await answer(home)                      # the device opens what it is asked for
"""

from dataclasses import replace

from meterseal_aggregator.billing.model import BillRow
from meterseal_aggregator.billing.private import duty
from meterseal_aggregator.billing.statements import store as bills
from meterseal_aggregator.privacy import bills as private
from meterseal_aggregator.privacy import tariffs
from meterseal_proto.rating.components import (
    Base,
    Calendar,
    Component,
    Fixed,
    Levy,
    Minor,
    Per,
    PeriodPrice,
    Price,
    Proration,
    Share,
    ShareKind,
    SignedPrice,
    TimeOfUse,
    Window,
)
from meterseal_proto.rating.statement import Statement
from meterseal_proto.rating.statement_json import read_statement
from meterseal_proto.rating.tariff import (
    Commodity,
    Cycle,
    FullTariff,
    Rule,
    Split,
    TotalOf,
    TotalRounding,
)
from tests.support.committed import bill_over
from tests.support.devices import GENESIS
from tests.support.privatebills import PrivateHome

ZONE = "Etc/GMT-2"
"""Where the device's first second is a midnight."""
DAY_S = 86_400
PIECES = 4
"""Seals that fill a day."""
STANDING = Fixed("standing", Price(250_000), Per.DAY, Proration.DAYS)
VAT = Share("vat", ShareKind.TAX, Price(190_000), Base.ROUNDED, ("energy", "standing"))
WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
CALENDAR = Calendar(
    "dn",
    (
        Window("day", WEEK, "06:00", "18:00"),
        Window("night", WEEK, "00:00", "06:00"),
        Window("night", WEEK, "18:00", "24:00"),
    ),
)
TOU = TimeOfUse(
    "energy",
    "dn",
    (PeriodPrice("day", Price(310_000)), PeriodPrice("night", Price(190_000))),
)
FUND = Levy("fund", SignedPrice(7_000), Per.UNIT, Proration.DAYS)


def daily(*components: Component, **change: object) -> FullTariff:
    """A tariff billed day by day, in cents, with cash rounded to five."""
    timed = any(hasattr(one, "calendar") for one in components)
    tariff = FullTariff(
        "home", "EUR", ZONE, 0, Commodity.ELECTRICITY, components, Rule.HALF_UP,
        Split.PROPORTION, cycle=Cycle.DAY, calendars=(CALENDAR,) if timed else (),
        total_rounding=TotalRounding(Minor(5), Rule.HALF_UP, TotalOf.LINES),
    )  # fmt: skip
    return replace(tariff, **change)  # type: ignore[arg-type]


async def work(home: PrivateHome, now: int) -> int:
    """Run the duty at a second until it is idle; returns how much it did."""
    done = 0
    while more := await duty.run_once(home.desk.database, GENESIS.network, now):
        done += more
    return done


async def answer(home: PrivateHome) -> int:
    """Let the device open all that it is asked for; returns how much that was."""
    rows = await home.desk.rows(
        "SELECT from_at, to_at, tariff FROM bill_requests WHERE bill_id IS NULL ORDER BY id"
    )
    told = 0
    for begin, end, name in rows:
        days = [
            day
            for day in home.days
            if begin <= day.seal.header.first and day.seal.header.end <= end
        ]
        if not days:
            continue
        told += 1
        async with home.desk.database.reading() as tx:
            tariff = await tariffs.tariff_named(tx, name)
            before = await private.of_register(tx, home.device.register_id, GENESIS)
        assert tariff is not None
        same = [one for one in before if one.bill.statement.begin == begin]
        change: dict[str, object] = {"revision": len(same)}
        if before:
            change["previous"] = before[-1].bill.statement.digest()
        signed = bill_over(home.device, days, tariff, **change)
        await private.take(home.desk.database, signed, GENESIS, end)
    return told


async def issued(home: PrivateHome) -> list[tuple[BillRow, Statement]]:
    """Return all bills and credit notes with their documents."""
    async with home.desk.database.reading() as tx:
        rows = await bills.bills(tx, limit=100)
    return [(row, read_statement(row.document)) for row in rows]
