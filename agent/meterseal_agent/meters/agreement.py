"""Whether two samples of one meter can both be true, taken a known time apart.

What no checksum covers is believed only when two agree: a register grows, and by no more
than its meter can carry. Pure; it must never look at a clock or keep a sample.
"""

from meterseal_agent.meters.registers import Sample
from meterseal_proto.units import RegisterId, obis_text


def disagreement(first: Sample, second: Sample, most: int) -> str:
    """Return what speaks against `second` after `first`, "" where nothing does.

    `most` is what a register can have grown by between them, in Wh or litres. A register
    that only the second tells is not confirmed. Values of the moment are not compared.
    """
    for register, two in second.values.items():
        if _of_the_moment(register):
            continue
        one = first.values.get(register)
        if one is None or not 0 <= two - one <= most:
            # No value: this text reaches the status, and usage stays out of that.
            how = "was not told twice" if one is None else "changed by what cannot be"
            return f"{obis_text(register)} {how}"
    return ""


def _of_the_moment(register: RegisterId) -> bool:
    """IEC 62056-6-1: group D = 7 of electricity is an instantaneous value."""
    a, _, _, d, _, _ = register.to_bytes(6)
    return (a, d) == (1, 7)
