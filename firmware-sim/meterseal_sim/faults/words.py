"""Pure: faults of a value's words: none to be had, or in the wrong order.

Must never touch how many words a value has: an answer keeps its length.
"""

from meterseal_sim.electrical import IDENTITY
from meterseal_sim.image import Spoil, Words, as_told
from meterseal_sim.profile import TEXT, Register

NAN = {"f32": 0x7FC0_0000, "f64": 0x7FF8_0000_0000_0000}
"""IEEE 754 quiet NaN."""

__all__ = ["Spoil", "as_told", "not_available", "swapped"]


def not_available(register: Register, words: Words) -> Words:
    """Return the words of a value that is not to be had; identities and scales stay."""
    if not register.quantity or register.quantity in IDENTITY:
        return words
    size = 16 * len(words)
    bits = register.nothing
    if bits is None:
        bits = NAN.get(register.kind, _usual(register.kind, size))
    shown = tuple(bits >> shift & 0xFFFF for shift in range(size - 16, -1, -16))
    return shown[::-1] if register.turned else shown


def _usual(kind: str, size: int) -> int:
    """Return what SunSpec and many vendors show: the least signed value, all ones."""
    return 1 << size - 1 if kind.startswith("s") else (1 << size) - 1


def swapped(register: Register, words: Words) -> Words:
    """Return the words in the other order, as a meter set wrongly sends them."""
    # Every number of such a meter is sent so; a text has no word order.
    return words if register.kind == TEXT else words[::-1]
