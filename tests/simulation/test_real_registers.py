"""Real water and heat registers: nothing is lost or negative, each break has a reason."""

from dataclasses import replace
from pathlib import Path

from meterseal_proto.errors import Reason
from tests.support.real_registers import (
    Counted,
    Told,
    backward,
    heat_years,
    replayed,
    water_year,
)

METERS = 5
"""In every run; all 92 are replayed by `make bench ROOM=real_registers`."""
HEAT_HOURS = 60 * 24
"""From the first January on; all three years are replayed there too."""


def heat() -> dict[int, Counted]:
    return {
        number: replace(one, readings=one.readings[:HEAT_HOURS])
        for number, one in heat_years().items()
    }


async def test_the_water_meters_that_step_backward_most_lose_no_litre(
    tmp_path: Path,
) -> None:
    found = water_year()
    steps = {n: backward(meter.readings) for n, meter in found.items()}
    worst = sorted(found, key=lambda n: steps[n], reverse=True)[:METERS]
    assert [steps[n] for n in worst] == [125, 35, 5, 4, 3]
    async with replayed(tmp_path, {n: found[n] for n in worst}) as (desk, told):
        for number, one in told.items():
            all_is_kept(one, found[number])
            assert {cause for *_, cause in one.steps} <= {
                Reason.BACKWARD_REGISTER,
                Reason.CAPACITY,
            }
        assert sum(len(one.steps) for one in told.values()) > METERS
        ((kept,),) = await desk.rows(
            "SELECT count(*) FROM quarantine WHERE chained = 1"
        )
        assert kept == sum(len(one.steps) for one in told.values())


async def test_a_heat_meter_loses_no_watt_hour_and_no_litre(tmp_path: Path) -> None:
    found = heat()
    async with replayed(tmp_path, found) as (desk, told):
        for number, one in told.items():
            all_is_kept(one, found[number])
            assert not one.steps
            assert one.accepted == one.last - one.first > 0
        assert await desk.count("readings") == 2 * (HEAT_HOURS - 1)


async def test_a_new_heat_meter_that_begins_at_zero_is_a_step_with_a_reason(
    tmp_path: Path,
) -> None:
    found = {number: changed(one) for number, one in heat().items()}
    async with replayed(tmp_path, found) as (_, told):
        for number, one in told.items():
            all_is_kept(one, found[number])
            ((before, after, cause),) = one.steps
            assert before > after
            assert cause == Reason.BACKWARD_REGISTER


def changed(one: Counted) -> Counted:
    """Return the register as it is when the meter is changed in the middle."""
    half = len(one.readings) // 2
    base = one.readings[half][1]
    later = [(at, value - base) for at, value in one.readings[half:]]
    return replace(one, readings=one.readings[:half] + later)


def all_is_kept(one: Told, of: Counted) -> None:
    assert one.kept, one
    assert one.least >= 0
    assert one.last == of.readings[-1][1]
