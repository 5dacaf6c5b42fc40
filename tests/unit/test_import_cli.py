"""`meterseal-aggregator import`: a file of members taken over, or told what is wrong with it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from meterseal_aggregator.billing.supplies.sheet import COLUMNS
from meterseal_aggregator.cli import main
from tests.support.commandline import migrated, own_logs

HEADER = "member,meter_point,from,to\n"
ADA = "Ada Lovelace,House 7,2026-11-01,\n"


@pytest.fixture(autouse=True)
def logs() -> Iterator[None]:
    with own_logs():
        yield


@pytest.fixture
def config(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    return migrated(tmp_path, capsys)


def take(config: Path, content: str, *more: str) -> int:
    path = config.parent / "members.csv"
    path.write_text(content)
    return main(["import", "--config", str(config), *more, str(path)])


def test_a_rehearsal_says_what_it_would_add_and_adds_nothing(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    would = "would add 1 members, 1 meter points, 1 tenancies, 0 supplies; 0 rows"
    for _ in range(2):
        assert take(config, HEADER + ADA, "--dry-run") == 0
        assert capsys.readouterr().out.startswith(would)
    assert take(config, HEADER + ADA) == 0
    assert capsys.readouterr().out.startswith("added 1 members")
    assert take(config, HEADER + ADA) == 0
    assert "0 members" in (told := capsys.readouterr().out)
    assert told.endswith("1 rows were there already\n")


def test_each_fault_of_a_file_is_told_once_with_its_line(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = HEADER + ADA + "Bob,House 8,01.11.2026,\nEve,House 9,,2026-11-01\n"
    assert take(config, wrong) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("line 3: from: '01.11.2026' is neither 2026-11-01 nor")
    assert lines[1] == "line 4: from: say when it begins, as 2026-11-01"
    assert "members.csv was not taken, not a line of it" in lines[2]
    assert "line 3" not in lines[2]


def test_the_help_names_every_column(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["import", "--help"])
    told = capsys.readouterr().out
    assert all(column in told for column in COLUMNS)


def test_a_new_database_is_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "aggregator.toml"
    path.write_text(f'data_dir = "{tmp_path / "data"}"\n')
    assert take(path, HEADER) == 1
    told = capsys.readouterr().err
    assert "0001_identity.sql and " in told
    assert told.endswith(" more: run meterseal-aggregator migrate\n")
    assert len(told) < 160
