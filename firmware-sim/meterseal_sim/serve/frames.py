"""Pure: Modbus frames, on a serial line and on TCP, with what faults do to them.

Modbus over serial line 1.02 (section 2.5.1) and Modbus Messaging on TCP/IP 1.0b
(section 3.1.3). Must never know a port, a meter or the time.
"""

import struct

MBAP = struct.Struct(">HHHB")
MAX_LENGTH = 254
"""Unit and PDU: 253 bytes of PDU are the most Modbus has."""
MAX_UNIT = 247
BROADCAST = 0
CRC_BYTES = 2
SHORTEST = 4
"""Unit, function and CRC: a shorter serial frame cannot be one."""
FIXED = frozenset({1, 2, 3, 4, 5, 6})
"""Functions whose request is unit, function, two words and CRC: 8 bytes."""
COUNTED = frozenset({15, 16})
"""Functions whose request says at byte 6 how many data bytes follow."""
BARE = frozenset({7, 11, 12, 17})
"""Functions whose request has no data."""


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
        table.append(crc)
    return tuple(table)


_TABLE = _crc_table()


def crc16(data: bytes) -> int:
    """Return the CRC of a serial frame, to be sent low byte first."""
    crc = 0xFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc


def sealed(body: bytes) -> bytes:
    """Return unit and PDU followed by their CRC."""
    return body + crc16(body).to_bytes(CRC_BYTES, "little")


def opened(frame: bytes) -> tuple[int, bytes] | None:
    """Return unit and PDU of a serial frame; None when its CRC is not right."""
    if len(frame) < SHORTEST or sealed(frame[:-CRC_BYTES]) != frame:
        return None
    return frame[0], frame[1:-CRC_BYTES]


def request_length(head: bytes) -> int | None:
    """Return how long the request will be that begins so; None until it can be told.

    A function that is not known here has no known length either: its request ends
    with the silence after it.
    """
    if len(head) < 2:
        return None
    if head[1] in FIXED:
        return 8
    if head[1] in BARE:
        return SHORTEST
    if head[1] in COUNTED and len(head) > 6:
        return 9 + head[6]
    return None
