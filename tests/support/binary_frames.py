"""SML and HDLC frames made by hand, for telegrams no captured meter sends.

Written from the standards and on its own: neither the agent's readers nor the
simulator's writers are used, their checksums included.
"""

from collections.abc import Sequence

ABSENT = b"\x01"


def crc(data: bytes, begin: int) -> int:
    """CRC of x^16 + x^12 + x^5 + 1, least significant bit first, bit by bit."""
    register = begin
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0x8408 if register & 1 else 0)
    return register


def x25_bytes(data: bytes) -> bytes:
    """The two bytes of CRC-16/X-25 as HDLC and SML send them."""
    return (crc(data, 0xFFFF) ^ 0xFFFF).to_bytes(2, "little")


def octets(raw: bytes) -> bytes:
    """An SML octet string."""
    length = len(raw) + 1
    if length < 16:
        return bytes((length,)) + raw
    return bytes((0x80 | (length + 1) >> 4, (length + 1) & 15)) + raw


def number(value: int, width: int, *, signed: bool = False) -> bytes:
    """An SML integer of `width` bytes."""
    head = (0x50 if signed else 0x60) | width + 1
    return bytes((head,)) + value.to_bytes(width, signed=signed)


def items(*parts: bytes) -> bytes:
    """An SML list."""
    return bytes((0x70 | len(parts),)) + b"".join(parts)


def entry(
    obis: str, value: bytes, *, unit: int = 30, scaler: int = -1, status: bytes = ABSENT
) -> bytes:
    """An SML list entry; `obis` is six bytes of hex."""
    name = octets(bytes.fromhex(obis))
    ten = number(scaler, 1, signed=True)
    return items(name, status, ABSENT, number(unit, 1), ten, value, ABSENT)


def value_list(server: bytes, entries: Sequence[bytes]) -> bytes:
    """The body of SML_GetList.Res."""
    seconds = items(number(1, 1), number(7, 4))
    listed = items(*entries)
    return items(ABSENT, octets(server), ABSENT, seconds, listed, ABSENT, ABSENT)


def message(body: bytes, *, kind: int = 0x0701, kermit: bool = False) -> bytes:
    """An SML message with its CRC, and with Holley's where asked for."""
    parts = (octets(b"\x01"), number(0, 1), number(0, 1), items(number(kind, 2), body))
    raw = b"\x76" + b"".join(parts)
    total = crc(raw, 0).to_bytes(2) if kermit else x25_bytes(raw)
    return raw + b"\x63" + total + b"\x00"


def sml_frame(*messages: bytes) -> bytes:
    """SML transport 1 around messages."""
    payload = b"".join(messages).replace(b"\x1b" * 4, b"\x1b" * 8)
    padding = -len(payload) % 4
    raw = b"\x1b" * 4 + b"\x01" * 4 + payload + bytes(padding)
    raw += b"\x1b" * 4 + bytes((0x1A, padding))
    return raw + x25_bytes(raw)


def hdlc_frame(information: bytes) -> bytes:
    """An HDLC frame, type 3, as a HAN port sends it."""
    length = 2 + 1 + 2 + 1 + 2 + len(information) + 2
    head = (0xA000 | length).to_bytes(2) + bytes.fromhex("41088313")
    raw = head + x25_bytes(head) + information
    return b"\x7e" + raw + x25_bytes(raw) + b"\x7e"
