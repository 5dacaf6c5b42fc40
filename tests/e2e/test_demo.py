"""The demo is the product's promise: it runs, its equation holds to the Wh, and it says so."""

import csv
import gzip
import json
import os
import re
import socket
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from deploy.demo import Misuse, Options
from deploy.freeport import free_port
from tests.support.data import shared_data

ROOT = Path(__file__).parents[2]
HOMES_FILE = "citylearn_17homes_hourly_load_pv_kWh.csv.gz"
WITHIN_S = 900
"""The promise is two minutes on a free machine; the suite may share it."""


def demo(report: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "ONCE": "1",
        "PORT": str(free_port()),
        "REPORT": str(report),
    }
    return subprocess.run(
        [sys.executable, "-m", "deploy.demo"],
        cwd=ROOT,
        env=environment | variables,
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )


def day_of_the_file(path: Path) -> tuple[int, int]:
    """Import and export in Wh of the file's first day: hourly net, floored a home.

    Interpolating an hour to quarters does not change the sign of its net, so the sums
    of the quarters are those of the hours.
    """
    with gzip.open(path, "rt") as file:
        rows = [row for _, row in zip(range(24), csv.DictReader(file), strict=False)]
    imported = exported = 0
    for home in range(1, 18):
        nets = [
            Fraction(row[f"b{home}_load"]) - Fraction(row[f"b{home}_pv"])
            for row in rows
        ]
        imported += int(sum(net for net in nets if net > 0) * 1000)
        exported += int(-sum(net for net in nets if net < 0) * 1000)
    return imported, exported


def trades_shown(told: str) -> list[tuple[str, str, int, int, str]]:
    """Lane, parties, matched and delivered Wh, and state, of each trade in the table."""
    line = re.compile(
        r"^  \d\d:00  (offer|auction) +(\w+ > \w+) +(\d+) +(\d+) .* (\w+)$",
        re.MULTILINE,
    )
    return [
        (lane, parties, int(ordered), int(delivered), state)
        for lane, parties, ordered, delivered, state in line.findall(told)
    ]


def test_a_day_of_real_homes_is_the_file_to_the_wh(tmp_path: Path) -> None:
    path = shared_data("homes", HOMES_FILE)
    report = tmp_path / "report.json"
    done = demo(report, REPLAY=str(path))
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(report.read_text())
    imported, exported = day_of_the_file(path)
    assert found["homes"] == 17
    assert (found["import_wh"], found["export_wh"]) == (imported, exported)
    assert found["credits_wh"] + sum(found["refused_credit"].values()) == exported
    assert found["holds"]
    # A machine that is late shifts Wh between slots; what then looks too much is
    # quarantined and told again as one long interval, and not a Wh is missing.
    assert found["accepted"] <= found["sealed"]
    assert found["accepted"] == found["sealed"] or found["quarantined"]
    assert found["credits_wh"] == sum(
        found[use] for use in ("bought_wh", "fed_in_wh", "kept_wh")
    )
    assert found["bought_wh"] > 0
    assert found["fed_in_wh"] > 0
    assert "PASS      signature" in done.stdout
    assert "the equation" in done.stdout
    trades = trades_shown(done.stdout)
    for lane, parties, ordered, delivered, state in trades:
        assert delivered == ordered or state == "cancelled" or "sure" not in parties
        assert delivered == 0 or state == "settled", (lane, parties)
    assert {lane for lane, *_ in trades} == {"offer", "auction"}
    assert any(delivered < ordered for *_, ordered, delivered, _ in trades)
    assert re.search(r"^ +dark +0\.3000 +0\.2000$", done.stdout, re.MULTILINE)
    assert re.search(r"^ +buyer +0\.3000 +0\.2500$", done.stdout, re.MULTILINE)
    assert "FAIL" not in done.stdout


def test_a_street_through_mosquitto_holds_as_well(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    done = demo(report, BROKER="mosquitto", HOMES="3")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(report.read_text())
    assert found["holds"]
    assert found["homes"] == 3
    assert found["export_wh"] > 0


def test_a_street_that_tells_nobody_its_usage_is_billed_and_summed(
    tmp_path: Path,
) -> None:
    done = demo(tmp_path / "report.json", WITH="private", HOMES="2")
    assert done.returncode == 0, done.stdout + done.stderr
    told = done.stdout.partition("A second street")[2]
    shown = dict(re.findall(r"^  +(\S.*?)  +([\d,.]+)$", told, re.MULTILINE))
    assert shown["homes that tell nobody their usage"] == "32"
    assert shown["whose own record is what the meter's register moved"] == "32"
    one = "whose device opened one number of the day, and that right"
    assert shown[one] == "32"
    assert shown["whose bill is what that record costs at its tariff"] == "32"
    used = shown["Wh of their day by their own records"]
    assert shown["Wh of their day by the total two trustees unmasked"] == used
    assert int(used.replace(",", "")) > 100_000
    assert int(shown["homes whose day was proved at the set's cut-off"]) >= 20
    searched = re.search(r"searched for [\d,]+ intervals: .*: (\d+) found", told)
    own = re.search(r"device's own file: (\d+) found", told)
    assert searched is not None
    assert own is not None
    assert searched[1] == "0"
    assert int(own[1]) > 50
    assert "PASS      bill " in told
    assert "PASS      private-1.commitments" in told
    assert "PASS      lines" in told
    assert "PASS      total" in told
    assert "FAIL" not in done.stdout
    # Its anchors go to a file, which proves nothing and is told as such. A private bill
    # shows no usage to look at, and what was not paid is in no ledger.
    unchecked = re.findall(r"UNCHECKED (\S+)", told)
    assert set(unchecked) <= {"anchor", "private-1.anchor", "usage", "ledger"}
    assert "anchor" in unchecked


def test_a_taken_port_is_one_clear_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = demo(tmp_path / "report.json", PORT=str(port))
    assert done.returncode == 1
    assert (
        done.stderr
        == f"demo: port {port} is taken; choose another: make demo PORT={port + 1}\n"
    )


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"REPLAY": "no/such/file"}, "there is no such file"),
        ({"BROKER": "emqx"}, "only mosquitto"),
        ({"WITH": "magic"}, "only private and chain"),
        ({"WITH": "chain,magic"}, "only private and chain"),
        ({"HOMES": "0"}, "at least 1"),
        ({"SPEED": "fast"}, "write a number"),
        ({"SPEED": "1"}, "at least 2"),
    ],
)
def test_a_wrong_wish_names_its_variable(variables: dict[str, str], says: str) -> None:
    with pytest.raises(Misuse, match=says) as caught:
        Options.read(variables)
    assert next(iter(variables)) in str(caught.value)
