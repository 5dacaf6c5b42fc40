"""P1 telegrams and IEC 62056-21 read-outs as a meter writes them, for the tests."""

from collections.abc import Sequence
from functools import reduce
from operator import xor

POLYNOMIAL = 0xA001


def p1_crc(data: bytes) -> int:
    """CRC-16/ARC bit by bit, as the standard draws it."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ POLYNOMIAL if crc & 1 else crc >> 1
    return crc


def p1(*lines: str, head: str = r"/ISk5\2MT382-1000") -> bytes:
    """A DSMR 5 telegram of these lines, with its CRC."""
    text = "".join(f"{line}\r\n" for line in (head, "", *lines)) + "!"
    return text.encode() + f"{p1_crc(text.encode()):04X}\r\n".encode()


def pushed(*lines: str, head: str = "/HAG5eHZ010C_EHZ1vA02") -> bytes:
    """A read-out as mode D pushes it: no STX, no BCC."""
    return "".join(f"{line}\r\n" for line in (head, "", *lines, "!")).encode()


def data_message(*lines: str) -> bytes:
    """What a meter sends between STX and its BCC, both included."""
    body = "".join(f"{line}\r\n" for line in (*lines, "!")).encode() + b"\x03"
    return b"\x02" + body + bytes([reduce(xor, body)])


def framed(*lines: str, head: str = "/LGZ4ZMF100AC.M27") -> bytes:
    """A read-out with its identification, STX and BCC."""
    return head.encode() + b"\r\n" + data_message(*lines)


def energy(import_wh: int, export_wh: int) -> Sequence[str]:
    """The two totals in kWh and a power of 378 W."""
    return (
        f"1-0:1.8.0({import_wh / 1000:010.3f}*kWh)",
        f"1-0:2.8.0({export_wh / 1000:010.3f}*kWh)",
        "1-0:1.7.0(00.378*kW)",
        "1-0:2.7.0(00.000*kW)",
    )
