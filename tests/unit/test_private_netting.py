"""What neighbours sold to a private home: asked once, proved by its device, netted or left."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import pytest

from meterseal_aggregator.billing.private.model import FALLBACK_AFTER_S
from meterseal_aggregator.billing.private.netting import (
    LATE_WAIT_S,
    NOTHING,
    Netted,
    wanted,
    within,
)
from meterseal_aggregator.billing.private.store import Sealed
from meterseal_aggregator.billing.rendering import Kind, render
from meterseal_aggregator.billing.statements.gather import TRADES_WAIT_S
from meterseal_aggregator.billing.statements.netting import Pool
from meterseal_aggregator.billing.usage import Bought
from meterseal_proto import netting_message
from meterseal_proto.rating.components import Component, On, Price, Wheeling
from meterseal_proto.rating.line import Line, LineKind
from tests.support.devices import BEGAN_AT
from tests.support.privatebills import BLOCKS
from tests.support.privatebuyer import END, Buyer, a_buyer, at
from tests.support.privateperiods import (
    DAY_S,
    FUND,
    STANDING,
    TOU,
    answer,
    daily,
    issued,
    work,
)
from tests.support.renderings import request

LINES = Wheeling("lines", Price(50_000), On.BOUGHT)
FALLBACK_AT = END + 14 * DAY_S + FALLBACK_AFTER_S


class Opener(Protocol):
    """Opens a home that buys, with a tariff."""

    async def __call__(self, *components: Component) -> Buyer: ...


@pytest.fixture
async def opening(tmp_path: Path) -> AsyncIterator[Opener]:
    """Give what opens a home that buys of its neighbours."""
    async with AsyncExitStack() as stack:

        async def open_(*components: Component) -> Buyer:
            tariff = daily(*components, total_rounding=None)
            return await stack.enter_async_context(a_buyer(tmp_path, tariff))

        yield open_


def of_kind(lines: list[Line], *kinds: LineKind) -> list[Line]:
    return [line for line in lines if line.kind in kinds]


@pytest.mark.parametrize(
    "components",
    [(BLOCKS, STANDING, LINES), (TOU, FUND, LINES), (TOU, STANDING, LINES)],
    ids=["total", "classes", "amount"],
)
async def test_a_bill_nets_line_by_line_what_an_open_home_would_net(
    opening: Opener, components: tuple[Component, ...]
) -> None:
    home = await opening(*components)
    # Slot 1 used 401, slot 30 as much as slot 6, 2,406; slot 0 used nothing.
    for slot, wh in ((0, 100), (1, 401), (2, 900), (30, 2_000)):
        await home.street.deliver(at(slot), wh)
    await home.opened()
    await home.net()
    lines = await home.lines()
    expected = home.open_lines({1: 401, 30: 2_000})
    assert of_kind(lines, LineKind.TRADED) == of_kind(expected, LineKind.TRADED)
    others = (LineKind.WHEELING, LineKind.LEVY, LineKind.FIXED)
    assert of_kind(lines, *others) == of_kind(expected, *others)
    energy = [of_kind(found, LineKind.ENERGY) for found in (lines, expected)]
    sums = [sum(line.exact for line in found) for found in energy]
    assert sums[0] == sums[1] > 0
    assert len(components) == 3
    if components[0] is BLOCKS:
        assert energy[0] == energy[1]
    # What a slot did not use stays the member's, whole.
    assert await home.street.held() == (1_000, 2_401)
    rows = await home.home.desk.rows("SELECT start, length, wh FROM netted_slots")
    assert rows == [(at(1), 900, 401), (at(30), 900, 2_000)]


async def test_the_page_shows_what_neighbours_sold_and_never_what_was_used(
    opening: Opener,
) -> None:
    home = await opening(TOU, STANDING, LINES)
    await home.street.deliver(at(1), 401)
    await home.opened()
    await home.net()
    await home.lines()
    ((row, statement),) = await issued(home.home)
    (traded,) = of_kind(list(statement.lines), LineKind.TRADED)
    assert (traded.quantity, traded.amount) == (Fraction(401, 1_000), 0)
    page = render(Kind.HTML, request(statement=statement)).decode()
    assert "Bought from neighbours" in page
    assert "0.401" in page
    assert "Private readings are shown to nobody" in page
    used = str(sum(home.usage)).encode()
    assert used not in row.document + page.encode()


async def test_nothing_is_asked_of_a_home_that_bought_nothing(opening: Opener) -> None:
    home = await opening(BLOCKS, STANDING)
    await home.opened()
    lines = await home.lines()
    assert of_kind(lines, LineKind.TRADED) == []
    assert await home.request() is None


async def test_a_bill_waits_for_its_device_until_the_fallbacks_time_and_then_nets_nothing(
    opening: Opener,
) -> None:
    home = await opening(BLOCKS, STANDING)
    await home.street.deliver(at(1), 300)
    await home.opened()
    await work(home.home, FALLBACK_AT - 1)
    assert await issued(home.home) == []
    lines = await home.lines(FALLBACK_AT)
    assert of_kind(lines, LineKind.TRADED) == []
    assert await home.street.held() == (300, 0)
    # An answer that comes later is kept, and changes nothing.
    await home.net()
    await work(home.home, FALLBACK_AT + 60)
    assert len(await issued(home.home)) == 1
    await home.well()


async def test_a_bill_waits_for_sellers_meters_as_an_open_homes_does(
    opening: Opener,
) -> None:
    home = await opening(BLOCKS, STANDING)
    await home.street.deliver(at(1), 300)
    await home.street.promise(at(2), 500)
    await home.opened()
    assert await home.request() is None
    rows = await home.home.desk.rows("SELECT cause FROM bill_waits")
    assert rows == [("trades-open",)]
    await work(home.home, END + TRADES_WAIT_S - 1)
    assert await home.request() is None
    await work(home.home, END + TRADES_WAIT_S + 3_600)
    assert list((await home.asked()).slots()) == [(at(1), 300)]


async def test_a_device_is_asked_once_whatever_is_settled_later(
    opening: Opener,
) -> None:
    home = await opening(BLOCKS, STANDING)
    await home.street.deliver(at(1), 300)
    await home.opened()
    asked = await home.asked()
    await home.street.deliver(at(2), 400)
    await work(home.home, END + 7_200)
    assert await home.asked() == asked
    await home.net()
    lines = await home.lines(END + 7_200)
    (traded,) = of_kind(lines, LineKind.TRADED)
    assert traded.quantity == Fraction(3, 10)
    assert await home.home.desk.count("netting_requests") == 1


async def test_what_was_sold_on_meanwhile_is_not_netted_in_part(
    opening: Opener,
) -> None:
    home = await opening(BLOCKS, STANDING)
    await home.street.deliver(at(1), 300)
    await home.street.deliver(at(2), 400)
    await home.opened()
    await home.street.sell_on(1)
    await home.net()
    lines = await home.lines()
    assert of_kind(lines, LineKind.TRADED) == []
    assert await home.street.held() == (699, 0)


async def test_no_more_is_asked_about_than_the_member_holds(opening: Opener) -> None:
    home = await opening(BLOCKS, STANDING)
    await home.street.deliver(at(1), 300)
    await home.street.deliver(at(2), 400)
    await home.street.sell_on(350)
    await home.opened()
    assert list((await home.asked()).slots()) == [(at(1), 300), (at(2), 50)]


async def test_what_one_answer_has_no_room_for_is_not_asked_about(
    opening: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = await opening(BLOCKS, STANDING)
    await home.street.deliver(at(1), 300)
    await home.street.deliver(at(30), 400)
    monkeypatch.setattr(netting_message, "MAX_MESSAGE_BYTES", 1_000)
    await home.opened()
    assert list((await home.asked()).slots()) == [(at(1), 300)]
    await home.net()
    (traded,) = of_kind(await home.lines(), LineKind.TRADED)
    assert traded.quantity == Fraction(3, 10)


def test_what_another_supply_of_the_member_netted_is_not_netted_again() -> None:
    proved = Netted(((at(1), 300),), (Bought(at(1), 900, 300),))
    whole, part = Bought(at(1), 900, 300), Bought(at(1), 900, 299)
    assert within(proved, Pool(slots={7: [whole]}, held={7: 300}), 7) == proved
    assert within(proved, Pool(slots={7: [part]}, held={7: 300}), 7) == NOTHING
    assert within(proved, Pool(slots={7: [whole]}, held={7: 299}), 7) == NOTHING
    assert within(proved, Pool(held={7: 300}), 7) == NOTHING


async def test_a_fallback_nets_nothing_and_its_correction_what_the_device_proves(
    opening: Opener,
) -> None:
    home = await opening(BLOCKS, STANDING, LINES)
    await home.street.deliver(at(1), 300)
    await work(home.home, END)
    await work(home.home, FALLBACK_AT)
    ((_, guess),) = await issued(home.home)
    assert of_kind(list(guess.lines), LineKind.TRADED) == []
    await answer(home.home)
    await work(home.home, FALLBACK_AT + 60)
    assert len(await issued(home.home)) == 1
    await home.net()
    await work(home.home, FALLBACK_AT + 120)
    *_, (_, statement) = await issued(home.home)
    assert list(statement.lines) == home.open_lines({1: 300})
    assert await home.street.held() == (0, 300)
    await home.well()


async def test_a_correction_does_not_wait_for_ever_either(opening: Opener) -> None:
    home = await opening(BLOCKS, STANDING)
    await home.street.deliver(at(1), 300)
    await work(home.home, END)
    await work(home.home, FALLBACK_AT)
    await answer(home.home)
    await work(home.home, FALLBACK_AT + 60)
    # The next day, of which nothing was told, has its own fallback meanwhile.
    await work(home.home, FALLBACK_AT + 60 + LATE_WAIT_S - 1)
    rows = await issued(home.home)
    assert [row.begin for row, _ in rows] == [BEGAN_AT, END]
    await work(home.home, FALLBACK_AT + 60 + LATE_WAIT_S)
    *_, (row, statement) = await issued(home.home)
    assert (row.begin, row.replaces) == (BEGAN_AT, rows[0][0].id)
    assert of_kind(list(statement.lines), LineKind.TRADED) == []
    await home.well()


def test_a_markets_slot_is_shared_evenly_among_the_registers() -> None:
    days = [Sealed(5, bytes(32), at(0), 900, 24, 16)]
    hour = Bought(at(4), 3_600, 1_002)
    found = wanted([hour], 5_000, days)
    assert [(one.place, one.wh) for one in found] == [
        (4, 251),
        (5, 251),
        (6, 250),
        (7, 250),
    ]
    assert {(one.seal, one.start, one.length) for one in found} == {(5, at(4), 3_600)}
    assert [one.wh for one in wanted([hour], 3, days)] == [1, 1, 1]
    # One that no day covers, or that is shorter than the register's, stays the member's.
    assert wanted([Bought(at(24), 900, 10)], 5_000, days) == []
    hours = [replace(days[0], step=3_600)]
    assert wanted([Bought(at(4), 900, 10)], 5_000, hours) == []
    # A later order of the same slot in another market's length is not asked about twice.
    twice = wanted([Bought(at(4), 900, 10), hour], 5_000, days)
    assert next((one.place, one.wh) for one in twice) == (4, 10)
