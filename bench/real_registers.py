"""Real water and heat meters through agent and aggregator: what is kept, how fast.

    python -m bench real_registers             # or: make bench ROOM=real_registers

A year of 92 water meters, three years of a heat meter's energy and volume. Every reading
of the files is judged by the sampler, sealed, accepted or quarantined, and the books are
compared with the file, register by register. The bare limit beside the speed is reading
and parsing the same file.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.real_registers import (
    Counted,
    Told,
    backward,
    heat_years,
    replayed,
    water_year,
)

RESULTS: Final = Path(__file__).parent / "results" / "real_registers.json"
Row = dict[str, str | float]


@dataclass(frozen=True, slots=True)
class Replay:
    """What came of a file: its registers, how fast it was parsed and replayed."""

    found: dict[int, Counted]
    told: dict[int, Told]
    parsed_s: float
    replayed_s: float

    @property
    def rate(self) -> float:
        """Readings a second."""
        return self.count / self.replayed_s

    @property
    def bare(self) -> float:
        """Readings a second that parsing alone allows."""
        return self.count / self.parsed_s

    @property
    def count(self) -> int:
        """The readings of the file."""
        return sum(len(one.readings) for one in self.found.values())

    @property
    def kept(self) -> int:
        """The registers of which nothing is lost or negative."""
        return sum(one.kept and one.least >= 0 for one in self.told.values())

    @property
    def steps(self) -> int:
        """The breaks of a register that were quarantined."""
        return sum(len(one.steps) for one in self.told.values())


def replay(parse: Callable[[], dict[int, Counted]]) -> Replay:
    """Parse a file and replay its registers on a disk of their own."""
    began = time.perf_counter()
    found = parse()
    parsed_s = time.perf_counter() - began
    began = time.perf_counter()
    told = asyncio.run(_replay(found))
    return Replay(found, told, parsed_s, time.perf_counter() - began)


async def _replay(found: dict[int, Counted]) -> dict[int, Told]:
    with tempfile.TemporaryDirectory() as folder:
        async with replayed(Path(folder), found) as (_, told):
            return told


def measure() -> list[Row]:
    """Replay both files once; returns their rows."""
    return [*_water(replay(water_year)), *_heat(replay(heat_years))]


def _water(one: Replay) -> list[Row]:
    seen = sum(backward(meter.readings) for meter in one.found.values())
    litres = sum(told.accepted for told in one.told.values())
    return [
        *_speed("a year of 92 water meters", one),
        _row("meters that lose no litre", one.kept, "meters", "meters of the file", one.kept / len(one.found)),
        _row("quarantined breaks of a register", one.steps, "steps", "backward steps of the file", one.steps / seen),
        _row("litres accepted", litres, "litres", "last - first - quarantined steps", float(one.kept == len(one.found))),
    ]  # fmt: skip


def _heat(one: Replay) -> list[Row]:
    energy, volume = (one.told[n] for n in one.found)
    return [
        *_speed("three years of a heat meter", one),
        _row("heat accepted", energy.accepted, "Wh", "last - first", energy.accepted / (energy.last - energy.first)),
        _row("its volume accepted", volume.accepted, "litres", "last - first", volume.accepted / (volume.last - volume.first)),
        _row("quarantined breaks of its registers", one.steps, "steps", "registers that never step back", one.steps / len(one.found)),
    ]  # fmt: skip


def _speed(what: str, one: Replay) -> list[Row]:
    bare = f"bare limit: parse {what}"
    return [
        _row(bare, one.bare, "readings/s", bare, 1.0),
        _row(what, one.rate, "readings/s", bare, one.rate / one.bare),
    ]


def _row(name: str, value: float, unit: str, against: str, ratio: float) -> Row:
    return {
        "name": name,
        "value": round(value, 1),
        "unit": unit,
        "against": against,
        "ratio": round(ratio, 3),
    }


def main() -> None:
    """Measure, print the table and write it to bench/results/real_registers.json."""
    rows = measure()
    for row in rows:
        sys.stdout.write(
            f"{row['name']:44} {row['value']:>12,} {row['unit']:10} {row['ratio']:>6} of {row['against']}\n"
        )
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
