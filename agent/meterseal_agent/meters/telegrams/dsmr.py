r"""DSMR P1 telegrams: what the customer port of a smart meter pushes every 1 to 10 s.

    /ISk5\2MT382-1000 CR LF CR LF  1-0:1.8.1(000004.426*kWh) CR LF ...  !6EEE CR LF

Sources: DSMR P1 companion standard 2.2 to 5.0.2 (Netbeheer Nederland), e-MUCS P1 1.7.1
(Fluvius), the Swedish sector's HAN text interface, the same lines of EasyMeter's Q3D.
From DSMR 4 on a CRC closes the telegram: one that does not fit is never decoded, and
nothing here restores line ends or digits that were lost on the way.
"""

import re
from functools import lru_cache
from typing import Final

from meterseal_agent.meters.telegrams import readout
from meterseal_agent.meters.telegrams.model import BadTelegram, Telegram, Value
from meterseal_proto.units import RegisterId, parse_obis

PROTOCOL: Final = "dsmr"
_CODES_KEPT: Final = 1024
"""A telegram has 20 to 60 names, and the same ones every second."""
_END: Final = re.compile(rb"\n![^\n]{0,16}\n")
_TAIL: Final = re.compile(rb" *([0-9A-Fa-f]{1,4})? *(?:\r\n)?")
_LF_TAIL: Final = re.compile(rb" *([0-9A-Fa-f]{1,4})? *(?:\r?\n)?")
"""After `!`: the CRC, which some dongles write without its leading zeros, or nothing.
It ends as the line before it does, lest a damaged CRC pass for none."""
_IDS: Final = tuple(
    parse_obis(code)
    for code in ("0-0:96.1.1", "0-0:96.1.0", "0-0:96.1.255*255", "1-0:0.0.0")
)
_PLATE: Final = re.compile(r"(?:[0-9A-Fa-f]{2}){10,48}")
"""P1 5.0.2, 6.12: an identifier comes as hexadecimal ASCII. Shorter ones are digits."""


def decode(frame: bytes) -> Telegram:
    """Return the telegram of a frame from `/` to the line of `!`.

    `checked` is True when the frame carries a CRC. BadTelegram for a CRC that is wrong,
    and without a CRC for any line that is none.
    """
    head = readout.HEAD.match(frame)
    if head is None:
        raise BadTelegram("a P1 telegram begins with /, its maker and its model", 0)
    end = frame.rfind(b"!")
    if end < head.end():
        raise BadTelegram("the telegram is cut off before its line of !", len(frame))
    tail_form = _TAIL if frame[end - 2 : end] == b"\r\n" else _LF_TAIL
    tail = tail_form.fullmatch(frame, end + 1)
    if tail is None:
        raise BadTelegram("neither a checksum nor the line's end is after !", end + 1)
    if tail[1] is not None:
        _check(frame[: end + 1], int(tail[1], 16))
    elif frame[end - 1 : end] != b"\n":
        raise BadTelegram("the ! that ends a telegram stands on its own line", end)
    body, checked = frame[head.end() : end], tail[1] is not None
    values = readout.values(body, head.end(), _DIALECT, checked=checked)
    if not values:
        raise BadTelegram("the telegram holds no value", head.end())
    return Telegram(PROTOCOL, _meter(values, head[1].decode()), values, checked)


def crc16(data: bytes) -> int:
    """Return the CRC-16 of P1 5.0.2, 6.2: x16+x15+x2+1, reflected, begun at 0 (ARC)."""
    crc = 0
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc


def _entry(index: int) -> int:
    for _ in range(8):
        index = index >> 1 ^ (0xA001 if index & 1 else 0)
    return index


_TABLE: Final = tuple(_entry(index) for index in range(256))


def _check(covered: bytes, told: int) -> None:
    made = crc16(covered)
    if made == told:
        return
    detail = f"the checksum is {made:04X} and the telegram says {told:04X}"
    lines = covered.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    if lines != covered and crc16(lines) == told:
        detail += (
            "; with CR LF it fits: its line ends were changed, capture it in binary"
        )
    raise BadTelegram(detail, len(covered))


@lru_cache(_CODES_KEPT)
def _name(text: str) -> RegisterId:
    return parse_obis(text)


_DIALECT: Final = readout.Dialect(_name)


def _meter(values: tuple[Value, ...], model: str) -> str:
    """Return the number on the meter's plate, or its model where it tells none."""
    told = readout.told_by(values, _IDS)
    if _PLATE.fullmatch(told):
        plate = bytes.fromhex(told)
        if plate.isalnum():
            return plate.decode("ascii")
    return told or model


def _find_end(buffer: bytearray, begin: int) -> int:
    match = _END.search(buffer, begin)
    return match.end() if match else -1


class Splitter(readout.TextSplitter):
    """Cuts a P1 stream into telegrams; it may begin and end anywhere.

    A frame is given once its line of `!` has ended. At the end of a file whose last line
    has no end, feed CR LF.
    """

    def __init__(self) -> None:
        super().__init__(_find_end)
