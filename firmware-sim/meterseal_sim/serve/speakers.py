"""Who speaks in telegrams: homes, whose meters are asked now, or a capture.

Must never decide when: links do, at the pace of their wire.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from meterseal_sim import faults
from meterseal_sim.faults import Answer
from meterseal_sim.serve.bus import Bus, Tally
from meterseal_sim.street import Home
from meterseal_sim.telegrams import mbus

LITRE_WH = 40
"""A home uses a litre of water for every 40 Wh it imports: 250 litres a day."""
MEDIA = {"water": mbus.Kind.WATER, "heat": mbus.Kind.HEAT}

Encode = Callable[[Home, int, int], bytes]
"""A home, a second and a unit (M-Bus primary address), to the bytes of a telegram."""


class Speaker(Protocol):
    """The meters of one line, by unit."""

    def units(self) -> Sequence[int]:
        """Return the units there are."""
        ...

    def tell(self, unit: int) -> Answer:
        """Return the unit's telegram now, with what a fault has made of it."""
        ...

    def plate(self, unit: int) -> bytes:
        """Return a telegram of the unit without a fault: who it is."""
        ...


@dataclass(frozen=True, slots=True)
class HomeSpeaker:
    """The homes of a bus, each told by an encoder."""

    bus: Bus
    encode: Encode

    def units(self) -> Sequence[int]:
        """Return the units there are."""
        return list(self.bus.homes)

    def tell(self, unit: int) -> Answer:
        """Return the unit's telegram now."""
        home, t = self.bus.homes[unit], int(self.bus.now())
        tally = self.bus.tallies.setdefault(unit, Tally())
        raw = self.encode(home, t, unit)
        answer = faults.told(home.faults, t, home.seed, tally.asked + 1, raw)
        tally.note_told(answer)
        return answer

    def plate(self, unit: int) -> bytes:
        """Return the unit's telegram as it would be without a fault of the wire."""
        return self.encode(self.bus.homes[unit], int(self.bus.now()), unit)


@dataclass(slots=True)
class CaptureSpeaker:
    """One meter that says what was captured, again and again, or `once`."""

    telegrams: Sequence[bytes]
    once: bool = False
    _told: int = 0

    def units(self) -> Sequence[int]:
        """Return the one unit there is."""
        return [0]

    def tell(self, unit: int) -> Answer:
        """Return the next telegram, or silence when there is none left."""
        del unit
        turn, place = divmod(self._told, len(self.telegrams))
        if self.once and turn:
            return Answer(None)
        self._told += 1
        return Answer(self.telegrams[place])

    def plate(self, unit: int) -> bytes:
        """Return the first telegram."""
        del unit
        return self.telegrams[0]
