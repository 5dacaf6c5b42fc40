import csv
import gzip
from collections.abc import Iterator
from decimal import Decimal, getcontext
from fractions import Fraction
from pathlib import Path

import pytest

from meterseal_sim.curve import Curve
from meterseal_sim.refusal import Refused
from meterseal_sim.replay import Replay, curves
from tests.support.data import shared_data

START = 1_782_864_000
CITYLEARN = ("homes", "citylearn_17homes_hourly_load_pv_kWh.csv.gz")
SIMBENCH = ("homes", "simbench_2016_15min_load_pv_pu.csv.gz")


def rows_of(file: Path, first: int, count: int) -> Iterator[dict[str, str]]:
    with gzip.open(file, "rt", newline="") as lines:
        for number, row in enumerate(csv.DictReader(lines)):
            if first <= number < first + count:
                yield row


def by_decimals(flows: list[Decimal]) -> list[tuple[int, int]]:
    """Work a home out again, the plain way: cumulate, then floor."""
    getcontext().prec = 50
    taken = given = Decimal(0)
    ends = [(0, 0)]
    for flow in flows:
        taken += max(flow, Decimal(0))
        given += max(-flow, Decimal(0))
        ends.append((int(taken), int(given)))
    return ends


def ends_of(curve: Curve) -> list[tuple[int, int]]:
    ends = [curve.at(curve.start + 900 * step) for step in range(curve.quarters + 1)]
    return [(end.import_wh, end.export_wh) for end in ends]


@pytest.mark.parametrize("row", [0, 4000])
def test_a_day_of_seventeen_homes_is_the_file_to_the_wh(row: int) -> None:
    file = shared_data(*CITYLEARN)
    found = curves(Replay(file, row=row), START, 1)
    assert len(found) == 17
    hours = list(rows_of(file, row, 24))
    for number, curve in enumerate(found, 1):
        flows = [
            (Decimal(hour[f"b{number}_load"]) - Decimal(hour[f"b{number}_pv"])) * 250
            for hour in hours
            for _ in range(4)
        ]
        assert ends_of(curve) == by_decimals(flows)


def test_pv_taken_literally_is_a_thousand_times_a_roof() -> None:
    file = shared_data(*CITYLEARN)
    literal = curves(Replay(file), START, 1)[0]
    scaled = curves(Replay(file, pv_scale=Fraction("0.001")), START, 1)[0]
    assert literal.at(literal.end).export_wh > 5_000_000
    assert scaled.at(scaled.end).export_wh < 10_000


def test_simbench_quarters_are_shares_of_a_stated_peak() -> None:
    file = shared_data(*SIMBENCH)
    replay = Replay(
        file, row=96 * 180, peak_load_kw=Fraction(4), peak_pv_kw=Fraction(5)
    )
    found = curves(replay, START, 2)
    assert len(found) == 8
    quarters = list(rows_of(file, 96 * 180, 192))
    flows = [
        (Decimal(row["H0-A_pload"]) * 4 - Decimal(row["PV2"]) * 5) * 250
        for row in quarters
    ]
    assert ends_of(found[1]) == by_decimals(flows)


def test_a_plain_file_replays_like_a_packed_one(tmp_path: Path) -> None:
    file = tmp_path / "one.csv"
    file.write_text("i,b1_load,b1_pv\n" + "0,1.5,0.25\n" * 24)
    (curve,) = curves(Replay(file), START, 1)
    assert curve.at(curve.end).import_wh == 24 * 1250


@pytest.mark.parametrize(
    ("head", "body", "days", "said"),
    [
        ("i,b1_load,b1_pv", "0,1,0\n" * 23, 1, "1 rows too early"),
        ("i,b1_load", "0,1\n" * 24, 1, "without its PV column"),
        ("time,kWh", "0,1\n" * 24, 1, "neither CityLearn"),
        ("i,b1_load,b1_pv", "0,much,0\n" * 24, 1, "no number"),
        ("i,b1_load,b1_pv", "0,-1,0\n" * 24, 1, "not below 0"),
        ("i,b1_load,b1_pv", "0,1\n" * 24, 1, "no number"),
        ("i,b1_load,b1_pv", "0,1,0\n" * 24, 0, "between 1 and"),
    ],
)
def test_a_file_that_cannot_be_replayed_says_why(
    tmp_path: Path, head: str, body: str, days: int, said: str
) -> None:
    file = tmp_path / "homes.csv"
    file.write_text(head + "\n" + body)
    with pytest.raises(Refused, match=said):
        curves(Replay(file), START, days)


def test_a_missing_file_is_one_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="cannot be read: No such file"):
        curves(Replay(tmp_path / "none.csv"), START, 1)
