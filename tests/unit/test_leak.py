"""A leak is water in every hour of a week; a night without a litre is none."""

import pytest

from meterseal_aggregator.intake.store import Reading
from meterseal_aggregator.vee.leak import LEAK_S, running_since, suspected

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
