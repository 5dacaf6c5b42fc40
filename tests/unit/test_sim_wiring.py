"""What a wrongly wired meter shows and counts, while the truth goes on behind it."""

from itertools import pairwise

import pytest

from meterseal_sim import faults
from meterseal_sim.electrical import Quantities
from meterseal_sim.street import Home
from meterseal_sim.wiring import RIGHT, Wiring
from tests.support.simlines import START, homes_of

HOUR = START + 19 * 3600
PHASES = (1, 2, 3)


def home_with(*told: str) -> Home:
    return homes_of("sdm630", told=told)[0]


def seen(*told: str, t: int = HOUR) -> Quantities:
    return home_with(*told).quantities_at(t, 1)


RIGHTLY = seen()


@pytest.mark.parametrize("phase", PHASES)
def test_a_reversed_ct_turns_the_sign_of_its_phase_only(phase: int) -> None:
    wrong = seen(f"1:ct-reversed:0::L{phase}")
    for other in PHASES:
        sign = -1 if other == phase else 1
        assert wrong[f"power_l{other}"] == pytest.approx(
            sign * RIGHTLY[f"power_l{other}"]
        )
        assert wrong[f"current_l{other}"] == pytest.approx(RIGHTLY[f"current_l{other}"])
    total = sum(wrong[f"power_l{other}"] for other in PHASES)
    assert wrong["power"] == pytest.approx(total)
    assert abs(wrong["power"]) < abs(RIGHTLY["power"])


@pytest.mark.parametrize("phase", PHASES)
def test_a_missing_phase_has_no_voltage_and_no_power(phase: int) -> None:
    wrong = seen(f"1:missing-phase:0::{phase}")
    assert wrong[f"voltage_l{phase}"] == wrong[f"power_l{phase}"] == 0
    assert all(wrong[f"voltage_l{o}"] > 200 for o in PHASES if o != phase)
    assert wrong["voltage_mean"] < 160


@pytest.mark.parametrize(("pair", "third"), [(12, 3), (23, 1), (13, 2)])
def test_swapped_cts_spoil_the_factor_of_two_phases(pair: int, third: int) -> None:
    wrong = seen(f"1:ct-swapped:0::{pair}")
    one, two = pair // 10, pair % 10
    assert wrong[f"power_l{third}"] == pytest.approx(
        RIGHTLY[f"power_l{third}"], rel=1e-3
    )
    assert wrong[f"current_l{one}"] == pytest.approx(RIGHTLY[f"current_l{two}"])
    assert all(abs(wrong[f"factor_l{phase}"]) < 0.8 for phase in (one, two))


def test_wired_right_the_gains_are_the_shares() -> None:
    assert RIGHT.gains((400, 350, 250), 970) == (400, 350, 250)
    assert Wiring(signs=(1, -1, 1)).gains((400, 350, 250), 970) == (400, -350, 250)
    assert Wiring(live=(True, True, False)).gains((400, 350, 250), 970) == (400, 350, 0)


def test_a_reversed_ct_counts_its_phase_as_export_and_loses_it_twice_in_the_sum() -> (
    None
):
    begin, end = START + 18 * 3600, START + 21 * 3600
    home = home_with("1:ct-reversed:64800:75600:2")
    before, after = home.quantities_at(begin, 1), home.quantities_at(end, 1)
    truth = home.registers_at(end).import_wh - home.registers_at(begin).import_wh
    share = home.state_at(begin, 1).shares[1] / 1000
    assert truth > 100
    assert after["import_l2"] - before["import_l2"] == pytest.approx(0, abs=1)
    assert after["export_l2"] - before["export_l2"] == pytest.approx(
        truth * share, abs=2
    )
    counted = after["import"] - before["import"]
    assert counted == pytest.approx(truth * (1 - 2 * share), abs=2)


def test_what_was_not_counted_is_lost_and_the_register_never_jumps() -> None:
    home = home_with("1:ct-reversed:3600:72000:2", "1:missing-phase:36000:50000:1")
    shown = [home.quantities_at(t, 1) for t in range(START, START + 86_400, 600)]
    for name in ("import", "export", "import_l1", "import_l2", "export_l2", "total"):
        values = [row[name] for row in shown]
        assert values == sorted(values), name
    steps = [b["import"] - a["import"] for a, b in pairwise(shown)]
    assert max(steps) <= home.capacity_w / 6 + 1
    lost = home.registers_at(START + 86_399).import_wh - shown[-1]["import"]
    assert lost > 0


def test_the_register_on_the_wire_is_the_one_the_home_shows() -> None:
    home = home_with("1:ct-reversed:3600:72000:2", "1:brown-out:40000:40600")
    for t in range(START, START + 86_400, 1200):
        registers, wire = home.shown_at(t), home.quantities_at(t, 1)
        assert (registers.import_wh, registers.export_wh) == (
            wire["import"],
            wire["export"],
        )


def test_a_brown_out_shows_zeros_but_keeps_its_name() -> None:
    dark = seen("1:brown-out:60000:70000")
    assert dark["voltage_l1"] == dark["import"] == dark["frequency"] == 0
    assert dark["serial"] == RIGHTLY["serial"]
    assert seen("1:brown-out:60000:60600") == RIGHTLY


def test_a_clock_that_jumped_ends_its_quarter_hours_elsewhere() -> None:
    jumped = seen("1:clock-jump:0::5400")
    assert jumped["demand"] != RIGHTLY["demand"]
    assert jumped["import"] == RIGHTLY["import"]
    fault = faults.parse("1:clock-jump:0::5400", START)
    assert faults.clock_shift_s([fault], HOUR) == 5400
