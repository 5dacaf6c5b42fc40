"""A tariff that asks for more than can be spelled or counted bills nobody, and stops nobody."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from meterseal_proto.rating.components import (
    Base,
    Component,
    Fixed,
    Flat,
    Per,
    Price,
    Proration,
    Share,
    ShareKind,
)
from meterseal_proto.rating.statement_json import read_statement
from tests.support.billinghouse import DAY, JUNE, MAY, Utility, a_tariff, a_utility

UGLY = Price(123_456_789_012_345_679)


def shares_of_shares(depth: int) -> tuple[Component, ...]:
    """Return taxes of taxes of an amount, each rate of 18 digits."""
    fixed = Fixed("meter", Price(UGLY + 8), Per.MONTH, Proration.DAYS)
    found: list[Component] = [Flat("energy", UGLY), fixed]
    of: tuple[str, ...] = ("energy", "meter")
    for n in range(depth):
        found.append(Share(f"tax-{n}", ShareKind.TAX, UGLY, Base.EXACT, of))
        of = (f"tax-{n}",)
    return tuple(found)


DEEP = replace(
    a_tariff(), id="deep", digits=18, calendars=(), components=shares_of_shares(6)
)
SHALLOW = replace(DEEP, id="shallow", components=shares_of_shares(2))
DEAR = replace(
    a_tariff(), id="dear", calendars=(), components=(Flat("energy", Price(10**30)),)
)


@pytest.fixture
async def utility(tmp_path: Path) -> AsyncIterator[Utility]:
    async with a_utility(tmp_path, a_tariff(), DEEP, SHALLOW, DEAR) as found:
        yield found


@pytest.mark.parametrize("code", ["deep", "dear"])
async def test_who_is_billed_by_such_a_tariff_waits_and_his_neighbour_is_billed(
    utility: Utility, code: str
) -> None:
    ada = await utility.supply("Ada", code=code)
    bo = await utility.supply("Bo")
    for home in (ada, bo):
        await utility.use(home, MAY, JUNE, 250)
    (bill,) = await utility.bill(now=JUNE + DAY)
    assert bill.member == bo.member
    ((_, cause, _),) = await utility.waits()
    assert cause == "unrateable"


async def test_every_bill_that_is_issued_is_read_again(utility: Utility) -> None:
    home = await utility.supply("Ada", code="shallow")
    await utility.use(home, MAY, JUNE, 250)
    (bill,) = await utility.bill(now=JUNE + DAY)
    assert read_statement(bill.document).total > 0
