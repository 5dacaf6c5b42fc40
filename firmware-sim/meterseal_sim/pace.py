"""Pure: how long bytes take on a serial line, and how long it must rest between frames.

A character is a start bit, the data bits, the parity bit if there is one, and the stop
bits. Must never know a port or a clock: it turns counts into seconds.
"""

from dataclasses import dataclass

from meterseal_sim.refusal import Refused

PARITIES = ("N", "E", "O")
MIN_BAUD = 300
"""Where an optical head signs on (IEC 62056-21); no meter line is slower."""
MAX_BAUD = 921_600
FIXED_REST_S = 0.00175
FAST_BAUD = 19_200
"""Above this speed the rest between frames is 1.75 ms (Modbus over serial line 1.02,
section 2.5.1.1)."""
REST_CHARS = 3.5


@dataclass(frozen=True, slots=True)
class Pace:
    """A line's setting: bits a second, data bits, parity N, E or O, stop bits."""

    baud: int = 9600
    bits: int = 8
    parity: str = "N"
    stop: int = 1

    def __post_init__(self) -> None:
        """Raise Refused for a setting that no serial port has."""
        if not MIN_BAUD <= self.baud <= MAX_BAUD:
            raise Refused(f"baud {self.baud}: between {MIN_BAUD} and {MAX_BAUD}")
        if self.parity not in PARITIES:
            raise Refused(f"parity {self.parity!r}: one of {', '.join(PARITIES)}")
        if self.bits not in (7, 8) or self.stop not in (1, 2):
            raise Refused(f"{self}: 7 or 8 data bits, 1 or 2 stop bits")

    def __str__(self) -> str:
        """Say it as installers do: 9600 8N1."""
        return f"{self.baud} {self.bits}{self.parity}{self.stop}"

    @property
    def char_s(self) -> float:
        """Return how long one character occupies the wire."""
        return (1 + self.bits + (self.parity != "N") + self.stop) / self.baud

    @property
    def rest_s(self) -> float:
        """Return how long the line must be quiet between two Modbus RTU frames."""
        return FIXED_REST_S if self.baud > FAST_BAUD else REST_CHARS * self.char_s

    def span_s(self, count: int) -> float:
        """Return how long `count` characters occupy the wire."""
        return count * self.char_s
