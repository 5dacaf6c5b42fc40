"""The wiring check: each fault an electrician makes is found, and nothing else is."""

import math
from dataclasses import replace

import pytest

from meterseal_agent.commissioning.finding import Finding, Grade, all_well
from meterseal_agent.commissioning.phases import Phase, phases
from meterseal_agent.commissioning.wiring import Site, check
from meterseal_proto.units import parse_obis

MV, MA = 230_000, 8_000


def wired(*cts: int, load_ma: int = MA, lag: int = 10) -> list[Phase]:
    """Return three phases whose CTs sit on the phases `cts`, minus for turned round."""
    found = []
    for number, ct in enumerate(cts, 1):
        angle = 120 * (abs(ct) - number) + lag
        sign = 1 if ct > 0 else -1
        power = sign * MV * load_ma / 1e6 * math.cos(math.radians(angle))
        found.append(Phase(f"L{number}", MV, load_ma, round(power), 120 * (number - 1)))
    return found


def faults(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(f.where, f.text) for f in findings if f.grade is Grade.BAD]


def test_a_right_installation_has_no_fault_and_says_so_of_everything() -> None:
    findings = check(wired(1, 2, 3), Site(), total_w=3 * 1812)
    assert all_well(findings)
    assert [f.where for f in findings if f.grade is Grade.GOOD] == [
        *("L1", "L2", "L3"),
        "rotation",
        *("L1", "L2", "L3"),
        "total",
    ]


@pytest.mark.parametrize(
    ("cts", "where", "says"),
    [
        ((1, -2, 3), {"L2"}, "the CT is reversed"),
        ((-1, 2, -3), {"L1", "L3"}, "the CT is reversed"),
        ((2, 1, 3), {"L1", "L2"}, "the CTs of L1 and L2 are swapped"),
        ((1, 3, 2), {"L2", "L3"}, "the CTs of L2 and L3 are swapped"),
        ((2, 3, 1), {"L1", "L2", "L3"}, "every CT sits one phase further"),
        ((-1, -2, -3), {"L1", "L2", "L3"}, "the house feeds in now"),
        ((-2, 1, 3), {"L1", "L2"}, "and turn it round"),
    ],
)
def test_a_ct_turned_round_or_on_another_phase_is_named(
    cts: tuple[int, ...], where: set[str], says: str
) -> None:
    for lag in (-15, 0, 10, 25):
        found = faults(check(wired(*cts, lag=lag), Site()))
        assert {place for place, _ in found} == where, lag
        assert any(says in text for _, text in found), lag


def test_motors_that_lag_are_not_taken_for_exchanged_cts() -> None:
    for lag in (40, 50, 55):
        assert all_well(check(wired(1, 2, 3, lag=lag), Site())), lag


def test_one_bad_power_factor_alone_asks_for_a_heater_first() -> None:
    found = wired(1, 2, 3)
    found[1] = replace(found[1], power_w=700)
    ((where, text),) = faults(check(found, Site()))
    assert (where, "switch on a heater" in text) == ("L2", True)


def test_feeding_in_is_no_fault_when_it_was_said() -> None:
    assert all_well(check(wired(-1, -2, -3), Site(feeding_in=True)))


def test_under_1_kw_more_load_is_asked_for_and_no_ct_is_judged() -> None:
    findings = check(wired(1, -2, 3, load_ma=1_400), Site())
    assert all_well(findings)
    assert any("need more load: 966 VA" in f.text for f in findings)
    (hint,) = [f for f in findings if "perhaps" in f.text]
    assert (hint.where, hint.grade) == ("L2", Grade.NOTE)


def test_an_idle_phase_is_not_judged() -> None:
    found = wired(1, 2, 3)
    found[2] = replace(found[2], current_ma=100, power_w=-20)
    findings = check(found, Site())
    assert all_well(findings)
    assert any(f.where == "L3" and "was not judged" in f.text for f in findings)


@pytest.mark.parametrize(
    ("shown_mv", "says"),
    [
        (0, "no voltage"),
        (12_000, "no voltage"),
        (206_900, "outside 207.0 V to 253.0 V"),
        (253_100, "is the neutral connected"),
        (398_000, "a phase stands where the neutral belongs"),
    ],
)
def test_a_voltage_outside_the_band_is_named_with_its_cause(
    shown_mv: int, says: str
) -> None:
    found = wired(1, 2, 3)
    found[1] = replace(found[1], voltage_mv=shown_mv)
    assert any(
        where == "L2" and says in text for where, text in faults(check(found, Site()))
    )


def test_voltages_at_the_edges_of_the_band_are_good() -> None:
    for edge in (207_000, 253_000):
        found = [replace(p, voltage_mv=edge) for p in wired(1, 2, 3)]
        assert all_well(check(found, Site()))


def test_phases_that_follow_anticlockwise_are_found_where_angles_exist() -> None:
    found = wired(1, 2, 3)
    found[1] = replace(found[1], voltage_deg=241)
    found[2] = replace(found[2], voltage_deg=119)
    assert ("rotation", "anticlockwise: exchange two of the phase conductors") in (
        faults(check(found, Site()))
    )
    blind = [replace(p, voltage_deg=None) for p in wired(1, 2, 3)]
    findings = check(blind, Site())
    assert all_well(findings)
    assert any("phase rotation indicator" in f.text for f in findings)


def test_a_phase_connected_twice_is_found() -> None:
    found = wired(1, 2, 3)
    found[1] = replace(found[1], voltage_deg=0)
    assert [where for where, _ in faults(check(found, Site()))] == ["rotation"]


def test_a_clamp_finds_the_wrong_ct_ratio_and_says_the_right_one() -> None:
    site = Site(clamp_ma=(("L1", 16_000), ("L2", 8_100)), ct_primary_ma=50_000)
    ((where, text),) = faults(check(wired(1, 2, 3), site))
    assert (where, "set about 100 A, not 50.00 A" in text) == ("L1", True)


def test_a_total_that_is_not_the_sum_of_its_phases_is_a_fault() -> None:
    found = wired(1, 2, 3)
    assert faults(check(found, Site(), total_w=3 * 1812 - 700))[0][0] == "total"


def test_a_samples_registers_become_phases() -> None:
    values = {
        parse_obis("1-0:32.7.0"): 230_100,
        parse_obis("1-0:31.7.0"): 5_000,
        parse_obis("1-0:36.7.0"): 1_100,
        parse_obis("1-0:52.7.0"): 229_000,
        parse_obis("1-0:41.7.0"): 0,
        parse_obis("1-0:42.7.0"): 300,
    }
    one, two, three = phases(values)
    assert one == Phase("L1", 230_100, 5_000, 1_100)
    assert (two.power_w, two.current_ma, three.power_w) == (-300, None, None)
    single = {
        parse_obis("1-0:32.7.0"): 230_000,
        parse_obis("1-0:31.7.0"): 1,
        parse_obis("1-0:16.7.0"): 7,
    }
    assert phases(single) == (Phase("L1", 230_000, 1, 7),)
    assert phases({}) == ()
    assert [f.grade for f in check((), Site())] == [Grade.NOTE]
