"""`meterseal-aggregator price`: a year's bills as JSON or a table, or one clear sentence."""

import json
import os
import subprocess
import sys
from calendar import monthrange
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from meterseal_aggregator.app.pricing import exact_text
from meterseal_aggregator.cli import main
from meterseal_proto.rating.components import (
    Base,
    Export,
    Fixed,
    Flat,
    Netting,
    Per,
    Price,
    Proration,
    Share,
    ShareKind,
)
from meterseal_proto.rating.tariff import FullTariff
from tests.support.data import shared_data
from tests.support.rated import a_tariff

HEADER = "Date/Time,Electricity [kWh],PV [kWh]"
OURS = a_tariff(
    Flat("energy", Price(100_000)),
    Fixed("service", Price(2_000_000), Per.MONTH, Proration.DAYS),
    Share("vat", ShareKind.TAX, Price(200_000), Base.ROUNDED, ("energy", "service")),
)
FEED_IN = a_tariff(
    Flat("energy", Price(100_000)), Export("sun", Netting.REGISTER, Price(50_000))
)
URDB = json.dumps(
    {
        "energyratestructure": [[{"rate": 0.1, "unit": "kWh"}]],
        "energyweekdayschedule": [[0] * 24] * 12,
        "energyweekendschedule": [[0] * 24] * 12,
    }
)
Row = Callable[[int, int, int], str]


def csv_of(year: int, row: Row | None = None) -> str:
    """A year of 0.1 kWh an hour, and 0.3 kWh produced at noon; `row` changes an hour."""
    lines = [HEADER]
    for month in range(1, 13):
        for day in range(1, monthrange(year, month)[1] + 1):
            for hour in range(1, 25):
                noon = "0.3" if hour == 12 else "-0.0001" if hour == 1 else "0"
                plain = f"{month:02d}/{day:02d}  {hour:02d}:00:00,0.1,{noon}"
                lines.append((row(month, day, hour) if row else "") or plain)
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def usage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("usage") / "usage.csv"
    path.write_text(csv_of(2018))
    return path


def a_file(tmp_path: Path, content: FullTariff | str) -> Path:
    path = tmp_path / "tariff.json"
    if isinstance(content, FullTariff):
        path.write_bytes(content.document())
    else:
        path.write_text(content)
    return path


def price(*arguments: str | Path) -> int:
    return main(["price", *map(str, arguments)])


def test_a_year_is_printed_as_one_object(
    tmp_path: Path, usage: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tariff = a_file(tmp_path, OURS)
    wish = ("--tariff", tariff, "--usage", usage, "--year", "2018", "--json")
    assert price(*wish) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)  # Any: JSON
    assert set(found) == {"months", "year"}
    assert len(found["months"]) == 12
    january = found["months"][0]
    assert set(january) == {"lines", "total", "exact"}
    # 74.4 kWh at 0.10, 2.00, and a fifth of both.
    assert (january["total"], january["exact"]) == ("11.33", "11.328")
    assert [line["amount"] for line in january["lines"]] == ["7.44", "2.00", "1.89"]
    assert january["lines"][0] == {
        "component": "energy", "kind": "energy", "part": "", "quantity": "74.4",
        "unit": "kWh", "price": "0.1", "exact": "7.44", "amount": "7.44",
    }  # fmt: skip
    for month in found["months"]:
        amounts = [Decimal(line["amount"]) for line in month["lines"]]
        assert sum(amounts) == Decimal(month["total"])
        exacts = [Decimal(line["exact"]) for line in month["lines"]]
        assert sum(exacts) == Decimal(month["exact"])
    totals = [Decimal(month["total"]) for month in found["months"]]
    assert Decimal(found["year"]["total"]) == sum(totals)


def test_without_json_a_person_can_read_it(
    tmp_path: Path, usage: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tariff = a_file(tmp_path, OURS)
    assert price("--tariff", tariff, "--usage", usage, "--year", "2018") == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].split() == ["2018-01", "11.33", "EUR"]
    assert out[1].split() == ["energy", "74.400", "kWh", "7.44"]


def test_a_document_need_not_be_in_its_one_spelling_to_be_priced(
    tmp_path: Path, usage: Path
) -> None:
    fields = json.loads(OURS.document())
    tariff = a_file(tmp_path, json.dumps(dict(reversed(fields.items())), indent=2))
    assert price("--tariff", tariff, "--usage", usage, "--year", "2018") == 0


@pytest.mark.parametrize(
    ("metering", "sell", "energy", "export"),
    [
        # A day takes 2.4001 kWh and gives 0.3: 0.2 of them beyond what noon takes.
        ("net", "0.03", "65.1031", "9.3"),
        ("net-billing", "0.05", "71.3031", "6.2"),
        ("buy-all-sell-all", "0.05", "74.4031", "9.3"),
    ],
)
def test_export_is_settled_as_asked(  # noqa: PLR0917
    metering: str,
    sell: str,
    energy: str,
    export: str,
    tmp_path: Path,
    usage: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tariff = a_file(tmp_path, URDB)
    wish = ("--pv", "PV", "--metering", metering, "--sell-rate", sell, "--json")
    assert price("--tariff", tariff, "--usage", usage, "--year", "2018", *wish) == 0
    lines = json.loads(capsys.readouterr().out)["months"][0]["lines"]
    found = {line["component"]: line["quantity"] for line in lines}
    # Net metering is over a slot as the meter has it: noon's own tenth never left.
    assert found["energy"] == energy
    assert found["export"] == ("6.2" if metering == "net" else export)


def test_a_tariff_that_settles_export_itself_needs_no_metering(
    tmp_path: Path, usage: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tariff = a_file(tmp_path, FEED_IN)
    wish = ("--tariff", tariff, "--usage", usage, "--year", "2018", "--pv", "PV")
    assert price(*wish, "--json") == 0
    lines = json.loads(capsys.readouterr().out)["months"][0]["lines"]
    assert [line["quantity"] for line in lines] == ["74.4031", "9.3"]
    assert price(*wish, "--metering", "net") == 1
    assert "settled: leave metering out" in capsys.readouterr().err


def broken(month: int, day: int, text: str) -> Row:
    return lambda m, d, h: text if (m, d, h) == (month, day, 5) else ""


REFUSED = [
    (csv_of(2020), "the usage has 8784 rows and 2018 has 8760 hours"),
    ("", "the usage begins with a header"),
    (HEADER, "the usage has 0 rows"),
    (csv_of(2018, broken(2, 3, "02/03  05:00:00,-0.4,0")), "is negative: '-0.4'"),
    (
        csv_of(2018, broken(2, 3, "02/03  05:00:00,much,0")),
        "'much' is no plain decimal",
    ),
    (csv_of(2018, broken(2, 3, "02/03  05:00:00,1e3,0")), "'1e3' is no plain decimal"),
    (csv_of(2018, broken(2, 3, "02/03  05:00:00,NaN,0")), "'NaN' is no plain decimal"),
    (csv_of(2018, broken(2, 3, "02/03  05:00:00,,0")), "'' is no plain decimal"),
    (
        csv_of(2018, broken(2, 3, "02/03  05:00:00,0.0123456789,0")),
        "at most 9 decimals",
    ),
    (csv_of(2018, broken(2, 3, "02/03  04:00:00,0.1,0")), "not '02/03  05:00:00'"),
    (csv_of(2018, broken(2, 3, "02/03  05:00:00")), "has 1 columns"),
    (
        csv_of(2018).replace("03/02  05:00:00,0.1,0\n", ""),
        "row 1446 of the usage is '03/02  06:00:00', not '03/02  05:00:00'",
    ),
    (csv_of(2018).rpartition("12/31")[0], "the usage has 8759 rows and 2018 has"),
    (csv_of(2018, broken(2, 3, '02/03  05:00:00,"0.1')), "no CSV of UTF-8"),
]


@pytest.mark.parametrize(
    ("content", "why"), REFUSED, ids=[why[:40] for _, why in REFUSED]
)
def test_a_file_that_is_no_year_of_usage_is_refused_by_its_row(
    content: str, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "usage.csv"
    path.write_text(content)
    tariff = a_file(tmp_path, OURS)
    assert price("--tariff", tariff, "--usage", path, "--year", "2018") == 1
    told = capsys.readouterr()
    assert why in told.err
    assert (told.out, told.err.count("\n")) == ("", 1)


@pytest.mark.parametrize(
    ("content", "more", "why"),
    [
        (OURS, ("--year", "2020"), "2020 has 8784 hours; take a year without 29 February"),
        (OURS, ("--year", "2018", "--pv", "PV"), "settle export; say it by --metering"),
        (OURS, ("--year", "2018", "--pv", "roof"), "metering is missing"),
        (
            FEED_IN,
            ("--year", "2018", "--pv", "roof"),
            "no column 'roof'; there are: PV",
        ),
        (
            URDB,
            ("--year", "2018", "--pv", "PV", "--metering", "net-billing"),
            "what export is paid; say it by --sell-rate",
        ),
        (
            OURS,
            ("--year", "2018", "--pv", "PV", "--metering", "net", "--sell-rate",
             "0.0000001"),
            "more decimals than the tariff's 6",
        ),
        ("{}", ("--year", "2018"), "the rate charges nothing"),
        ("no JSON", ("--year", "2018"), "the rate is no JSON"),
        ('{"meterseal":"tariff/1"}', ("--year", "2018"), "must be 'full-tariff/1'"),
        ('{"meterseal":"full-tariff/1"}', ("--year", "2018"), "id is missing"),
    ],
)  # fmt: skip
def test_what_cannot_be_priced_is_told_in_one_sentence(
    content: FullTariff | str,
    more: tuple[str, ...],
    why: str,
    tmp_path: Path,
    usage: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tariff = a_file(tmp_path, content)
    assert price("--tariff", tariff, "--usage", usage, *more) == 1
    told = capsys.readouterr()
    assert why in told.err
    assert (told.out, told.err.count("\n")) == ("", 1)


def test_a_leap_year_has_its_own_day_more(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "leap.csv"
    path.write_text(csv_of(2020))
    tariff = a_file(tmp_path, OURS)
    wish = ("--tariff", tariff, "--usage", path, "--year", "2020", "--json")
    assert price(*wish) == 0
    february = json.loads(capsys.readouterr().out)["months"][1]
    assert february["lines"][0]["quantity"] == "69.6"


def test_a_file_that_is_not_there_is_told(
    tmp_path: Path, usage: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "nothing.json"
    assert price("--tariff", missing, "--usage", usage, "--year", "2018") == 1
    assert "nothing.json: No such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--tariff", "t", "--usage", "u"),
        ("--tariff", "t", "--usage", "u", "--year", "soon"),
        ("--tariff", "t", "--usage", "u", "--year", "2018", "--metering", "magic"),
        ("--tariff", "t", "--usage", "u", "--year", "2018", "--sell-rate", "-1"),
        ("--tariff", "t", "--usage", "u", "--year", "2018", "--allocation", "fair"),
    ],
)
def test_a_slip_in_the_command_exits_with_two(arguments: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as left:
        price(*arguments)
    assert left.value.code == 2


def test_a_word_that_an_option_does_not_know_is_answered_by_those_it_knows(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        price("--tariff", "t", "--usage", "u", "--year", "2018", "--metering", "magic")
    told = capsys.readouterr().err
    assert all(f"'{one}'" in told for one in ("net", "net-billing", "buy-all-sell-all"))


def test_who_stops_reading_is_not_told_of_a_fault(tmp_path: Path, usage: Path) -> None:
    tariff = a_file(tmp_path, OURS)
    code = "import sys; from meterseal_aggregator.cli import main; sys.exit(main())"
    wish = ("price", "--tariff", tariff, "--usage", usage, "--year", "2018")
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, *map(str, wish)],
            check=False, stdout=write, stderr=subprocess.PIPE, timeout=30,
        )  # fmt: skip
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_example_of_the_data_costs_what_sam_says(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tariff = shared_data("bills", "urdb_tariffs", "Detailed Rate.json")
    usage = shared_data("bills", "load_pv_hourly_8760.csv")
    assert price("--tariff", tariff, "--usage", usage, "--year", "2018", "--json") == 0
    months = json.loads(capsys.readouterr().out)["months"]
    assert [month["total"] for month in months[:3]] == ["46.74", "42.72", "41.69"]
    assert months[0]["exact"] == "46.74080128"


def test_a_rule_that_a_rate_leaves_open_is_stated_on_the_command_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = "Sample Tiered Time-of-Use Rate.json"
    wish = (
        *("--tariff", shared_data("bills", "urdb_tariffs", name)),
        *("--usage", shared_data("bills", "load_pv_hourly_8760.csv")),
        *("--year", "2018", "--json"),
    )
    assert price(*wish) == 1
    told = capsys.readouterr().err
    assert "tier_counter is missing" in told
    assert told.endswith("; say it by --tier-counter\n")
    counter = ("--tier-counter", "all-periods")
    assert price(*wish, *counter, "--allocation", "proportional") == 0
    assert json.loads(capsys.readouterr().out)["months"][5]["total"] == "54.71"
    real = shared_data("bills", "urdb_real", "reopt_tiered_tou_demand.json")
    demand = ("--tariff", real, *wish[2:])
    assert price(*demand) == 1
    assert "say it by --demand-window" in capsys.readouterr().err
    assert price(*demand, "--demand-window", "60", "--actual-days") == 0


@pytest.mark.parametrize(
    ("top", "bottom", "text"),
    [
        (1, 8, "0.125"),
        (-3, 1, "-3"),
        (0, 1, "0"),
        (100, 1, "100"),
        (1, 3, "0.333333333333333333333333"),
        (10**20 + 1, 10**20, "1.00000000000000000001"),
    ],
)
def test_a_fraction_is_written_out_where_it_ends(
    top: int, bottom: int, text: str
) -> None:
    assert exact_text(Fraction(top, bottom)) == text
