"""Pure: the checksums of four telegram formats, each as its standard computes it.

They are small and slow on purpose: a telegram a second needs no tables. Must never be
shared with the agent: two equal mistakes would pass for a right sum.
"""

from functools import reduce
from operator import xor

CCITT = 0x8408
ARC = 0xA001


def crc16(data: bytes, *, taps: int, begin: int) -> int:
    """Return a reflected CRC-16 whose polynomial, turned round, is `taps`."""
    register = begin
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (taps if register & 1 else 0)
    return register


def x25(data: bytes) -> int:
    """Return SML's and HDLC's CRC (CRC-16/X-25)."""
    return crc16(data, taps=CCITT, begin=0xFFFF) ^ 0xFFFF


def p1(data: bytes) -> int:
    """Return the CRC of a DSMR P1 telegram (CRC-16/ARC; DSMR P1 5.0.2, 6.2)."""
    return crc16(data, taps=ARC, begin=0)


def block_check(data: bytes) -> int:
    """Return the BCC of IEC 62056-21: the exclusive or of all bytes (6.3.1)."""
    return reduce(xor, data, 0)


def m_bus(data: bytes) -> int:
    """Return the checksum of an M-Bus frame: the sum, modulo 256 (EN 13757-2, 5.5)."""
    return sum(data) % 256
