"""What a whole agent costs: memory while offline, and how fast it catches up afterwards.

    python -m bench edge_agent                 # or: make bench ROOM=edge_agent

Twenty meters, two registers sealed and thirteen values each. A week offline with
telemetry every ten seconds, and ninety days of quarter hours without, then the aggregator
comes back. The bare limit beside the memory is an interpreter that has loaded what the
agent loads, and does nothing; beside the speeds stands real time.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.support.offline_bench import DAY_S, Outcome, Stretch, stretch

RESULTS: Final = Path(__file__).parent / "results" / "edge_agent.json"
HOMES: Final = 20
VALUES: Final = 13
PATIENCE_S: Final = 1800.0
BARE: Final = "bare limit: the agent's imports, idle"
REAL: Final = "real time"
WEEK: Final = Stretch(7, HOMES, 10, VALUES, telemetry=True, patience_s=PATIENCE_S)
SEASON: Final = Stretch(90, HOMES, 900, 2, telemetry=False, patience_s=PATIENCE_S)
_IDLE: Final = (
    "import re, pathlib, meterseal_agent.run.agent;"
    "print(re.search(r'VmHWM:\\s+(\\d+)',"
    " pathlib.Path('/proc/self/status').read_text())[1])"
)


def measure() -> list[dict[str, str | float]]:
    """Be away twice and come back twice; returns the rows."""
    idle = subprocess.run(
        [sys.executable, "-c", _IDLE], check=True, capture_output=True, text=True
    )
    bare_mb = int(idle.stdout) / 1000
    week, season = _away(WEEK), _away(SEASON)
    away_mb, back_mb = week.away["peak_kb"] / 1000, week.back["peak_kb"] / 1000
    lost = _lost(week) + _lost(season)
    gone = week.away["samples"] - week.samples_told
    ring_mb = week.away["ring_bytes"] / 1e6
    week_x = WEEK.days * DAY_S / week.back["seconds"]
    season_x = SEASON.days * DAY_S / season.back["seconds"]
    return [
        _row(BARE, bare_mb, "MB", BARE, 1.0),
        _row("20 meters, 7 days offline, telemetry every 10 s", away_mb, "MB", BARE, away_mb / bare_mb),
        _row("the same, after catching up", back_mb, "MB", BARE, back_mb / bare_mb),
        _row("its telemetry on disk", ring_mb, "MB", "the ring's 100 MB", ring_mb / 100),
        _row("7 days with telemetry caught up", week_x, "x", REAL, week_x),
        _row("90 days of quarter hours caught up", season_x, "x", REAL, season_x),
        _row("watt-hours lost or counted twice", lost, "Wh", "Wh of the registers", lost / season.back["grown"]),
        _row("samples lost", gone, "samples", "samples of the meters", gone / week.away["samples"]),
    ]  # fmt: skip


def _away(wish: Stretch) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(stretch(Path(folder), wish))


def _lost(found: Outcome) -> int:
    """Return by how much the books differ from the registers, and what was refused."""
    grown = int(found.back["grown"])
    return abs(grown - found.counted) + found.reasons + found.twice


def _row(
    name: str, value: float, unit: str, against: str, ratio: float
) -> dict[str, str | float]:
    return {
        "name": name,
        "value": round(value, 1),
        "unit": unit,
        "against": against,
        "ratio": round(ratio, 4),
    }


def main() -> None:
    """Measure, print a table, and keep the rows."""
    rows = measure()
    for row in rows:
        sys.stdout.write(
            f"{row['name']:50} {row['value']:>12} {row['unit']:8}"
            f" {row['ratio']:>12} of {row['against']}\n"
        )
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
