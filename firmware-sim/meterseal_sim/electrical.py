"""Pure: every quantity a meter shows, from its two registers and its power.

Voltage, current, reactive power and the rest are dreamt, but they agree with the
energy flow: P = 3-phase sum of V x I x power factor, signs follow the direction,
every cumulative only grows while import and export do. Must never feed back into
the registers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import acos, atan2, degrees, sqrt

from meterseal_sim.curve import Registers
from meterseal_sim.wiring import PER_MILLE, RIGHT, Wiring

NOMINAL_V = 230
VOLTAGE_THD = 1.8
CURRENT_THD = 6.5
"""Per cent, as in a quiet suburb; meters show them, nothing is settled by them."""
IDENTITY = frozenset({"serial", "unit", "parity_code", "baud_code"})
"""Quantities that are kept, not measured."""
NOTHING_STRAYED = (Registers(0, 0),) * 4
DAY_TARIFF = 700
"""Per mille of every register that counts under tariff 1; the rest is tariff 2."""
_COUNTED = (
    *("import", "export", "total"),
    *("reactive_import", "reactive_export", "reactive_total"),
)


@dataclass(frozen=True, slots=True)
class MeterState:
    """What a meter's inside knows at one moment.

    Energies in Wh, powers in W (positive into the house). `demand_w` is the mean
    import power of the last whole quarter hour, `demand_peak_w` the greatest so
    far. `shares` says in per mille how the load lies on the phases, `factor` is
    the power factor in per mille and `tangent` Q/P in per mille. The energies are
    counted as if the `wiring` were right; `strayed` adds what it is not, in all and
    for each phase, in thousandths of a Wh.
    """

    serial: int
    unit: int
    import_wh: int
    export_wh: int
    power_w: float
    demand_w: float
    demand_peak_w: float
    voltages: tuple[float, float, float]
    frequency_hz: float
    shares: tuple[int, int, int]
    factor: int
    tangent: int
    wiring: Wiring = RIGHT
    strayed: tuple[Registers, ...] = NOTHING_STRAYED


Quantities = Mapping[str, float]


def quantities(state: MeterState) -> Quantities:
    """Return every quantity by its name, in W, V, A, Hz, Wh, varh, degrees, %.

    Energies are whole numbers, so an integer register shows them exactly.
    """
    return {
        **_identity(state),
        **_voltages(state),
        **(_phases(state) if state.wiring == RIGHT else _miswired(state)),
        **_demands(state),
        **_energies(state),
    }


def _identity(state: MeterState) -> dict[str, float]:
    # Codes as delivered: no parity, one stop bit; 9600 baud.
    return {
        "serial": state.serial,
        "unit": state.unit,
        "parity_code": 0,
        "baud_code": 2,
        "frequency": state.frequency_hz,
        "voltage_thd": VOLTAGE_THD,
        "current_thd": CURRENT_THD,
    }


def _voltages(state: MeterState) -> dict[str, float]:
    one, two, three = (
        volts if live else 0.0
        for volts, live in zip(state.voltages, state.wiring.live, strict=True)
    )
    lines = (_across(one, two), _across(two, three), _across(three, one))
    return {
        "voltage_l1": one,
        "voltage_l2": two,
        "voltage_l3": three,
        "voltage_mean": (one + two + three) / 3,
        "voltage_l12": lines[0],
        "voltage_l23": lines[1],
        "voltage_l31": lines[2],
        "voltage_line_mean": sum(lines) / 3,
    }


def _across(one: float, two: float) -> float:
    """Return the voltage between two phases 120 degrees apart."""
    return sqrt(one * one + two * two + one * two)


def _flows(suffix: str, power_w: float, state: MeterState) -> dict[str, float]:
    sign = -1 if power_w < 0 else 1
    angle = sign * degrees(acos(state.factor / PER_MILLE))
    factor, reactive = sign * state.factor / PER_MILLE, power_w * state.tangent
    return {
        f"power{suffix}": power_w,
        f"apparent{suffix}": abs(power_w) * PER_MILLE / state.factor,
        f"reactive{suffix}": reactive / PER_MILLE,
        f"factor{suffix}": factor,
        **_quadrant(suffix, factor, reactive),
        f"angle{suffix}": angle,
        f"factor_degrees{suffix}": angle,
    }


def _quadrant(suffix: str, factor: float, reactive: float) -> dict[str, float]:
    """Return the power factor as vendors sign it who want to say lagging or leading.

    `lagging` is positive where the current lags (Socomec); `factor_4q` keeps the sign
    of the power and goes beyond 1 or -1 where the current leads (Schneider).
    """
    lags = factor * reactive >= 0
    beyond = 2 - factor if factor > 0 else -2 - factor
    return {
        f"lagging{suffix}": abs(factor) if lags else -abs(factor),
        f"factor_4q{suffix}": factor if lags else beyond,
    }


def _phases(state: MeterState) -> dict[str, float]:
    found = _flows("", state.power_w, state)
    for phase, share in enumerate(state.shares, start=1):
        found |= _flows(f"_l{phase}", state.power_w * share / PER_MILLE, state)
    return found | _amperes(_currents(state.power_w, state), state)


def _miswired(state: MeterState) -> dict[str, float]:
    """Return the flows of a meter whose voltages and currents do not belong together."""
    found: dict[str, float] = {}
    true = _currents(state.power_w, state)
    seen = tuple(true[conductor] for conductor in state.wiring.currents)
    direction = -1 if state.power_w < 0 else 1
    total = [0.0, 0.0, 0.0]
    for phase, (volts, amperes) in enumerate(zip(state.voltages, seen, strict=True)):
        apparent = volts * amperes * state.wiring.live[phase]
        power = direction * apparent * state.wiring.cosine(phase, state.factor)
        reactive = direction * apparent * state.wiring.sine(phase, state.factor)
        found |= _measured(f"_l{phase + 1}", power, reactive, apparent)
        total = [a + b for a, b in zip(total, (power, reactive, apparent), strict=True)]
    return found | _measured("", *total) | _amperes(seen, state)


def _measured(
    suffix: str, power_w: float, reactive: float, apparent: float
) -> dict[str, float]:
    angle = degrees(atan2(reactive, power_w)) if apparent else 0.0
    factor = power_w / apparent if apparent else 1.0
    return {
        f"power{suffix}": power_w,
        f"apparent{suffix}": apparent,
        f"reactive{suffix}": reactive,
        f"factor{suffix}": factor,
        **_quadrant(suffix, factor, reactive),
        f"angle{suffix}": angle,
        f"factor_degrees{suffix}": angle,
    }


def _amperes(currents: tuple[float, ...], state: MeterState) -> dict[str, float]:
    return {
        **{f"current_l{phase}": value for phase, value in enumerate(currents, 1)},
        "current_sum": sum(currents),
        "current_mean": sum(currents) / max(1, sum(map(bool, state.shares))),
        "neutral_current": _neutral(currents),
    }


def _currents(power_w: float, state: MeterState) -> tuple[float, ...]:
    apparent = abs(power_w) * PER_MILLE / state.factor
    return tuple(
        apparent * share / PER_MILLE / volts
        for share, volts in zip(state.shares, state.voltages, strict=True)
    )


def _neutral(currents: tuple[float, ...]) -> float:
    """Return the neutral's current for three currents 120 degrees apart."""
    a, b, c = currents
    return sqrt(max(0.0, a * a + b * b + c * c - a * b - b * c - c * a))


def _demands(state: MeterState) -> dict[str, float]:
    last = _currents(state.demand_w, state)
    peak = _currents(state.demand_peak_w, state)
    found = {
        "demand": state.demand_w,
        "demand_peak": state.demand_peak_w,
        "apparent_demand": state.demand_w * PER_MILLE / state.factor,
        "apparent_demand_peak": state.demand_peak_w * PER_MILLE / state.factor,
        "neutral_demand": _neutral(last),
        "neutral_demand_peak": _neutral(peak),
    }
    for phase in (1, 2, 3):
        found[f"demand_current_l{phase}"] = last[phase - 1]
        found[f"demand_current_peak_l{phase}"] = peak[phase - 1]
    return found


def _energies(state: MeterState) -> dict[str, float]:
    """Return the cumulatives; a phase's share is floored, so it only grows."""
    found: dict[str, float] = {}
    for suffix, share, stray in zip(
        ("", "_l1", "_l2", "_l3"),
        (PER_MILLE, *state.shares),
        state.strayed,
        strict=True,
    ):
        taken = max(0, (state.import_wh * share + stray.import_wh) // PER_MILLE)
        given = max(0, (state.export_wh * share + stray.export_wh) // PER_MILLE)
        found[f"import{suffix}"] = taken
        found[f"export{suffix}"] = given
        found[f"total{suffix}"] = taken + given
        found[f"reactive_import{suffix}"] = taken * state.tangent // PER_MILLE
        found[f"reactive_export{suffix}"] = given * state.tangent // PER_MILLE
        found[f"reactive_total{suffix}"] = (
            taken * state.tangent // PER_MILLE + given * state.tangent // PER_MILLE
        )
    both = found["total"]
    found["net"] = found["import"] - found["export"]
    found["apparent_import"] = found["import"] * PER_MILLE // state.factor
    found["apparent_export"] = found["export"] * PER_MILLE // state.factor
    found["apparent_energy"] = both * PER_MILLE // state.factor
    found["charge"] = both * PER_MILLE // (state.factor * NOMINAL_V)
    return found | _tariffs(found)


def _tariffs(found: Quantities) -> dict[str, float]:
    """Return both tariffs of every register; they only grow, and add up to it."""
    split: dict[str, float] = {}
    for name in _COUNTED:
        first = found[name] * DAY_TARIFF // PER_MILLE
        split |= {f"{name}_t1": first, f"{name}_t2": found[name] - first}
    return split
