"""A device opens what a tariff in full is billed by: a period's total, or each period's, no finer."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from meterseal_agent.seal.opening import NotOpened, Openings
from meterseal_proto.rating.components import (
    Block,
    Calendar,
    Component,
    Levy,
    Milli,
    Per,
    PeriodPrice,
    Price,
    Proration,
    SignedPrice,
    Tier,
    TimeOfUse,
    Window,
)
from meterseal_proto.rating.hidden import plan_of
from meterseal_proto.rating.tariff import Commodity, FullTariff, Rule, Split
from meterseal_proto.units import IMPORT
from tests.support.boxes import KEYS
from tests.support.devices import BEGAN_AT, GENESIS
from tests.support.private_home import (
    DAY_S,
    METER,
    PrivateHome,
    midnight,
    readings,
)

USAGE = [1_007 + (n * 911) % 1_403 for n in range(501)]
FIRST = midnight(BEGAN_AT)
END = FIRST + 4 * DAY_S
LATE = BEGAN_AT + 10 * DAY_S
WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LEVY = Levy("fund", SignedPrice(1), Per.UNIT, Proration.DAYS)


def timed(begin: str, end: str) -> tuple[TimeOfUse, Calendar]:
    windows = (
        Window("peak", WEEK, begin, end),
        Window("rest", WEEK, "00:00", begin),
        Window("rest", WEEK, end, "24:00"),
    )
    prices = (PeriodPrice("peak", Price(3)), PeriodPrice("rest", Price(2)))
    return TimeOfUse("energy", "dn", prices), Calendar("dn", windows)


def full(*components: Component, calendars: tuple[Calendar, ...] = ()) -> FullTariff:
    return FullTariff(
        "home", "EUR", "Europe/Madrid", 0, Commodity.ELECTRICITY, components,
        Rule.HALF_UP, Split.PROPORTION, calendars=calendars,
    )  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> Iterator[PrivateHome]:
    """A home with accepted days."""
    with closing(PrivateHome(tmp_path / "home")) as made:
        made.live(USAGE[:-1], now=LATE)
        made.read(readings(USAGE)[-1:])
        yield made


def opened(home: PrivateHome, tariff: FullTariff) -> list[int]:
    """What the device opens of all that a tariff asks for."""
    links = {(METER, IMPORT): home.device.link}
    signer = Openings(home.outbox, KEYS, GENESIS.network, links)
    (chain,) = home.outbox.chains()
    amounts = []
    for one in plan_of(tariff).tariffs:
        home.outbox.learn_tariff(one.hash(), one.document(), now=BEGAN_AT)
        bill = signer.bill(chain, FIRST, END, one.hash())
        amounts.append(bill.statement.amount)
    return amounts


def test_tiers_are_billed_by_one_opened_total(home: PrivateHome) -> None:
    tiers = (Tier(Price(2), Milli(100_000)), Tier(Price(3)))
    (total,) = opened(home, full(Block("energy", tiers)))
    (same,) = opened(home, full(Block("energy", (Tier(Price(1)),))))
    assert total == same > 0


def test_totals_of_periods_are_openings_of_their_own_and_add_up(
    home: PrivateHome,
) -> None:
    energy, calendar = timed("08:00", "20:00")
    peak, rest = opened(home, full(energy, LEVY, calendars=(calendar,)))
    (total,) = opened(home, full(Block("energy", (Tier(Price(1)),))))
    assert (peak > 0, rest > 0, peak + rest) == (True, True, total)


def test_a_period_of_too_few_intervals_stays_closed(home: PrivateHome) -> None:
    energy, calendar = timed("08:00", "08:15")
    with pytest.raises(NotOpened, match="fewer than 24"):
        opened(home, full(energy, LEVY, calendars=(calendar,)))
    assert opened(home, full(Block("energy", (Tier(Price(1)),))))
