"""Quantities, registers and quality codes: the field's words as distinct types.

Import is what the house takes from the grid, export what it gives to it; both
registers only grow. Energy is counted in whole watt-hours, water in litres. This
module must never hold a float: a fraction of a watt-hour does not leave the meter.
"""

import re
from enum import IntEnum
from typing import Final, NewType

Wh = NewType("Wh", int)
"""Energy in watt-hours, an integer."""

MeterId = NewType("MeterId", bytes)
"""A meter's identity: 16 random bytes given at enrolment."""

RegisterId = NewType("RegisterId", int)
"""A register: its six OBIS bytes A-B:C.D.E*F (IEC 62056-6-1) as one unsigned integer."""

IMPORT: Final = RegisterId(0x0100_0108_00FF)
"""1-0:1.8.0, active energy taken from the grid, Wh."""
EXPORT: Final = RegisterId(0x0100_0208_00FF)
"""1-0:2.8.0, active energy given to the grid, Wh."""
WATER: Final = RegisterId(0x0800_0100_00FF)
"""8-0:1.0.0, cold water volume, litres."""
HEAT: Final = RegisterId(0x0600_0100_00FF)
"""6-0:1.0.0, heat energy, Wh."""
GAS: Final = RegisterId(0x0700_0300_00FF)
"""7-0:3.0.0, gas volume as metered, litres."""

METER_ID_BYTES: Final = 16
SECONDS_AN_HOUR: Final = 3_600
MAX_REGISTER: Final = (1 << 48) - 1

_OBIS = re.compile(
    r"(\d{1,3})-(\d{1,3}):(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?:\*(\d{1,3}))?"
)
_F_UNUSED = 255  # IEC 62056-6-1: value group F is 255 where it is not used.


class Quality(IntEnum):
    """Quality of a reading, as numbered by ESPI (NAESB REQ.21, QualityOfReading).

    Devices seal `RAW` or `QUESTIONABLE`; validation (VEE) answers with
    `VALIDATED` or better, and only 17 to 19 may mint. `MISSING` stands in committed
    seals for a slot the meter did not tell: ESPI has no code for that, 16 is its "other".
    """

    VALID = 0
    EDITED = 7
    ESTIMATED = 8
    INTERPOLATED = 9
    QUESTIONABLE = 10
    RAW = 14
    MISSING = 16
    VALIDATED = 17
    VERIFIED = 18
    REVENUE = 19


MINTABLE: Final = frozenset({Quality.VALIDATED, Quality.VERIFIED, Quality.REVENUE})


def plausible_wh(capacity_w: int, length_s: int) -> int:
    """Return the most a register can grow by in `length_s` seconds, in whole Wh.

    Its capacity in W (for water, litres per hour: then litres) x 1.1, because inverters
    and meters overshoot by less, and 1 for the fraction cut off at either end. More is
    doubted: quarantined by intake, questionable to validation, sealed alone by an agent.
    Source: the high check of utilities' validation (AEMO Metrology Procedure Part B).
    """
    return capacity_w * length_s * 11 // (10 * SECONDS_AN_HOUR) + 1


def parse_obis(text: str) -> RegisterId:
    """Return the register named by `A-B:C.D.E` or `A-B:C.D.E*F`.

    Raises ValueError when the text is no OBIS code or a group exceeds 255.
    """
    match = _OBIS.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no OBIS code; write it like 1-0:1.8.0")
    groups = [_F_UNUSED if g is None else int(g) for g in match.groups()]
    if max(groups) > 255:
        raise ValueError(f"{text!r} is no OBIS code: every group is 0 to 255")
    return RegisterId(int.from_bytes(bytes(groups)))


def obis_text(register: RegisterId) -> str:
    """Return `A-B:C.D.E`, with `*F` only where group F is in use."""
    a, b, c, d, e, f = register.to_bytes(6)
    tail = "" if f == _F_UNUSED else f"*{f}"
    return f"{a}-{b}:{c}.{d}.{e}{tail}"
