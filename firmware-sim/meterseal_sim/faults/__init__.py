"""Pure: what can go wrong with a meter, each a function over what it would show.

    model (words) > registers | wiring (inside the meter) > words > answers > frames (the wire)

A fault lasts from one second to another of the street's time, or strikes a share
of the requests; the dice belong to the seed, so a rehearsal can be repeated. A
fault must never change the truth: the curve goes on counting behind it.
"""

from meterseal_sim.faults.answers import Answer, answered, spoiler, told
from meterseal_sim.faults.frames import damaged, damaged_telegram, lost
from meterseal_sim.faults.model import Fault, Kind, of_home, parse, written
from meterseal_sim.faults.registers import (
    clock_shift_s,
    dark,
    faded,
    shown,
    shown_second,
)
from meterseal_sim.faults.wiring import strayed, wiring

__all__ = [
    "Answer",
    "Fault",
    "Kind",
    "answered",
    "clock_shift_s",
    "damaged",
    "damaged_telegram",
    "dark",
    "faded",
    "lost",
    "of_home",
    "parse",
    "shown",
    "shown_second",
    "spoiler",
    "strayed",
    "told",
    "wiring",
    "written",
]
