"""What the bench's gateway bus counts as a sample, a loss and a gap."""

import pytest

from bench.gateway_bus import Count, CountingBus, Units, longest_gap_s, lost, rate
from meterseal_sim.faults import Fault, Kind
from meterseal_sim.street import Plan, build

START = 1_782_864_000
UNITS = Units(2, frozenset({2}), frozenset({0, 2}))


def read(address: int, count: int) -> bytes:
    return b"\x04" + address.to_bytes(2) + count.to_bytes(2)


def bus() -> CountingBus:
    silent = (Fault(2, Kind.SILENCE, 0),)
    plan = Plan(2, seed=1, start=START, days=1, model="eastron-sdm630", faults=silent)
    homes = {home.number: home for home in build(plan).homes}
    return CountingBus(homes, lambda: START, UNITS)


def test_a_sample_is_every_value_answered_since_the_last_one() -> None:
    counting = bus()
    counting.ask(1, read(0, 2))
    counting.ask(1, read(0, 2))
    assert counting.counts[1].times == []
    counting.ask(1, read(2, 2))
    counting.ask(1, read(0, 4))
    assert len(counting.counts[1].times) == 2


def test_what_a_dead_unit_is_asked_and_what_is_refused_is_no_sample() -> None:
    counting = bus()
    counting.ask(2, read(0, 4))
    counting.ask(1, read(5000, 4))
    assert not counting.counts[2].times
    assert counting.counts[1] == Count(UNITS.addresses)


def test_loss_rate_and_gap_are_of_the_living_within_the_span() -> None:
    samples = {1: [1.0, 9.5, 10.5, 13.5, 99.0], 2: []}
    span = (9.0, 14.0)
    assert rate(samples, UNITS, span) == pytest.approx(3 / 5)
    assert lost(samples, UNITS, span) == pytest.approx(2 / 5)
    assert longest_gap_s(samples, UNITS, span) == pytest.approx(3.0)
    assert longest_gap_s({1: [], 2: []}, UNITS, span) == pytest.approx(5.0)
