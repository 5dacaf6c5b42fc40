"""What can be spoken on a line: its usual wire, its rhythm and its meters' telegrams.

Must never hold a meter: it says how meters of a kind behave.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from meterseal_sim import faults
from meterseal_sim.electrical import Quantities
from meterseal_sim.pace import Pace
from meterseal_sim.serve.links import ModeC, Push
from meterseal_sim.serve.mbus import SlaveLink
from meterseal_sim.serve.speakers import LITRE_WH, MEDIA, Encode
from meterseal_sim.street import Home
from meterseal_sim.telegrams import d0, dsmr, mbus, sml

MODBUS = "modbus"
M_BUS = "mbus"
Link = Push | ModeC | SlaveLink
Write = Callable[[Quantities, int, int], bytes]


@dataclass(frozen=True, slots=True)
class Spoken:
    """A protocol: the usual pace of its wire, and every how many seconds it speaks.

    `interval_s` is 0 where the meter only answers. `write` is its encoder, None where
    a street has no meter of the kind and only a capture can be replayed.
    """

    pace: Pace
    interval_s: float
    write: Write | None

    def link(self, interval_s: float | None = None) -> Link:
        """Return how a meter of this kind behaves on its wire."""
        if self.interval_s:
            return Push(interval_s or self.interval_s)
        return ModeC() if self.pace.bits == 7 else SlaveLink()


def _pushed_d0(values: Quantities, serial: int, at: int) -> bytes:
    return d0.encode(values, serial, at, checked=False)


SPOKEN: Mapping[str, Spoken] = {
    "dsmr": Spoken(Pace(115_200), 1.0, dsmr.encode),
    "sml": Spoken(Pace(9600), 2.0, sml.encode),
    "d0": Spoken(Pace(9600, 7, "E"), 2.0, _pushed_d0),
    "d0-mode-c": Spoken(Pace(300, 7, "E"), 0.0, d0.encode),
    M_BUS: Spoken(Pace(2400, 8, "E"), 0.0, None),
    "han": Spoken(Pace(2400, 8, "E"), 10.0, None),
}
"""Everything but Modbus, by the names an agent's configuration has."""


def electricity(write: Write) -> Encode:
    """Return the encoder of an electricity meter's telegram."""

    def encode(home: Home, t: int, unit: int) -> bytes:
        clock = t + faults.clock_shift_s(home.faults, t)
        return write(home.quantities_at(t, unit), int(home.serial), clock)

    return encode


def medium(media: Mapping[int, str]) -> Encode:
    """Return the encoder of M-Bus meters that count what `media` says for each unit."""

    def encode(home: Home, t: int, unit: int) -> bytes:
        kind = MEDIA[media[unit]]
        wh = home.shown_at(t).import_wh
        total = wh // LITRE_WH if kind is mbus.Kind.WATER else wh
        clock = t + faults.clock_shift_s(home.faults, t)
        return mbus.encode(kind, total, int(home.serial), clock, address=unit)

    return encode
