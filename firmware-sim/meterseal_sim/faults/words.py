"""Pure: faults of a value's words: none to be had, or in the wrong order.

Must never touch how many words a value has: an answer keeps its length.
"""

from meterseal_sim.electrical import IDENTITY
from meterseal_sim.image import Spoil, Words, as_told
from meterseal_sim.profile import TEXT, Register

NAN_WORDS = {"f32": (0x7FC0, 0), "f64": (0x7FF8, 0, 0, 0)}
"""IEEE 754 quiet NaN."""
NOT_SIGNED, NOT_UNSIGNED = 0x8000, 0xFFFF
"""What vendors and SunSpec show for "not available": the least signed value, and
all ones."""

__all__ = ["Spoil", "as_told", "not_available", "swapped"]


def not_available(register: Register, words: Words) -> Words:
    """Return the words of a value that is not to be had; identities and scales stay."""
    if not register.quantity or register.quantity in IDENTITY:
        return words
    if register.kind in NAN_WORDS:
        return NAN_WORDS[register.kind]
    if register.kind.startswith("s"):
        return (NOT_SIGNED, *(0 for _ in words[1:]))
    return tuple(NOT_UNSIGNED for _ in words)


def swapped(register: Register, words: Words) -> Words:
    """Return the words in the other order, as a meter set wrongly sends them."""
    # Every number of such a meter is sent so; a text has no word order.
    return words if register.kind == TEXT else words[::-1]
