"""A year of 92 real water meters: where the hint of a leak shows, and how seldom."""

from meterseal_aggregator.intake.store import Reading
from meterseal_aggregator.vee.leak import running_since, suspected
from tests.support.real_registers import water_year

LEAK_WINDOW = 9 * 24


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
