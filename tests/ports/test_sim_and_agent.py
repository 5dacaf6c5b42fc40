"""Two readings of one vendor page: the agent's register maps against the simulator's.

Neither was written from the other, so a number that comes through unchanged was
understood the same way twice.
"""

import asyncio

import pytest

from meterseal_agent.meters.modbus import Line as AgentLine
from meterseal_agent.meters.modbus import ModbusMeter, TcpTransport
from meterseal_agent.meters.profile import load
from meterseal_proto.errors import Unavailable
from meterseal_proto.units import EXPORT, IMPORT
from meterseal_sim import faults
from meterseal_sim.serve import close_all, lines_of, open_all
from meterseal_sim.street import Home, Plan, build

START = 1_782_864_000
HOST = "127.0.0.1"


class Street:
    """Eight homes on the wire at a second the test chooses."""

    def __init__(self, *fault: str) -> None:
        self.t = START
        said = tuple(faults.parse(text, START) for text in fault)
        plan = Plan(homes=8, seed=1, start=START, days=1, faults=said)
        self.homes = build(plan).homes
        self._lines = lines_of(self.homes, lambda: self.t, gateway=False)

    async def __aenter__(self) -> "Street":
        await open_all(self._lines, HOST, 0)
        self._agent = [AgentLine(TcpTransport(HOST, line.port)) for line in self._lines]
        return self

    async def __aexit__(self, *_: object) -> None:
        for line in self._agent:
            line.close()
        await close_all(self._lines)

    def meters(self) -> list[tuple[Home, ModbusMeter]]:
        return [
            (home, ModbusMeter(line, 1, load(home.profile.name)))
            for home, line in zip(self.homes, self._agent, strict=True)
        ]


async def test_the_agent_reads_every_wh_the_simulator_counts() -> None:
    async with Street() as street:
        models = set()
        for home, meter in street.meters():
            models.add(home.profile.name)
            for street.t in range(START - 900, START + 87_300, 5_400):
                sample = await meter.read(street.t)
                truth = home.registers_at(street.t)
                assert sample.values[IMPORT] == truth.import_wh
                assert sample.values[EXPORT] == truth.export_wh
                assert not sample.unavailable
                assert sample.power_w is not None
                assert abs(sample.power_w - home.curve.power_w(street.t)) <= 1
        assert len(models) == 3


async def test_the_agent_sees_a_reset_and_a_backward_step_as_the_meter_shows_them() -> (
    None
):
    async with Street("1:reset:3600:", "2:backward:3600::500") as street:
        for home, meter in street.meters()[:2]:
            street.t = START + 3600
            sample = await meter.read(street.t)
            shown, truth = home.shown_at(street.t), home.registers_at(street.t)
            assert sample.values[IMPORT] == shown.import_wh < truth.import_wh


@pytest.mark.parametrize("fault", ["1:silence:0:", "1:illegal-address:0:"])
async def test_a_meter_that_fails_is_unavailable_and_its_neighbours_are_not(
    fault: str,
) -> None:
    async with Street(fault) as street:
        (_, broken), (_, sound) = street.meters()[:2]
        broken_said, sample = await asyncio.gather(
            broken.read(START), sound.read(START), return_exceptions=True
        )
        assert isinstance(broken_said, Unavailable)
        assert not isinstance(sample, BaseException)
