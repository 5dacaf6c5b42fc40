"""Pure: what a meter can be told over its line: its address, its speed, its parity.

Modbus Application Protocol 1.1b3, section 6.12. Must never let anything else be
written: what counts in a meter is sealed.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace

from meterseal_sim.image import Trouble, exception
from meterseal_sim.pace import Pace
from meterseal_sim.profile import Profile, Register

WRITE_MULTIPLE = 16
HEAD = struct.Struct(">BHHB")
BAUD_CODES = {0: 2400, 1: 4800, 2: 9600, 3: 19_200, 4: 38_400, 5: 1200}
PARITY_CODES = {0: ("N", 1), 1: ("E", 1), 2: ("O", 1), 3: ("N", 2)}
"""Eastron's codes (SDM120 Modbus protocol 2.5, SDM630 Modbus protocol 2.0)."""
HIGHEST_UNIT = 247


@dataclass(frozen=True, slots=True)
class LineSettings:
    """What a meter was told: the address and pace it has from now on."""

    unit: int
    pace: Pace


def codes(unit: int, pace: Pace) -> Mapping[str, float]:
    """Return a meter's settings as the quantities that its registers show."""
    bauds = {baud: code for code, baud in BAUD_CODES.items()}
    parities = {parity: code for code, parity in PARITY_CODES.items()}
    return {
        "unit": unit,
        "baud_code": bauds.get(pace.baud, 2),
        "parity_code": parities.get((pace.parity, pace.stop), 0),
    }


def told(
    profile: Profile, request: bytes, unit: int, pace: Pace
) -> LineSettings | bytes:
    """Return what a write request tells the meter, or the exception that refuses it.

    A value must be written whole and alone, as the vendor has it.
    """
    if not profile.writable:
        return exception(WRITE_MULTIPLE, Trouble.ILLEGAL_FUNCTION)
    if len(request) < HEAD.size:
        return exception(WRITE_MULTIPLE, Trouble.ILLEGAL_VALUE)
    _, address, count, size = HEAD.unpack(request[: HEAD.size])
    data = request[HEAD.size :]
    if size != len(data) or size != 2 * count:
        return exception(WRITE_MULTIPLE, Trouble.ILLEGAL_VALUE)
    register = _setting(profile, address, count)
    if register is None:
        return exception(WRITE_MULTIPLE, Trouble.ILLEGAL_ADDRESS)
    found = _changed(register.quantity, _number(data), LineSettings(unit, pace))
    return found or exception(WRITE_MULTIPLE, Trouble.ILLEGAL_VALUE)


def acknowledged(request: bytes) -> bytes:
    """Return the PDU with which a meter says that it has taken a write."""
    return request[:5]


def _setting(profile: Profile, address: int, count: int) -> Register | None:
    for register in profile.registers:
        here = register.address == address and register.width == count
        if here and register.quantity in {"unit", "baud_code", "parity_code"}:
            return register
    return None


def _number(data: bytes) -> int:
    """Return the whole number of a float32; -1, which no setting is, for any other."""
    (value,) = struct.unpack(">f", data)
    return int(value) if 0 <= value <= HIGHEST_UNIT and value % 1 == 0 else -1


def _changed(quantity: str, number: int, now: LineSettings) -> LineSettings | None:
    if quantity == "unit" and 1 <= number <= HIGHEST_UNIT:
        return replace(now, unit=number)
    if quantity == "baud_code" and number in BAUD_CODES:
        return replace(now, pace=replace(now.pace, baud=BAUD_CODES[number]))
    if quantity == "parity_code" and number in PARITY_CODES:
        parity, stop = PARITY_CODES[number]
        return replace(now, pace=replace(now.pace, parity=parity, stop=stop))
    return None
