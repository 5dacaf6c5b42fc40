import asyncio
from collections import Counter
from functools import partial
from itertools import pairwise

import pytest

from meterseal_agent.meters.bus import Bus, Clocks, Station
from meterseal_agent.meters.registers import Sample
from meterseal_agent.meters.schedule import (
    BACKOFF_CAP_S,
    DEAD_LINE_CAP_S,
    STARVED_S,
    Round,
    Turn,
)
from meterseal_proto.units import MeterId
from tests.support.fake_meters import FakeMeter
from tests.support.virtual_time import VirtualTime

T0 = 1_790_000_000
ANSWER_S, TIMEOUT_S, HOUR_S = 0.15, 0.8, 3600


def meter_id(i: int) -> MeterId:
    return MeterId(bytes([i]) * 16)


class Street:
    """Fake meters on one line with a virtual clock, and the samples they gave."""

    def __init__(self, meters: int, dead: int, period_s: float = 10.0) -> None:
        self.time = VirtualTime()
        self.samples: dict[MeterId, list[int]] = {}
        self.meters = {meter_id(i): self.meter(silent=i < dead) for i in range(meters)}
        clocks = Clocks(lambda: T0 + self.time.now, self.time.read, self.time.sleep)
        self.bus = Bus(
            [
                Station(m, port, "line", period_s, TIMEOUT_S)
                for m, port in self.meters.items()
            ],
            clocks,
        )

    def meter(self, *, silent: bool) -> FakeMeter:
        async def delay() -> None:
            await self.time.sleep(TIMEOUT_S if meter.silent else ANSWER_S)

        meter = FakeMeter(delay)
        meter.silent = silent
        return meter

    async def deliver(self, meter: MeterId, sample: Sample) -> None:
        self.samples.setdefault(meter, []).append(sample.at - T0)

    async def run(self, span_s: float) -> None:
        await self.time.run(self.bus.run(self.deliver), span_s)


async def test_every_meter_is_read_at_its_own_rate() -> None:
    street = Street(meters=20, dead=0)
    await street.run(HOUR_S)
    assert {len(times) for times in street.samples.values()} == {360}


async def test_with_a_quarter_dead_the_living_lose_less_than_one_sample_in_twenty() -> (
    None
):
    street = Street(meters=20, dead=5)
    await street.run(HOUR_S)
    living = [street.samples[meter_id(i)] for i in range(5, 20)]
    assert len(living) == 15
    lost = 1 - sum(map(len, living)) / (15 * HOUR_S / 10)
    assert lost < 0.05
    longest = max(b - a for times in living for a, b in pairwise(times))
    assert longest <= 1.5 * 10


async def test_a_full_line_with_a_quarter_dead_still_serves_the_living() -> None:
    # 60 living meters of 0.15 s fill 9 of every 10 seconds; one timeout does not fit
    # beside them for long, and 20 dead units wait.
    street = Street(meters=80, dead=20)
    await street.run(HOUR_S)
    served = sum(len(street.samples[meter_id(i)]) for i in range(20, 80))
    assert 1 - served / (60 * HOUR_S / 10) < 0.05
    tried = [street.meters[meter_id(i)].asked for i in range(20)]
    assert min(tried) > 1


async def test_a_dead_unit_backs_off_to_its_cap_and_comes_back_to_its_rate() -> None:
    street = Street(meters=2, dead=1)
    await street.run(HOUR_S)
    asked = street.meters[meter_id(0)].asked
    assert HOUR_S / BACKOFF_CAP_S <= asked <= HOUR_S / BACKOFF_CAP_S + 6
    assert street.bus.health()[meter_id(0)].failures == asked
    assert "silent" in street.bus.health()[meter_id(0)].trouble
    street.meters[meter_id(0)].silent = False
    street.samples.clear()
    await street.run(HOUR_S)
    assert len(street.samples[meter_id(0)]) >= (HOUR_S - BACKOFF_CAP_S) / 10 - 1
    health = street.bus.health()[meter_id(0)]
    assert (health.failures, health.trouble, health.missed) == (0, "", asked)


async def test_lines_do_not_wait_for_each_other() -> None:
    time = VirtualTime()
    counts: Counter[MeterId] = Counter()

    async def deliver(meter: MeterId, _: Sample) -> None:
        counts[meter] += 1

    slow, quick = (
        FakeMeter(partial(time.sleep, 9.0)),
        FakeMeter(partial(time.sleep, 0.1)),
    )
    stations = [
        Station(meter_id(0), slow, "a", 10.0, 10.0),
        Station(meter_id(1), quick, "b", 1.0, 1.0),
    ]
    bus = Bus(stations, Clocks(time.read, time.read, time.sleep))
    await time.run(bus.run(deliver), 100.0)
    assert (counts[meter_id(0)], counts[meter_id(1)]) == (10, 100)


async def test_a_sample_carries_the_time_it_was_asked_for() -> None:
    street = Street(meters=1, dead=0)
    await street.run(25)
    assert street.samples[meter_id(0)] == [0, 10, 20]


async def test_a_bug_is_not_mistaken_for_a_dead_unit() -> None:
    async def broken(meter: MeterId, sample: Sample) -> None:
        raise ZeroDivisionError

    street = Street(meters=1, dead=0)
    with pytest.raises(ExceptionGroup):
        await street.time.run(street.bus.run(broken), 30)


def test_two_stations_cannot_be_one_meter() -> None:
    station = Station(meter_id(0), FakeMeter(), "a", 10.0, 1.0)
    with pytest.raises(ValueError, match="its own"):
        Bus([station, station], Clocks(lambda: 0, lambda: 0, asyncio.sleep))


def turns(*periods: float) -> list[Turn]:
    return [Turn(meter_id(i), period, TIMEOUT_S) for i, period in enumerate(periods)]


def test_first_turns_are_spread_over_the_period() -> None:
    order = Round(turns(10, 10), 100.0)
    assert order.next(100.0) == (meter_id(0), 100.0)
    order.answered(meter_id(0), 100.2)
    assert order.next(100.2) == (None, 105.0)
    assert order.next(105.0) == (meter_id(1), 105.0)


def test_a_missed_turn_is_not_made_up_for_and_the_raster_is_kept() -> None:
    order = Round(turns(10), 0.0)
    order.answered(meter_id(0), 34.0)
    assert order.next(34.0) == (None, 40.0)
    order.answered(meter_id(0), 40.0)
    assert order.next(41.0) == (None, 50.0)


def test_a_dead_unit_is_tried_only_where_its_timeout_fits_or_it_has_starved() -> None:
    order = Round([Turn(meter_id(0), 1.0, 0.8), Turn(meter_id(1), 1.0, 0.8)], 0.0)
    order.failed(meter_id(1), 0.0)
    for second in range(61):
        assert order.next(float(second)) == (meter_id(0), float(second))
        order.answered(meter_id(0), second + 0.5)
        chosen, _ = order.next(second + 0.5)
        assert chosen == (meter_id(1) if second + 0.5 >= 1.0 + STARVED_S else None)
    order.answered(meter_id(0), 61.0)
    assert order.next(61.5)[0] == meter_id(1)


def waits_of(order: Round, cost_s: float) -> list[float]:
    """Return how long the first meter waits after each of eight failures."""
    waits, now = [], 0.0
    for _ in range(8):
        order.failed(meter_id(0), now, cost_s)
        _, at = order.next(now)
        waits.append(at - now)
        now = at
    return waits


def test_failures_double_the_wait_up_to_the_cap() -> None:
    with_a_living_one = Round(turns(10, 10_000), 0.0)
    waits = waits_of(with_a_living_one, TIMEOUT_S)
    assert waits == [10, 20, 40, 80, 160, 300, 300, 300]


def test_on_a_line_where_nobody_lives_nobody_waits_longer_than_a_minute() -> None:
    alone = Round(turns(10), 0.0)
    waits = waits_of(alone, TIMEOUT_S)
    assert waits == [10, 20, 40, *5 * [DEAD_LINE_CAP_S]]


def test_what_costs_the_line_nothing_is_tried_at_the_meters_own_rate() -> None:
    assert waits_of(Round(turns(10, 10_000), 0.0), 0.001) == 8 * [10]


def test_where_one_comes_back_the_others_of_its_line_are_tried() -> None:
    order = Round(turns(10, 10, 10), 0.0)
    for _ in range(6):
        for i in range(3):
            order.failed(meter_id(i), 100.0)
    chosen, _ = order.next(160.0)
    assert chosen is not None
    order.answered(chosen, 160.2)
    tried = {chosen}
    for now in (160.2, 161.0):
        other, _ = order.next(now)
        assert other is not None
        order.failed(other, now + 0.8)
        tried.add(other)
    assert tried == {meter_id(i) for i in range(3)}
    assert order.next(162.0) == (None, 170.2)


class Lively:
    """A bus of virtual time whose stations a test replaces while it runs."""

    def __init__(self, *stations: Station) -> None:
        self.time = VirtualTime()
        self.samples: dict[MeterId, list[float]] = {}
        self.bus = Bus(
            stations, Clocks(self.time.read, self.time.read, self.time.sleep)
        )

    async def deliver(self, meter: MeterId, _: Sample) -> None:
        self.samples.setdefault(meter, []).append(self.time.now)

    async def run(self, span_s: float, *changes: tuple[float, list[Station]]) -> None:
        """Run for `span_s`, replacing the stations at the seconds given."""

        async def change() -> None:
            for at, stations in changes:
                await self.time.sleep(at - self.time.now)
                await self.bus.replace(stations)

        async def both() -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.bus.run(self.deliver))
                group.create_task(change())

        await self.time.run(both(), span_s)


def station(i: int, line: str = "a") -> Station:
    return Station(meter_id(i), FakeMeter(), line, 10.0, 1.0)


async def test_a_station_that_stays_loses_no_reading_and_keeps_its_raster() -> None:
    one, two, three = station(1), station(2), station(3, "b")
    street = Lively(one, two, three)
    await street.run(100, (33, [one, three]), (57, [one, two, three]))
    assert street.samples[meter_id(1)] == [*range(0, 100, 10), 100]
    assert street.samples[meter_id(3)] == [*range(0, 100, 10), 100]
    assert street.samples[meter_id(2)] == [5, 15, 25, 57, 67, 77, 87, 97]
    assert street.bus.health()[meter_id(1)].answers == 11


async def test_a_station_that_is_changed_begins_anew_by_its_new_period() -> None:
    slow = station(1)
    quick = Station(slow.meter, slow.port, slow.line, 5.0, 1.0)
    street = Lively(slow)
    await street.run(40, (22, [quick]))
    assert street.samples[meter_id(1)] == [0, 10, 20, 22, 27, 32, 37]


async def test_a_line_that_goes_is_let_go_of_when_its_reading_has_ended() -> None:
    time = VirtualTime()
    heard: list[str] = []

    async def slow() -> None:
        heard.append("asked")
        await time.sleep(8)
        heard.append("answered")

    old = Station(meter_id(1), FakeMeter(slow), "a", 10.0, 10.0)
    new = Station(meter_id(1), FakeMeter(), "a", 10.0, 1.0)
    bus = Bus([old], Clocks(time.read, time.read, time.sleep))

    async def deliver(_: MeterId, sample: Sample) -> None:
        heard.append(f"sample {sample.at} at {time.now:.0f}")

    async def both() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(bus.run(deliver))
            await time.sleep(3)
            await bus.replace([new], lambda: heard.append("let go"))

    await time.run(both(), 10)
    assert heard == [*("asked", "answered", "sample 0 at 8", "let go", "sample 8 at 8")]


async def test_replacing_by_two_stations_of_one_meter_changes_nothing() -> None:
    one = station(1)
    street = Lively(one)
    with pytest.raises(ValueError, match="its own"):
        await street.bus.replace([one, one])
    assert list(street.bus.health()) == [meter_id(1)]
