"""A pulse output as configured: its GPIO line, what a pulse is worth, where it is counted.

    [[meters]]
    serial = "S0-1"
    protocol = "pulse"
    chip = "/dev/gpiochip0"
    pin = 17
    pulses_per_kwh = 1000
    registers = ["1-0:1.8.0"]
    capacity_w = 7400

It must never open the line.
"""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final
from urllib.parse import quote

from meterseal_agent.config.fields import choice, integer, seconds
from meterseal_agent.config.model import Bias, Edge, PulseConfig
from meterseal_agent.meters.table import BadTable, Table

MAX_PULSES: Final = 100_000
"""Pulses a kWh or m3: ten times the finest S0 output."""
MAX_START: Final = 10**12
MAX_PIN: Final = 1023
"""GPIO lines of one chip: more than any board has."""
MAX_DEBOUNCE_MS: Final = 1000
UNITS_A_PULSE_COUNTS: Final = 1000
"""Wh in a kWh, litres in a cubic metre."""


@dataclass(frozen=True, slots=True)
class _Words:
    """The keys of one quantity, so that nobody gives litres for energy."""

    per: str
    start: str


ENERGY: Final = _Words("pulses_per_kwh", "start_wh")
VOLUME: Final = _Words("pulses_per_m3", "start_l")


def pulses(table: Table, folder: Path, serial: str, *, volume: bool) -> PulseConfig:
    """Take what a meter's table says of its pulse output."""
    words, others = (VOLUME, ENERGY) if volume else (ENERGY, VOLUME)
    for key in (others.per, others.start):
        if table.has(key):
            raise BadTable(f"{table.where}: {key} does not fit these registers")
    chip = table.text("chip")
    if not chip.startswith("/dev/"):
        raise BadTable(f"{table.where}: chip must be a device like /dev/gpiochip0")
    per = table.integer(words.per, low=1, high=MAX_PULSES)
    return PulseConfig(
        chip=chip,
        pin=table.integer("pin", low=0, high=MAX_PIN),
        bias=choice(table, "bias", Bias, Bias.PULL_UP),
        edge=choice(table, "edge", Edge, Edge.FALLING),
        debounce_s=seconds(table, "debounce_ms", low=0, high=MAX_DEBOUNCE_MS),
        weight=Fraction(UNITS_A_PULSE_COUNTS, per),
        start=integer(table, words.start, 0, low=0, high=MAX_START),
        # A serial may hold what a file's name may not.
        folder=folder / "pulses" / f"meter-{quote(serial, safe='')}",
    )
