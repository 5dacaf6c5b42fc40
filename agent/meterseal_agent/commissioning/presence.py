"""What a bus scan heard at each address, told apart as a technician must tell it apart.

Pure. Silence, noise and a refusal have different cures: noise where an answer is due is
mostly two units at one address. It must never count a gateway's word for a unit's.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

FIRST_UNIT: Final = 1
LAST_UNIT: Final = 247
"""Modbus over Serial Line V1.02, 2.2: the addresses of single units."""
GATEWAY_CODES: Final = frozenset({10, 11})
"""Modbus Application Protocol V1.1b3, 7: what a gateway says of a unit it cannot reach."""
EXCEPTIONS: Final = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "device failure",
    5: "acknowledge",
    6: "busy",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target silent",
}
"""The same section."""


class Presence(StrEnum):
    """What came of asking one address."""

    ANSWERS = "answers"
    EXCEPTION = "exception"
    NOISE = "noise"
    STRANGE = "strange"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Setting:
    """How a serial line was set; a network has none: baud 0."""

    baud: int = 0
    parity: str = "N"
    stop: int = 1

    def __str__(self) -> str:
        return f"{self.baud} 8{self.parity}{self.stop}" if self.baud else "network"


@dataclass(frozen=True, slots=True)
class Heard:
    """What one address answered; `code` is an exception's, `late_ms` how long it took."""

    unit: int
    presence: Presence
    code: int = 0
    late_ms: float = 0.0

    @property
    def there(self) -> bool:
        """Tell whether anything is at the address, in whatever state."""
        return self.presence is not Presence.SILENT


def sentence(setting: Setting, heard: Heard) -> str:
    """Return the line that tells of one address where something is."""
    head = f"{setting!s:12} unit {heard.unit:3}"
    match heard.presence:
        case Presence.ANSWERS:
            return f"{head}  answers, {heard.late_ms:.0f} ms"
        case Presence.EXCEPTION:
            name = EXCEPTIONS.get(heard.code, "unknown")
            return f"{head}  is there, but answers exception {heard.code} ({name})"
        case Presence.NOISE:
            return (
                f"{head}  NOISE: answers come damaged every time; two units have this"
                " address, or the line is bad: take one off and scan again"
            )
        case Presence.STRANGE:
            return f"{head}  answers, but not what was asked: is it Modbus at all?"
        case Presence.SILENT:
            return f"{head}  silent"


def summary(found: Sequence[tuple[Setting, Heard]], asked: int) -> list[str]:
    """Return what a scan of `asked` questions comes to, and what to do next."""
    there = [heard for _, heard in found if heard.there]
    noisy = [h.unit for h in there if h.presence is Presence.NOISE]
    lines = [
        f"{len(there)} of {asked} asked addresses answered, {asked - len(there)} silent"
    ]
    if not there:
        lines.append(
            "nobody answers: check power, A and B (exchange them once), termination, and"
            " that no other program asks on this line"
        )
    if noisy:
        lines.append(f"damaged answers at unit {_listed(noisy)}")
    if len(there) == LAST_UNIT and len({h.presence for h in there}) == 1:
        lines.append(
            "every address answers alike: a meter with its own network port, not a gateway"
        )
    return lines


def units(text: str) -> tuple[int, ...]:
    """Return the addresses named by `1-247` or `1,3,7-9`; ValueError for others."""
    found: set[int] = set()
    for part in text.split(","):
        low, dash, high = part.partition("-")
        if not low.isdecimal() or (dash and not high.isdecimal()):
            raise ValueError(f"{part!r} is no address; write 1-247 or 1,3,7-9")
        found |= set(range(int(low), int(high or low) + 1))
    if not found or min(found) < FIRST_UNIT or max(found) > LAST_UNIT:
        raise ValueError(f"unit addresses go from {FIRST_UNIT} to {LAST_UNIT}")
    return tuple(sorted(found))


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(str(number) for number in numbers)
