"""Pure: a profile and a meter's quantities to the answer a read request gets.

Modbus Application Protocol 1.1b3, sections 6.3, 6.4 and 7. Only reads exist; a
write is an illegal function. This module must never know wires, time or faults.
"""

import struct
from collections.abc import Callable
from enum import IntEnum
from itertools import pairwise

from meterseal_sim.electrical import Quantities
from meterseal_sim.profile import TEXT, Profile, Register

READ_HOLDING = 3
READ_INPUT = 4
MODBUS_MAX_REGISTERS = 125
"""The most that fits the 253 bytes of a Modbus PDU (section 6.3)."""

FORMATS = {
    "u16": ">H",
    "s16": ">h",
    "u32": ">I",
    "s32": ">i",
    "f32": ">f",
    "u64": ">Q",
    "s64": ">q",
    "f64": ">d",
}


class Trouble(IntEnum):
    """Modbus exception codes a meter or its gateway answers with (section 7)."""

    ILLEGAL_FUNCTION = 1
    ILLEGAL_ADDRESS = 2
    ILLEGAL_VALUE = 3
    BUSY = 6
    TARGET_SILENT = 11


Words = tuple[int, ...]
Spoil = Callable[[Register, Words], Words]


def as_told(register: Register, words: Words) -> Words:
    """Spoil nothing."""
    del register
    return words


def respond(
    profile: Profile, values: Quantities, request: bytes, spoil: Spoil = as_told
) -> bytes:
    """Return the PDU that answers a request PDU; troubles are answers too.

    `spoil` may change the words of each value that is read.
    """
    function = request[0] if request else 0
    if function not in profile.functions():
        return exception(function, Trouble.ILLEGAL_FUNCTION)
    if len(request) != 5:
        return exception(function, Trouble.ILLEGAL_VALUE)
    address, count = struct.unpack(">HH", request[1:])
    words = read(profile, values, function, address, count, spoil)
    if isinstance(words, Trouble):
        return exception(function, words)
    return struct.pack(f">BB{count}H", function, 2 * count, *words)


def exception(function: int, trouble: Trouble) -> bytes:
    """Return the exception PDU for a request with that function code."""
    return bytes((function & 0x7F | 0x80, trouble))


def read(
    profile: Profile,
    values: Quantities,
    function: int,
    address: int,
    count: int,
    spoil: Spoil = as_told,
) -> Words | Trouble:
    """Return `count` register words from the PDU `address`, or what is wrong.

    Too many registers are an illegal value; half a value (where the vendor
    refuses it), an address off every page, or a run of addresses that holds no
    value at all are an illegal address. Holes between values read as 0.
    """
    if not 1 <= count <= min(profile.max_registers, MODBUS_MAX_REGISTERS):
        return Trouble.ILLEGAL_VALUE
    if profile.pairs_only and (address % 2 or count % 2):
        return Trouble.ILLEGAL_ADDRESS
    last = address + count - 1
    if not _covered(profile, function, address, last):
        return Trouble.ILLEGAL_ADDRESS
    touched = [
        register
        for register in profile.registers
        if register.function == function
        and register.address <= last
        and register.address + register.width > address
    ]
    if not touched:
        return Trouble.ILLEGAL_ADDRESS
    words = [0] * count
    for register in touched:
        value = encode(register, values, low_word_first=profile.low_word_first)
        for place, word in enumerate(spoil(register, value)):
            at = register.address + place - address
            if 0 <= at < count:
                words[at] = word
    return tuple(words)


def encode(register: Register, values: Quantities, *, low_word_first: bool) -> Words:
    """Return a quantity as the register's words, most significant first by default.

    Integer kinds floor, so an energy in Wh is exact; floats round once, to the
    nearest.
    """
    packed = _packed(register, values)
    words = struct.unpack(f">{register.width}H", packed)
    turned = low_word_first and register.kind != TEXT
    return words[::-1] if turned else words


def _packed(register: Register, values: Quantities) -> bytes:
    size = 2 * register.width
    if register.raw is not None:
        return (register.raw % (1 << 8 * size)).to_bytes(size)
    if register.kind == TEXT:
        said = register.said or str(int(values[register.quantity]))
        return said.encode("ascii")[:size].ljust(size, bytes(1))
    value = values[register.quantity] * register.times
    if register.kind.startswith("f"):
        return struct.pack(FORMATS[register.kind], value / register.divide)
    return struct.pack(FORMATS[register.kind], int(value // register.divide))


def _covered(profile: Profile, function: int, first: int, last: int) -> bool:
    """Say whether one page, or pages that touch, hold every address."""
    pages = sorted(
        (page for page in profile.pages if page.function == function),
        key=lambda page: page.first,
    )
    inside = [page for page in pages if page.last >= first and page.first <= last]
    return (
        bool(inside)
        and inside[0].first <= first
        and inside[-1].last >= last
        and all(here.last + 1 == after.first for here, after in pairwise(inside))
    )
