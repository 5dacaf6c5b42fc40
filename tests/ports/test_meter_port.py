"""One suite for every Meter: the fake of the tests, and each adapter on its stands."""

from collections.abc import AsyncIterator

import pytest

from meterseal_agent.meters.port import Meter
from meterseal_proto.errors import Unavailable
from meterseal_proto.units import EXPORT, IMPORT
from tests.support.meter_stands import (
    NAMES,
    SPOILABLE,
    FakeStand,
    PymodbusStand,
    Stand,
    stands,
)
from tests.support.rtu_stands import RtuStand

NOW = 1_782_900_000


@pytest.fixture(params=NAMES)
async def stand(request: pytest.FixtureRequest) -> Stand:
    return stands()[request.param]


@pytest.fixture
async def meter(stand: Stand) -> AsyncIterator[Meter]:
    yield await stand.open()
    await stand.close()


async def test_a_reading_is_the_truth_to_the_wh_at_the_time_it_was_asked(
    stand: Stand, meter: Meter
) -> None:
    for later in range(3):
        sample = await meter.read(NOW + later)
        assert sample.at == NOW + later
        truth = stand.truth()
        assert {r: sample.values[r] for r in truth} == truth
        assert all(type(value) is int for value in sample.values.values())
        # Only a pulse output, which tells one total, tells no power.
        assert type(sample.power_w) is int or (EXPORT not in truth)
        stand.move_on()


async def test_a_meter_cut_off_is_unavailable_and_answers_the_truth_when_it_is_back(
    stand: Stand, meter: Meter
) -> None:
    await meter.read(NOW)
    await stand.cut_off()
    for _ in range(2):
        with pytest.raises(Unavailable):
            await meter.read(NOW)
    stand.move_on()
    await stand.plug_in()
    sample = await meter.read(NOW + 900)
    truth = stand.truth()
    assert {r: sample.values[r] for r in truth} == truth


@pytest.mark.parametrize("stand", SPOILABLE, indirect=True)
async def test_one_register_without_a_value_is_absent_with_a_reason_and_not_zero(
    stand: Stand, meter: Meter
) -> None:
    assert isinstance(stand, FakeStand | PymodbusStand | RtuStand)
    stand.spoil()
    sample = await meter.read(NOW)
    assert EXPORT not in sample.values
    assert sample.unavailable[EXPORT]
    assert sample.values[IMPORT] == stand.truth()[IMPORT]
