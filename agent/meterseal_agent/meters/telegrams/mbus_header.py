"""Who answers and how it is: the header of an M-Bus answer (EN 13757-3, chapter 5).

The long header names the meter; the short one leaves that to the bus. The status byte is
the meter's own word on its health. This module must never pass on what is encrypted:
without its key no byte after the header means anything.
"""

from dataclasses import dataclass
from typing import Final

from meterseal_agent.meters.telegrams.mbus_obis import Medium
from meterseal_agent.meters.telegrams.model import BadTelegram

LONG_BYTES: Final = 12
SHORT_BYTES: Final = 4
_MODE_MASK: Final = 0x1F
"""Bits 8 to 12 of the configuration word: the encryption mode (EN 13757-7)."""
_MODES: Final = frozenset({1, 2, 3, 4, 5, 7, 8, 9, 10, 13})
"""The modes there are. Meters older than the configuration word fill its place with a
signature of their own, so another number there tells nothing."""


@dataclass(frozen=True, slots=True)
class Header:
    """The long header's fields; `ident` is eight digits, "" where a short one has none.

    `device` is the device type (medium) byte, `manufacturer` its three letters.
    """

    ident: str
    manufacturer: str
    version: int
    device: int
    access: int
    status: int

    @property
    def medium(self) -> Medium:
        """What the meter measures."""
        return MEDIA.get(self.device, Medium.OTHER)


MEDIA: Final = {
    0x02: Medium.ELECTRICITY,
    0x03: Medium.GAS,
    0x04: Medium.HEAT,
    0x06: Medium.HOT_WATER,
    0x07: Medium.COLD_WATER,
    0x08: Medium.HEAT_COST,
    0x0A: Medium.COOLING,
    0x0B: Medium.COOLING,
    0x0C: Medium.HEAT,
    0x0D: Medium.HEAT,
    0x15: Medium.HOT_WATER,
    0x16: Medium.COLD_WATER,
}
"""EN 13757-7, device types; a plain water meter (07) counts as cold water, as OMS does,
and a combined meter's (0D) forward energy is its heat."""

_APPLICATION: Final = ("", "application busy", "application error", "alarm")
_BITS: Final = {
    0x04: "power low",
    0x08: "permanent error",
    0x10: "temporary error",
}
_OWN_BITS: Final = 0xE0


def long_header(data: bytes, offset: int, *, msb_first: bool = False) -> Header:
    """Return the header in the first 12 bytes of `data`; BadTelegram when cut off."""
    if len(data) < LONG_BYTES:
        raise BadTelegram("the frame ends within its header", offset + len(data))
    ident, maker = data[:4][::-1], data[4:6][::-1]
    if msb_first:
        ident, maker = ident[::-1], maker[::-1]
    _refuse_encrypted(data[10:12], offset + 10)
    return Header(
        ident=ident.hex().upper(),
        manufacturer=letters(int.from_bytes(maker)),
        version=data[6],
        device=data[7],
        access=data[8],
        status=data[9],
    )


def short_header(data: bytes, offset: int) -> Header:
    """Return the header in the first 4 bytes of `data`; BadTelegram when cut off."""
    if len(data) < SHORT_BYTES:
        raise BadTelegram("the frame ends within its header", offset + len(data))
    _refuse_encrypted(data[2:4], offset + 2)
    return Header("", "", 0, 0, data[0], data[1])


def _refuse_encrypted(word: bytes, offset: int) -> None:
    mode = word[1] & _MODE_MASK
    if mode in _MODES:
        raise BadTelegram(
            f"the answer is encrypted (mode {mode}): ask the vendor to switch that off",
            offset,
        )


def letters(code: int) -> str:
    """Return the manufacturer's three letters (EN 62056-21 flag id, 5 bits each)."""
    return "".join(chr(64 + (code >> shift & 0x1F)) for shift in (10, 5, 0))


def status_text(status: int) -> str:
    """Return the status byte in words, "" when the meter reports nothing."""
    said = [_APPLICATION[status & 3]]
    said += [word for bit, word in _BITS.items() if status & bit]
    if status & _OWN_BITS:
        said.append(f"manufacturer's bits {status & _OWN_BITS:02X}")
    return ", ".join(word for word in said if word)
