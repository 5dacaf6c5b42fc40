"""Pure but for reading its replay file: a street of homes and their meters.

A plan says everything a street is made of, so the same plan is the same street:
`build` gives its homes, and each home says what its meter shows at any second.
Must never read the clock; time is an argument.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import acos, tan

from meterseal_sim import faults, replay, shapes
from meterseal_sim.catalogue import profile as profile_named
from meterseal_sim.chance import between, unit, whole
from meterseal_sim.curve import QUARTER_S, Curve, Quarter, Registers, running_peaks
from meterseal_sim.electrical import (
    NOTHING_STRAYED,
    MeterState,
    Quantities,
    quantities,
)
from meterseal_sim.faults import Fault
from meterseal_sim.faults.wiring import CABINET
from meterseal_sim.profile import Profile
from meterseal_sim.refusal import Refused
from meterseal_sim.replay import Replay
from meterseal_sim.shapes import Place
from meterseal_sim.wiring import PER_MILLE

MAX_HOMES = 10_000
"""More than this is a town, and more ports than a machine likes to give."""
MAX_DAYS = 3660
HERE = Place()
MODELS = ("eastron-sdm120", "eastron-sdm630", "schneider-iem3155")
"""What is screwed to the walls; a seed hands them out. Fixed, so that a new
profile does not change anybody's street."""
MAX_INITIAL_WH = 2_000_000
"""Meters start used, but low: float32 kWh has a 24 bit mantissa, so below 8,192
kWh one step of it is at most 0.49 Wh and every Wh comes back exact. A home that
would leave that range within its days gets a meter that counts INT64 Wh."""
CAPACITY_STEP_W = 1000
LEAST_CAPACITY_W = 6000


@dataclass(frozen=True, slots=True)
class Plan:
    """A street before it is built: `start` UTC s on a quarter, `days` its life.

    With a `replay` the homes are those of the file, at most `homes` of them.
    `model` puts one meter model everywhere instead of letting the seed choose;
    `models` names one for each home.
    """

    homes: int
    seed: int
    start: int
    days: int
    replay: Replay | None = None
    place: Place = HERE
    model: str | None = None
    faults: tuple[Fault, ...] = ()
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Home:
    """A home with its meter; `number` counts from 1.

    `initial` are the registers at the street's start; `capacity_w` is the least
    round rating that the home's greatest quarter hour stays under.
    """

    number: int
    seed: int
    serial: str
    profile: Profile
    curve: Curve
    initial: Registers
    capacity_w: int
    peaks: tuple[float, ...]
    faults: tuple[Fault, ...]

    def registers_at(self, t: int) -> Registers:
        """Return the true registers (Wh) at second `t`."""
        grown = self.curve.at(t)
        return Registers(
            self.initial.import_wh + grown.import_wh,
            self.initial.export_wh + grown.export_wh,
        )

    def quarters(self) -> tuple[Quarter, ...]:
        """Return what each quarter hour adds to the true registers, in whole Wh."""
        return self.curve.table()

    def shown_at(self, t: int) -> Registers:
        """Return the registers (Wh) the meter shows at `t`, faults included."""
        registers, stray = self._counted(t), self._strayed(t)[0]
        return Registers(
            max(0, registers.import_wh + stray.import_wh // PER_MILLE),
            max(0, registers.export_wh + stray.export_wh // PER_MILLE),
        )

    def state_at(self, t: int, unit_id: int) -> MeterState:
        """Return all the meter knows at second `t`, faults included."""
        second = faults.shown_second(self.faults, t)
        registers = self._counted(t)
        power_w = self.curve.power_w(second)
        # A meter's demand ends when its own clock says that a quarter hour is over.
        clock = second + faults.clock_shift_s(self.faults, second)
        over = (clock - self.curve.start) // QUARTER_S - 1
        last = min(over, self.curve.quarters - 1)
        factor = self._factor()
        return MeterState(
            serial=int(self.serial),
            unit=unit_id,
            import_wh=registers.import_wh,
            export_wh=registers.export_wh,
            power_w=power_w,
            demand_w=max(0.0, self.curve.power_w(clock - QUARTER_S)),
            demand_peak_w=self.peaks[last] if last >= 0 else 0.0,
            voltages=self._voltages(second, power_w),
            frequency_hz=50 + between(-0.03, 0.03, self.seed, "hertz", second // 5),
            shares=self._shares(),
            factor=factor,
            tangent=round(PER_MILLE * tan(acos(factor / PER_MILLE))),
            wiring=faults.wiring(self.faults, second),
            strayed=self._strayed(t),
        )

    def quantities_at(self, t: int, unit_id: int) -> Quantities:
        """Return every quantity the meter shows at second `t`, faults included."""
        return faults.faded(self.faults, t, quantities(self.state_at(t, unit_id)))

    def _counted(self, t: int) -> Registers:
        return faults.shown(self.faults, t, self.registers_at)

    def _strayed(self, t: int) -> tuple[Registers, ...]:
        """Return what wrong wiring added; a meter that shows 0 shows nothing of it."""
        second = faults.shown_second(self.faults, t)
        cabinet = any(fault.kind in CABINET for fault in self.faults)
        if not cabinet or faults.dark(self.faults, second):
            return NOTHING_STRAYED
        return faults.strayed(
            self.faults, second, self.registers_at, self._shares(), self._factor()
        )

    def _factor(self) -> int:
        return round(between(930, 995, self.seed, self.number, "factor"))

    def _shares(self) -> tuple[int, int, int]:
        if self.profile.phases == 1:
            return (PER_MILLE, 0, 0)
        first = round(between(250, 450, self.seed, self.number, "L1"))
        second = round(between(200, 350, self.seed, self.number, "L2"))
        return (first, second, PER_MILLE - first - second)

    def _voltages(self, second: int, power_w: float) -> tuple[float, float, float]:
        # Load pulls the voltage down and PV lifts it, within what a grid allows.
        pull = max(-8.0, min(8.0, power_w / 1500))
        one, two, three = (
            between(228, 233, self.seed, self.number, "volt", phase, second // 10)
            - pull
            for phase in (1, 2, 3)
        )
        return (one, two, three)


@dataclass(frozen=True, slots=True)
class Street:
    """The plan and the homes it gave."""

    plan: Plan
    homes: tuple[Home, ...]


@lru_cache(maxsize=4)
def build(plan: Plan) -> Street:
    """Return the street of a plan; raises Refused when it cannot be built."""
    if not 1 <= plan.homes <= MAX_HOMES:
        raise Refused(f"{plan.homes} homes: between 1 and {MAX_HOMES}")
    if not 1 <= plan.days <= MAX_DAYS:
        raise Refused(f"{plan.days} days: between 1 and {MAX_DAYS}")
    if plan.start < 0:
        raise Refused(f"start {plan.start}: seconds since 1970, not below 0")
    if abs(plan.place.latitude) > 90 or abs(plan.place.longitude) > 180:
        raise Refused("a place lies within 90 degrees north and 180 east")
    curves = _curves(plan)
    return Street(
        plan,
        tuple(_home(plan, number, curve) for number, curve in enumerate(curves, 1)),
    )


def _curves(plan: Plan) -> tuple[Curve, ...]:
    if plan.replay is not None:
        return replay.curves(plan.replay, plan.start, plan.days)[: plan.homes]
    return tuple(
        shapes.curve_of(
            shapes.household(plan.seed, index), plan.start, plan.days, plan.place
        )
        for index in range(plan.homes)
    )


def _home(plan: Plan, number: int, curve: Curve) -> Home:
    grown = curve.at(curve.end)
    used = whole(plan.seed, number, "initial import") % MAX_INITIAL_WH
    given = whole(plan.seed, number, "initial export") % MAX_INITIAL_WH
    # A home that never exports has never exported.
    initial = Registers(used, given if grown.export_wh else 0)
    last_wh = max(
        initial.import_wh + grown.import_wh, initial.export_wh + grown.export_wh
    )
    return Home(
        number=number,
        seed=plan.seed,
        serial=_serial(plan.seed, number),
        profile=_model(plan, number, last_wh),
        curve=curve,
        initial=initial,
        capacity_w=_capacity_w(curve),
        peaks=running_peaks(curve),
        faults=faults.of_home(plan.faults, number),
    )


def _model(plan: Plan, number: int, last_wh: int) -> Profile:
    """Choose a meter that still shows every Wh on the home's last day."""
    chosen = plan.models[number - 1] if plan.models else plan.model
    if chosen is not None:
        return profile_named(chosen)
    fits = [
        model for model in map(profile_named, MODELS) if last_wh < model.exact_below_wh
    ]
    return fits[int(unit(plan.seed, number, "model") * len(fits))]


def _serial(seed: int, number: int) -> str:
    """Return an eight-digit serial that fits the 32 bits meters keep for it."""
    return str(10_000_000 + whole(seed, "serials") % 8000 * MAX_HOMES + number)


def _capacity_w(curve: Curve) -> int:
    steps = -(-curve.peak_w() // CAPACITY_STEP_W)
    return max(LEAST_CAPACITY_W, steps * CAPACITY_STEP_W)
