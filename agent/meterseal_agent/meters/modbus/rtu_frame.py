"""Frames of Modbus over serial line: unit, PDU, checksum.

Pure. Modbus over Serial Line V1.02, 2.5.1: CRC-16 with polynomial 0xA001, low byte first.
Frames are told apart by their length, never by silence: a kernel or a USB adapter hands
characters on in lumps, so gaps shorter than its own habits cannot be seen.
"""

from typing import Final

from meterseal_agent.meters.modbus.request import EXCEPTION, Garbled, Request

NOISE: Final = b"\x00\xff"
"""What a line turning round often reads as; no unit on a serial line has this address."""
LAST_UNIT: Final = 247
"""Section 2.2 there: units are 1 to 247."""
EXCEPTION_FRAME: Final = 5


def _table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0xA001 if crc & 1 else 0)
        table.append(crc)
    return tuple(table)


_CRC: Final = _table()


def checksum(raw: bytes) -> int:
    """Return the CRC of `raw`; 0 for a whole frame with its checksum."""
    crc = 0xFFFF
    for byte in raw:
        crc = (crc >> 8) ^ _CRC[(crc ^ byte) & 0xFF]
    return crc


def frame(unit: int, pdu: bytes) -> bytes:
    """Return the frame that asks or answers for `unit`, 1 to 247."""
    raw = bytes([unit]) + pdu
    return raw + checksum(raw).to_bytes(2, "little")


def quiet(heard: bytes) -> bool:
    """Tell whether nothing but the noise of a turning line was heard."""
    return not heard.strip(NOISE)


def answer(heard: bytes, unit: int, request: Request) -> bytes | None:
    """Return the PDU of the answer in `heard`, None while more of it must come.

    Raises Garbled as soon as `heard` cannot become the answer of `unit` to `request`.
    """
    heard = heard.lstrip(NOISE)
    if len(heard) < 3:
        return None
    if heard[1] == request.function | EXCEPTION:
        size = EXCEPTION_FRAME
    else:
        size = request.answer_size + 3
    if not heard.startswith(_heads(unit, request)):
        raise Garbled("the answer does not fit the question")
    if len(heard) < size:
        return None
    if checksum(heard[:size]) or not quiet(heard[size:]):
        raise Garbled("the checksum does not fit")
    return heard[1 : size - 2]


def explain(heard: bytes, unit: int, request: Request) -> Garbled:
    """Return what is wrong with all that was heard instead of an answer."""
    raw = heard.strip(NOISE) if checksum(heard) else heard
    if heard == frame(unit, request.pdu()):
        return Garbled("only the question came back: switch off the adapter's echo")
    if len(raw) < 4 or checksum(raw):
        return Garbled(
            "the checksum is wrong: look for a second unit at this address, then for"
            " termination, bias and length of the line",
            noise=True,
        )
    if raw[0] != unit:
        return Garbled(f"unit {raw[0]} answered instead")
    return Garbled("the answer does not fit the question")


def _heads(unit: int, request: Request) -> tuple[bytes, ...]:
    """Return how an answer may begin: a refusal, or what was asked for."""
    refusal = bytes([unit, request.function | EXCEPTION])
    if request.values:
        return refusal, bytes([unit]) + request.pdu()[:2]
    return refusal, bytes([unit, request.function, 2 * request.count])
