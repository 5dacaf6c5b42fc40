"""A preview by a tariff that takes long to rate holds up nobody else."""

import asyncio
import time
from dataclasses import replace
from pathlib import Path

from meterseal_aggregator.billing.statements import single
from meterseal_proto.rating.components import (
    Calendar,
    PeriodPrice,
    Price,
    TimeOfUse,
    Window,
)
from tests.support.billinghouse import DAY, JUNE, MAY, NETWORK, a_tariff, a_utility

CALENDARS = 24
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _calendar(number: int) -> Calendar:
    """A calendar that changes each hour, unlike all others."""
    names = ("day", "night")
    windows = tuple(
        Window(
            names[(hour + (number >> hour % 8)) % 2],
            DAYS,
            f"{hour:02}:00",
            f"{hour + 1:02}:00",
        )
        for hour in range(24)
    )
    return Calendar(f"c{number}", windows)


async def test_the_loop_goes_on_while_a_bill_is_rated_for_a_look(
    tmp_path: Path,
) -> None:
    prices = (PeriodPrice("day", Price(3)), PeriodPrice("night", Price(2)))
    heavy = replace(
        a_tariff(*(TimeOfUse(f"e{n}", f"c{n}", prices) for n in range(CALENDARS))),
        calendars=tuple(map(_calendar, range(CALENDARS))),
    )
    async with a_utility(tmp_path, heavy) as utility:
        home = await utility.supply("Ada")
        await utility.use(home, MAY, JUNE)
        gaps: list[float] = []

        async def tick() -> None:
            last = time.perf_counter()
            while True:
                await asyncio.sleep(0)
                gaps.append(time.perf_counter() - last)
                last += gaps[-1]

        ticking = asyncio.create_task(tick())
        await asyncio.sleep(0)
        begin = time.perf_counter()
        async with utility.database.reading() as tx:
            made = await single.preview(tx, NETWORK, home.supply, now=JUNE + DAY)
        whole = time.perf_counter() - begin
        ticking.cancel()
    assert made.amount > 0
    assert max(gaps) < whole / 3, f"{max(gaps):.3f} s of {whole:.3f} s"
