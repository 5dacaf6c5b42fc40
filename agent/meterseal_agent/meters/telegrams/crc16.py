"""The two CRC-16 of metering that share a polynomial: X-25 and Kermit.

Polynomial x^16 + x^12 + x^5 + 1, least significant bit first (ITU-T V.42, 8.1.1.6).
X-25 begins with all ones and inverts the end; Kermit does neither. The standard
library has this polynomial most significant bit first (XMODEM), so bytes are turned
round before and the sum after. Any error within 16 bits shows, so every wrong byte.
This module must never decide which of the two a meter meant.
"""

import binascii
from typing import Final

CRC_BYTES: Final = 2
_REVERSED: Final = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def x25(data: bytes) -> int:
    """Return CRC-16/X-25 (also IBM-SDLC): HDLC's FCS and SML's; 0x906E of b"123456789"."""
    return _reflected(data, 0xFFFF) ^ 0xFFFF


def kermit(data: bytes) -> int:
    """Return CRC-16/Kermit: what Holley's SML messages carry; 0x2189 of b"123456789"."""
    return _reflected(data, 0)


def _reflected(data: bytes, begin: int) -> int:
    turned = binascii.crc_hqx(data.translate(_REVERSED), begin)
    low, high = turned & 0xFF, turned >> 8
    return _REVERSED[low] << 8 | _REVERSED[high]
