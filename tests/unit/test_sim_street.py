from pathlib import Path

import pytest

from meterseal_sim import listing
from meterseal_sim.curve import Registers
from meterseal_sim.refusal import Refused
from meterseal_sim.replay import Replay
from meterseal_sim.shapes import Place
from meterseal_sim.street import Plan, build

START = 1_782_864_000
PLAN = Plan(homes=24, seed=1, start=START, days=1)


def heavy(tmp_path: Path, kwh: str) -> Replay:
    file = tmp_path / "homes.csv"
    names = [f"b{n}_{side}" for side in ("load", "pv") for n in range(1, 9)]
    row = ",".join(["1.0"] * 8 + [kwh] * 8)
    file.write_text(",".join(names) + "\n" + (row + "\n") * 24)
    return Replay(file)


def test_a_street_has_all_models_and_a_serial_for_each_meter() -> None:
    homes = build(PLAN).homes
    assert len({home.serial for home in homes}) == 24
    assert {home.profile.name for home in homes} == {
        "eastron-sdm120",
        "eastron-sdm630",
        "schneider-iem3155",
    }


def test_no_meter_leaves_the_range_in_which_it_shows_every_wh(tmp_path: Path) -> None:
    plan = Plan(homes=8, seed=1, start=START, days=1, replay=heavy(tmp_path, "600"))
    for home in (*build(PLAN).homes, *build(plan).homes):
        last = home.registers_at(home.curve.end)
        assert max(last.import_wh, last.export_wh) < home.profile.exact_below_wh
    big = build(plan).homes
    assert {home.profile.name for home in big} == {"schneider-iem3155"}


def test_capacity_is_the_peak_rounded_up_and_at_least_six_kw(tmp_path: Path) -> None:
    plan = Plan(homes=1, seed=1, start=START, days=1, replay=heavy(tmp_path, "12.25"))
    assert build(plan).homes[0].capacity_w == 12_000
    assert min(home.capacity_w for home in build(PLAN).homes) == 6000


def test_an_energy_stands_in_the_state_as_it_stands_in_the_register() -> None:
    home = build(PLAN).homes[4]
    for t in (START - 5, START, START + 40_000, START + 86_400, START + 99_999):
        state = home.state_at(t, 7)
        assert Registers(state.import_wh, state.export_wh) == home.registers_at(t)
        assert state.unit == 7
        assert sum(state.shares) == 1000


def test_a_map_rebuilds_its_street_and_knows_the_truth(tmp_path: Path) -> None:
    places = [
        (home, listing.Address("127.0.0.1", 15020 + home.number, 1))
        for home in build(PLAN).homes
    ]
    path = tmp_path / "map.json"
    listing.write(path, listing.document(PLAN, places))
    content = listing.load(path)
    assert listing.plan_of(content) == PLAN
    truth = listing.truth(content, START)
    gained = listing.quarters(content)
    last = listing.truth(content, START + 86_400)
    for meter in content["meters"]:
        serial = meter["serial"]
        assert truth[serial]["import_wh"] == meter["initial_import_wh"]
        assert truth[serial]["export_wh"] == meter["initial_export_wh"]
        for side in ("import_wh", "export_wh"):
            rows = gained[serial]
            assert len(rows) == 96
            assert last[serial][side] - truth[serial][side] == sum(
                row[side] for row in rows
            )


def test_a_replayed_street_survives_its_map(tmp_path: Path) -> None:
    plan = Plan(homes=24, seed=1, start=START, days=1, replay=heavy(tmp_path, "2"))
    assert len(build(plan).homes) == 8
    assert listing.plan_of(listing.document(plan, [])) == plan


@pytest.mark.parametrize("text", ["", "[]", '{"version": 2}'])
def test_a_file_that_is_no_map_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "map.json"
    path.write_text(text)
    with pytest.raises(Refused, match="map"):
        listing.load(path)


@pytest.mark.parametrize(
    "plan",
    [
        Plan(homes=0, seed=1, start=START, days=1),
        Plan(homes=1, seed=1, start=START, days=0),
        Plan(homes=1, seed=1, start=-900, days=1),
        Plan(homes=1, seed=1, start=START, days=1, place=Place(latitude=91.0)),
        Plan(homes=1, seed=1, start=START + 1, days=1),
        Plan(homes=1, seed=1, start=START, days=1, model="sdm999"),
    ],
)
def test_a_plan_that_cannot_be_built_is_refused(plan: Plan) -> None:
    with pytest.raises(Refused):
        build(plan)
