"""Every meter model, served by the simulator and read by the agent over TCP.

Two readings of one vendor's page, neither written from the other: each quantity both
know must come through unchanged, an energy to the Wh or to the model's own step.
"""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from fractions import Fraction

import pytest

from meterseal_agent.meters.modbus import Line as AgentLine
from meterseal_agent.meters.modbus import ModbusMeter, TcpTransport
from meterseal_agent.meters.modbus.sunspec import SunSpecMeter
from meterseal_agent.meters.profile import Profile, load, names
from meterseal_agent.meters.registers import Absence, Point, Unit
from meterseal_proto.units import EXPORT, IMPORT
from meterseal_sim import faults
from meterseal_sim.catalogue import profile as sim_profile
from meterseal_sim.electrical import Quantities, quantities
from meterseal_sim.profile import Register
from meterseal_sim.serve import close_all, lines_of, open_all
from meterseal_sim.street import Home, Plan, build

START = 1_782_864_000
HOST = "127.0.0.1"
TIMES = tuple(range(START + 17, START + 86_400, 10_900))
STEP_WH = {
    "abb-b23": 10,
    "carlo-gavazzi-em24": 100,
    "carlo-gavazzi-em340": 100,
    "socomec-countis-e24": 10,
    "socomec-countis-e34": 10,
    "socomec-diris-a10": 1000,
}
"""What one step of the energy registers is; every other model shows each Wh."""
OTHERWISE = {
    "voltage": "voltage_l1",
    "current": "current_l1",
    "current_n": "neutral_current",
    "reactive_q1": "reactive_import",
    "reactive_q3": "reactive_export",
}
"""Points the simulator calls by another name; the rest it calls alike."""
MISSING = {"reactive_l1", "reactive_l2", "reactive_l3", "reactive_q2", "reactive_q4"}
MISSING |= {"factor_l1", "factor_l2", "factor_l3", "apparent_import", "apparent_export"}
"""What the simulator's SunSpec device does not implement."""
THOUSANDTHS = {Unit.MILLIVOLT, Unit.MILLIAMPERE, Unit.MILLIHERTZ, Unit.PER_MILLE}


class Rig:
    """Two homes with one model of meter, on the wire at a second the test chooses."""

    def __init__(self, model: str, *told: str) -> None:
        self.t = START
        broken = tuple(faults.parse(text, START) for text in told)
        plan = Plan(homes=2, seed=5, start=START, days=1, model=model, faults=broken)
        self.homes = build(plan).homes
        self.served = lines_of(self.homes, lambda: self.t, gateway=False)
        self.lines: list[AgentLine] = []

    def meters(self, profile: Profile) -> list[tuple[Home, ModbusMeter]]:
        return [
            (home, ModbusMeter(line, 1, profile))
            for home, line in zip(self.homes, self.lines, strict=True)
        ]


@asynccontextmanager
async def serving(model: str, *told: str) -> AsyncIterator[Rig]:
    rig = Rig(model, *told)
    await open_all(rig.served, HOST, 0)
    rig.lines = [AgentLine(TcpTransport(HOST, line.port)) for line in rig.served]
    try:
        yield rig
    finally:
        for line in rig.lines:
            line.close()
        await close_all(rig.served)


def register_of(model: str, function: int, point: Point) -> Register:
    """Return the simulator's register at the point's address."""
    (found,) = (
        register
        for register in sim_profile(model).registers
        if (register.function, register.address) == (function, point.address)
    )
    return found


def truth_of(point: Point, model: str, values: Quantities) -> Fraction:
    """Return what the home's meter knows, in the point's unit."""
    name = OTHERWISE.get(point.name, point.name)
    if point.name.startswith("factor") and model.startswith("socomec"):
        name = point.name.replace("factor", "lagging")
    per = 1000 if point.unit in THOUSANDTHS else 1
    return Fraction(values[name]) * per


def check(point: Point, register: Register, value: int, truth: Fraction) -> None:
    """Hold a value against the truth: exact but for what the register itself cuts off."""
    if point.unit.cumulative and register.kind.startswith("f"):
        assert value == truth, point
    elif register.kind.startswith("f"):
        assert abs(value - truth) <= Fraction(1, 2) + abs(truth) / 2**23, point
    else:
        per = 1000 if point.unit in THOUSANDTHS else 1
        step = Fraction(register.divide, register.times) * per
        # What is dreamt in floats may lie a hair below the step it is meant to be.
        hair = 0 if point.unit.cumulative else Fraction(1, 10**9)
        shown = {math.floor(truth / step + more) * step for more in (0, hair)}
        assert value in {round(value) for value in shown}, point


@pytest.mark.parametrize("model", names())
async def test_the_agent_reads_every_quantity_of_every_model(model: str) -> None:
    profile = load(model).whole()
    async with serving(model) as rig:
        for home, meter in rig.meters(profile):
            for rig.t in TIMES:
                sample = await meter.read(rig.t)
                values = quantities(home.state_at(rig.t, 1))
                missing = set()
                for point in profile.points:
                    if point.register in sample.unavailable:
                        missing.add(point.name)
                        said = sample.unavailable[point.register]
                        assert said in {Absence.NOT_AVAILABLE, Absence.UNSCALED}
                        continue
                    register = register_of(model, profile.function, point)
                    truth = truth_of(point, model, values)
                    check(point, register, sample.values[point.register], truth)
                # A SunSpec register of a phase that has counted nothing is one more.
                assert missing == set() or (model == "sunspec" and missing >= MISSING)


@pytest.mark.parametrize("model", names())
async def test_a_poll_reads_import_and_export_to_the_models_own_step(
    model: str,
) -> None:
    async with serving(model) as rig:
        for home, meter in rig.meters(load(model)):
            for rig.t in TIMES:
                sample = await meter.read(rig.t)
                truth, step = home.registers_at(rig.t), STEP_WH.get(model, 1)
                assert sample.values[IMPORT] == truth.import_wh // step * step
                assert sample.values[EXPORT] == truth.export_wh // step * step
                assert sample.power_w is not None
                assert abs(sample.power_w - home.curve.power_w(rig.t)) <= 10
                assert not sample.unavailable


@pytest.mark.parametrize("model", names())
def test_the_step_stated_for_a_model_is_that_of_its_registers(model: str) -> None:
    profile = load(model)
    for register in (IMPORT, EXPORT):
        point = profile.point(register)
        factor = point.scale if not point.kind.value.startswith("f") else Fraction(1)
        assert factor == STEP_WH.get(model, 1)


@pytest.mark.parametrize("model", names())
async def test_an_energy_that_is_not_available_is_absent_and_never_a_number(
    model: str,
) -> None:
    async with serving(model, "1:nan:0:") as rig:
        (_, broken), (_, sound) = rig.meters(load(model))
        rig.t = TIMES[1]
        sample = await broken.read(rig.t)
        none = {Absence.NOT_AVAILABLE, Absence.NOT_A_NUMBER}
        assert {sample.unavailable[IMPORT], sample.unavailable[EXPORT]} <= none
        assert not {IMPORT, EXPORT} & sample.values.keys()
        assert (await sound.read(rig.t)).values.keys() >= {IMPORT, EXPORT}


async def test_walking_the_chain_and_reading_by_profile_give_one_sample() -> None:
    profile = load("sunspec")
    async with serving("sunspec") as rig:
        (home, by_profile), _ = rig.meters(profile)
        walking = SunSpecMeter(rig.lines[0], 1, profile.max_power_w)
        for rig.t in TIMES:
            one, two = await by_profile.read(rig.t), await walking.read(rig.t)
            assert (
                two.values.items()
                >= {
                    point.register: one.values[point.register]
                    for point in profile.points
                }.items()
            )
            assert one.values[IMPORT] == home.registers_at(rig.t).import_wh
