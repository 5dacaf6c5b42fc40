"""A year of all 92 real water meters through agent and aggregator: what is kept, how fast.

    python -m bench water                      # or: make bench ROOM=water

Every reading of the file is judged by the sampler, sealed, accepted or quarantined, and
the books are compared with the file, meter by meter. The bare limit beside the speed is
reading and parsing the same file.
"""

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.support.waterworks import Readings, Told, backward, replayed, year

RESULTS: Final = Path(__file__).parent / "results" / "water.json"
BARE: Final = "bare limit: parse the file"


async def replay(meters: dict[int, Readings]) -> dict[int, Told]:
    """Replay the meters on a disk of their own."""
    with tempfile.TemporaryDirectory() as folder:
        async with replayed(Path(folder), meters) as (_, told):
            return told


def measure() -> list[dict[str, str | float]]:
    """Replay the file once; returns its rows."""
    began = time.perf_counter()
    meters = year()
    parsed_s = time.perf_counter() - began
    count = sum(map(len, meters.values()))
    began = time.perf_counter()
    told = asyncio.run(replay(meters))
    seconds = time.perf_counter() - began
    kept = sum(one.kept and one.least >= 0 for one in told.values())
    steps = sum(len(one.steps) for one in told.values())
    seen = sum(map(backward, meters.values()))
    bare = count / parsed_s
    return [
        _row(BARE, bare, "readings/s", BARE, 1.0),
        _row("a year of water", count / seconds, "readings/s", BARE, count / seconds / bare),
        _row("meters that lose no litre", kept, "meters", "meters of the file", kept / len(meters)),
        _row("quarantined breaks of a register", steps, "steps", "backward steps of the file", steps / seen),
        _row("litres accepted", sum(one.accepted for one in told.values()), "litres", "last - first - quarantined steps", 1.0 if kept == len(meters) else 0.0),
    ]  # fmt: skip


def _row(
    name: str, value: float, unit: str, against: str, ratio: float
) -> dict[str, str | float]:
    return {
        "name": name,
        "value": round(value, 1),
        "unit": unit,
        "against": against,
        "ratio": round(ratio, 3),
    }


def main() -> None:
    """Measure, print the table and write it to bench/results/water.json."""
    rows = measure()
    for row in rows:
        sys.stdout.write(
            f"{row['name']:36} {row['value']:>12,} {row['unit']:10} {row['ratio']:>6} of {row['against']}\n"
        )
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
