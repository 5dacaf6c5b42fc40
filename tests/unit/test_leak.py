"""A leak is water in every hour of a week; a night without a litre is none."""

import pytest

from meterseal_aggregator.intake.store import Reading
from meterseal_aggregator.vee.leak import LEAK_S, running_since, suspected
from tests.support.real_registers import water_year

LEAK_WINDOW = 9 * 24
BEGAN = 1_700_000_000 - 1_700_000_000 % 86_400


def flow(*deltas: int, step: int = 3_600, begin: int = BEGAN) -> list[Reading]:
    return [
        Reading(1, begin + n * step, step, 0, delta, 0, 14, 1)
        for n, delta in enumerate(deltas)
    ]


def test_a_run_begins_after_the_last_quiet_hour() -> None:
    assert running_since(flow(5, 0, 3, 1)) == BEGAN + 2 * 3_600
    assert running_since(flow(5, 0, 3, 0)) is None
    assert running_since([]) is None


def test_quarters_make_a_quiet_hour_only_together() -> None:
    assert running_since(flow(0, 0, 1, 0, 0, 2, 0, 0, step=900)) == BEGAN
    assert running_since(flow(1, 0, 0, 0, 0, 0, 0, 0, step=900)) is None


def test_what_nobody_saw_may_have_been_quiet() -> None:
    gap = flow(4, 4) + flow(4, 4, begin=BEGAN + 5 * 3_600)
    assert running_since(gap) == BEGAN + 5 * 3_600
    long = [*flow(4), Reading(1, BEGAN + 3_600, 7_200, 0, 9, 0, 10, 1)]
    assert running_since([*long, *flow(4, begin=BEGAN + 10_800)]) == BEGAN + 10_800


@pytest.mark.parametrize("short_s", [1, 3_600])
def test_a_week_is_suspected_and_less_is_not(short_s: int) -> None:
    assert suspected(BEGAN, BEGAN + LEAK_S)
    assert not suspected(BEGAN, BEGAN + LEAK_S - short_s)
    assert not suspected(None, BEGAN)


def test_of_92_real_homes_some_run_for_a_week_and_most_never_do() -> None:
    leaking = {n for n, meter in water_year().items() if _ever(meter.readings)}
    assert leaking
    assert len(leaking) < 30


def _ever(readings: list[tuple[int, int]]) -> bool:
    """Whether the hint shows at the end of any week of a home's year."""
    hours = {at - at % 3_600: litres for at, litres in readings}
    flows = [
        Reading(1, hour, 3_600, 0, max(0, hours[hour + 3_600] - litres), 0, 14, 1)
        for hour, litres in hours.items()
        if hour + 3_600 in hours
    ]
    for end in range(LEAK_WINDOW, len(flows), 168):
        week = flows[end - LEAK_WINDOW : end]
        if suspected(running_since(week), week[-1].start + 3_600):
            return True
    return False
