"""Whoever prices a file that a stranger wrote is shown text, and keeps his memory."""

import json
import sys
from pathlib import Path

import pytest

from meterseal_aggregator.cli import main

RATE = {
    "energyratestructure": [[{"rate": 0.1, "unit": "kWh"}]],
    "energyweekdayschedule": [[0] * 24] * 12,
    "energyweekendschedule": [[0] * 24] * 12,
}


def _price(tariff: Path, usage: Path, *more: str) -> int:
    files = ("--tariff", str(tariff), "--usage", str(usage))
    return main(["price", *files, "--year", "2018", *more])


def test_a_column_cannot_write_on_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tariff, usage = tmp_path / "rate.json", tmp_path / "usage.csv"
    tariff.write_text(json.dumps(RATE))
    usage.write_text('Date/Time,Load,"\x1b[2Jall\ris fine"\n')
    assert _price(tariff, usage, "--pv", "PV", "--metering", "net") == 1
    said = capsys.readouterr().err
    assert "no column" in said
    assert "\x1b" not in said
    assert "\r" not in said


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/zero has no end on Linux")
@pytest.mark.parametrize("which", ["tariff", "usage"])
def test_a_file_without_an_end_is_refused(
    which: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tariff, usage = tmp_path / "rate.json", tmp_path / "usage.csv"
    tariff.write_text(json.dumps(RATE))
    usage.write_text("Date/Time,Load\n")
    endless = {"tariff": tariff, "usage": usage} | {which: Path("/dev/zero")}
    assert _price(endless["tariff"], endless["usage"]) == 1
    assert "at most" in capsys.readouterr().err
