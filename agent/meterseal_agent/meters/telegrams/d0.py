"""Read-outs of IEC 62056-21 (D0): pushed by the meter, or what it answers in mode C.

    /LGZ4ZMF100AC.M27 CR LF STX 1.8.0(000219.252*kWh) CR LF ... ! CR LF ETX BCC

Sources: IEC 62056-21:2002, 5.8 (BCC), 6.3 (messages), 6.5 (data); IEC 62056-61, annex A
(reduced codes). A read-out between STX and ETX whose BCC is wrong is never decoded; the
BCC is one XOR of 8 bits, and `checked` promises no more than that.
"""

import re
from functools import lru_cache, reduce
from operator import xor
from typing import Final

from meterseal_agent.meters.telegrams import readout
from meterseal_agent.meters.telegrams.model import BadTelegram, Telegram
from meterseal_proto.units import RegisterId, parse_obis

PROTOCOL: Final = "d0"
STX: Final = 0x02
ETX: Final = 0x03
_CODES_KEPT: Final = 1024
"""A read-out has up to some hundred names, with its historic values."""
_TAIL: Final = re.compile(rb"[ \r\n]*(?:(\x03)(.))?", re.DOTALL)
_PUSHED_END: Final = re.compile(
    rb"![ \r\n]{0,4}\x03.|[\r\n]![^\r\n\x03]{0,16}\r?\n(?!\x03)", re.DOTALL
)
"""Without STX nothing says that an ETX will come: the end of the line is the end."""
_FRAMED_END: Final = re.compile(
    rb"![ \r\n]{0,4}\x03.|[\r\n]!\r?\n[\r\n]?(?=[^\r\n\x03])", re.DOTALL
)
"""After STX the ETX and its BCC are waited for until something else comes."""
_REDUCED: Final = re.compile(
    r"(?:([0-9]{1,3})-([0-9]{1,3}):)?([0-9]{1,3}|[CFLP])\.([0-9]{1,3}|F)"
    r"(?:\.([0-9]{1,3}))?(?:[*&]([0-9]{1,3}))?"
)
_LETTERS: Final = {"C": "96", "F": "97", "L": "98", "P": "99"}
"""IEC 62056-61, annex A: service entries, errors, lists, data profiles."""
_PLAIN_NAME: Final = re.compile("[0-9A-Z]{1,8}")
"""Names that are no codes, as FF or 90 of older meters: their values have no register."""
_IDS: Final = tuple(
    parse_obis(code)
    for code in ("0-0:96.1.0", "0-0:96.1.255*255", "1-0:0.0.0", "1-0:96.1.0")
)


def decode(frame: bytes) -> Telegram:
    """Return the telegram of a read-out from `/` to the line of `!`, or to its BCC.

    `checked` is True when it stands between STX and ETX with the right BCC. BadTelegram
    for a BCC that is wrong, and without one for any line that is none.
    """
    head = readout.HEAD.match(frame)
    if head is None:
        raise BadTelegram("a read-out begins with /, its maker and its model", 0)
    begin = head.end()
    framed = frame[begin : begin + 1] == bytes([STX])
    end, checked = _end(frame, begin, framed=framed)
    begin += framed
    values = readout.values(frame[begin:end], begin, _DIALECT, checked=checked)
    if not values:
        raise BadTelegram("the read-out holds no value", begin)
    meter = readout.told_by(values, _IDS) or head[1].decode()
    return Telegram(PROTOCOL, meter, values, checked)


def bcc(covered: bytes) -> int:
    """Return the block check character of what follows STX, ETX included (5.8: XOR)."""
    return reduce(xor, covered, 0)


def _end(frame: bytes, begin: int, *, framed: bool) -> tuple[int, bool]:
    """Return where the lines end, and whether a BCC covered them; BadTelegram for a
    read-out without its end, or with another BCC."""
    etx = len(frame) - 2
    ended = etx > begin and frame[etx] == ETX
    end = frame.rfind(b"!", begin, etx if ended else None)
    if end < begin:
        raise BadTelegram("the read-out is cut off before its line of !", len(frame))
    tail = _TAIL.fullmatch(frame, end + 1)
    if tail is None:
        raise BadTelegram("after ! comes neither the line's end nor ETX", end + 1)
    if tail[1] is None:
        _own_line(frame, end)
        return end, False
    if not framed:
        raise BadTelegram("ETX comes without the STX that begins the data", etx)
    made, told = bcc(frame[begin + 1 : tail.end(1)]), tail[2][0]
    if made != told:
        detail = f"the block check is {made:02X} and the read-out says {told:02X}"
        raise BadTelegram(detail, tail.start(2))
    return end, True


def _own_line(frame: bytes, end: int) -> None:
    if frame[end - 1 : end] not in (b"\r", b"\n"):
        raise BadTelegram("the ! that ends a read-out stands on its own line", end)


@lru_cache(_CODES_KEPT)
def register_of(name: str) -> RegisterId | None:
    """Return the register of a code, reduced or whole; None for a name that is no code.

    What a reduced code leaves out is electricity, channel 0 (0-0 for service entries),
    tariff 0: `1.8.0` is 1-0:1.8.0, `16.7` is 1-0:16.7.0, `C.1.0` is 0-0:96.1.0, and
    `1.8.0*01` the historic value 1-0:1.8.0*1. ValueError for what is no name.
    """
    match = _REDUCED.fullmatch(name)
    if match is None:
        if _PLAIN_NAME.fullmatch(name):
            return None
        raise ValueError(f"{name[:20]!r} is no code of a register")
    a, b, c, d, e, f = match.groups()
    medium = a or ("0" if c in _LETTERS else "1")
    c, d = _LETTERS.get(c, c), _LETTERS.get(d, d)
    return parse_obis(f"{medium}-{b or 0}:{c}.{d}.{e or 0}*{f or 255}")


_DIALECT: Final = readout.Dialect(register_of)


def _find_end(buffer: bytearray, begin: int) -> int:
    head = readout.HEAD.match(buffer)
    framed = head is not None and buffer[head.end() : head.end() + 1] == bytes([STX])
    match = (_FRAMED_END if framed else _PUSHED_END).search(buffer, begin)
    return match.end() if match else -1


class Splitter(readout.TextSplitter):
    """Cuts a stream of read-outs; it may begin and end anywhere.

    A frame is given once its line of `!` has ended, after STX once its BCC is there. At
    the end of a file whose last line has no end, feed CR LF.
    """

    def __init__(self) -> None:
        super().__init__(_find_end)
