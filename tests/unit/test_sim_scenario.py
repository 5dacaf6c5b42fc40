"""Scenarios: what a file says, and how a wrong word in one is refused."""

import re
from pathlib import Path

import pytest

from meterseal_sim.faults import Kind
from meterseal_sim.refusal import Refused
from meterseal_sim.scenario import shelf
from meterseal_sim.scenario.model import Scenario
from meterseal_sim.scenario.read import Given, read
from meterseal_sim.scenario.work import hour_of, stand_for
from meterseal_sim.street import build

TODAY = 1_782_864_000
GIVEN = Given(TODAY, Path("terminals"))
GOOD = """
title = "two meters"
start = 2026-07-01T00:00:00Z
begin = "18:30"
speed = 60
[homes]
latitude = 52
[[lines]]
name = "cellar"
transport = "pty"
baud = 19200
parity = "E"
[[meters]]
line = "cellar"
model = "sdm630"
count = 2
[[faults]]
meter = "cellar/2"
kind = "ct-swapped"
phases = "L2 L3"
from = 60
to = "00:30"
"""


def scenario(text: str = GOOD) -> Scenario:
    return read(text, "x.toml", GIVEN)


def test_a_scenario_says_its_meters_lines_faults_and_hour() -> None:
    found = scenario()
    assert [meter.name for meter in found.meters] == ["cellar/1", "cellar/2"]
    assert {home.profile.name for home in build(found.plan).homes} == {"eastron-sdm630"}
    (line,) = found.lines
    assert line.wiring.device is not None
    assert line.wiring.device.path == "terminals/cellar"
    assert str(line.wiring.pace) == "19200 8E1"
    (fault,) = found.faults
    assert (fault.home, fault.kind, fault.amount) == (2, Kind.CT_SWAPPED, 23)
    assert (fault.start, fault.end) == (TODAY + 60, TODAY + 1800)
    hour = hour_of(found, 5000.0)
    assert hour.at(5010.0) == TODAY + 18.5 * 3600 + 600
    shared = hour.shared()
    assert shared is not None
    assert shared.at(5010.0) == pytest.approx(hour.at(5010.0), abs=1e-3)


def test_a_scenario_without_begin_lives_in_real_time() -> None:
    found = scenario(GOOD.replace('begin = "18:30"', "").replace("speed = 60", ""))
    hour = hour_of(found, 5000.0)
    assert hour.at(6000.0) == 6000.0
    assert hour.shared() is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("title", "titel"), "there is no key 'titel': did you mean 'title'?"),
        (("model =", "modle ="), "[[meters]] 1: model is missing"),
        (("parity =", "party ="), "[[lines]] 1: there is no key 'party': did you mean"),
        (
            ('"pty"', '"usb"'),
            "transport = 'usb': one of tcp, rtu-over-tcp, pty, serial",
        ),
        (("19200", '"fast"'), "baud = 'fast': write a whole number"),
        (("19200", "50"), "[[lines]] 1: baud 50: between"),
        (('"E"', '"M"'), "parity = 'M': one of N, E, O"),
        (('line = "cellar"', 'line = "attic"'), "line = 'attic': one of cellar"),
        (("count = 2", "count = 300"), "no room for unit 248"),
        (("count = 2", "count = 2\nunit = 0"), "unit = 0: between 1 and 247"),
        (('"cellar/2"', '"cellar/9"'), "a meter's name (cellar/1, cellar/2 ...)"),
        (('"ct-swapped"', '"sabotage"'), "kind = 'sabotage': one of silence"),
        (('"L2 L3"', '"L3 L4"'), "phases = 'L3 L4': one of L1 L2"),
        (("from = 60", 'from = "soon"'), 'write seconds, or "HH:MM"'),
        (("from = 60", "from = 3600"), "[[faults]] 1: it ends before it begins"),
        (("speed = 60", "speed = true"), "speed = True: write a number"),
        (("speed = 60", "speed = 0.5"), "speed = 0.5: between 1.0 and"),
        (("latitude = 52", "latitude = 99"), "[homes]: latitude = 99: between"),
        (("latitude = 52", "altitude = 5"), "[homes]: there is no key 'altitude'"),
        (("[homes]", "[[homes]]"), "write it as [homes]"),
        (('"sdm630"', '"sdm999"'), "no meter profile 'sdm999'"),
        (("title =", "title"), "is not TOML"),
        (('begin = "18:30"', "days = 0"), "days = 0: between 1"),
    ],
)
def test_a_wrong_word_is_refused_in_one_sentence(
    change: tuple[str, str], said: str
) -> None:
    assert change[0] in GOOD
    with pytest.raises(Refused) as refused:
        scenario(GOOD.replace(*change))
    assert said.rstrip("?") in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "there is no meter"),
        ('[[lines]]\nname = "a"\n[[lines]]\nname = "a"', "two lines have one name"),
        (GOOD + '[[lines]]\nname = "b"', "no meter is on line b"),
        (GOOD + '[rehearsal]\nask = "colour"\ntask = "t"', "facts are meter"),
        (
            GOOD
            + '[[faults]]\nmeter="*"\nkind="nan"\n[rehearsal]\nask="kind"\ntask="t"',
            "hides one fault, not 2",
        ),
    ],
)
def test_a_scenario_that_lacks_something_says_what(text: str, said: str) -> None:
    with pytest.raises(Refused, match=said.replace("(", r"\(")):
        scenario(text)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (kind, name)
        for kind in (shelf.SCENARIOS, shelf.REHEARSALS)
        for name in shelf.names(kind)
        if name != "thousand"  # which takes four seconds: ports/test_sim_thousand.py
    ],
)
def test_every_one_we_ship_can_be_put_up(kind: str, name: str) -> None:
    found = shelf.shipped(kind, name, GIVEN)
    stand = stand_for(found, lambda: 0.0)
    assert sum(len(post.line.bus.homes) for post in stand.posts) == len(found.meters)
    assert (found.task is not None) == (kind == shelf.REHEARSALS)


def test_there_are_at_least_eight_rehearsals() -> None:
    assert len(shelf.names(shelf.REHEARSALS)) >= 8


def test_a_file_wins_over_a_name_and_an_absent_one_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(GOOD)
    assert shelf.opened(str(file), GIVEN).title == "two meters"
    assert shelf.opened("thousand", GIVEN).plan.homes == 1000
    for told in (str(tmp_path / "none.toml"), "nonsense"):
        with pytest.raises(Refused):
            shelf.opened(told, GIVEN)


def test_a_peak_begins_in_the_quarter_of_the_greatest_load() -> None:
    found = shelf.shipped(shelf.REHEARSALS, "reversed-ct", GIVEN)
    t = int(hour_of(found, 0.0).at(0.0))
    curve = build(found.plan).homes[0].curve
    assert curve.power_w(t) == max(
        curve.power_w(curve.start + 900 * quarter) for quarter in range(96)
    )


def test_the_scenario_of_the_readme_is_one() -> None:
    readme = Path(__file__).parents[2] / "firmware-sim" / "README.md"
    (text,) = re.findall(r"```toml\n(.*?)```", readme.read_text(), re.DOTALL)
    assert scenario(text).faults[0].home == 2
