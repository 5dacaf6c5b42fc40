"""HDLC frames of the Nordic HAN port, and the telegram they carry.

    7E | format, length | addresses | control | HCS | information | FCS | 7E

Source: IEC 62056-46, 6.4.4 (frame format type 3); both sums are CRC-16/X-25. The length
is in the frame and nothing is stuffed, so the information may hold a 7E of its own.
This module must never pass on a frame of which a sum is wrong.
"""

from dataclasses import dataclass
from typing import Final

from meterseal_agent.meters.telegrams.crc16 import CRC_BYTES, x25
from meterseal_agent.meters.telegrams.model import BadTelegram, Frame

FLAG: Final = 0x7E
FORMAT_TYPE: Final = 0xA0
_TYPE_BITS: Final = 0xF0
_SEGMENTED: Final = 0x08
_LENGTH_BITS: Final = 0x07FF
MAX_LENGTH: Final = 2047
"""The length has eleven bits (IEC 62056-46, 6.4.4.2)."""
MIN_LENGTH: Final = 9
"""Format, two addresses, control, both sums; without information there is no HCS."""
MAX_FRAME: Final = MAX_LENGTH + 2
MAX_ADDRESS_BYTES: Final = 4
_FORMAT_BYTES: Final = 2
_LONGEST_HEAD: Final = _FORMAT_BYTES + 2 * MAX_ADDRESS_BYTES + 1 + CRC_BYTES


@dataclass(frozen=True, slots=True)
class Information:
    """What a checked frame carries, beginning at byte `offset` of it."""

    data: bytes
    offset: int


def is_hdlc(frame: bytes) -> bool:
    """Tell whether a frame begins as HDLC, with its flag or just behind it."""
    first = frame[1:2] if frame[:1] == bytes((FLAG,)) else frame[:1]
    return _begins(first)


def unwrap(frame: bytes) -> Information:
    """Return the information of a whole frame, its two flags there or stripped.

    BadTelegram where length or a sum is wrong, or the frame is one of several.
    """
    begin = 1 if frame[:1] == bytes((FLAG,)) else 0
    end = len(frame) - begin
    if begin and frame[end:] != bytes((FLAG,)):
        raise BadTelegram("an HDLC frame without its closing flag", len(frame))
    raw = frame[begin:end]
    if len(raw) < MIN_LENGTH or not _begins(raw):
        raise BadTelegram("no HDLC frame of type 3", begin)
    if _length(raw) != len(raw):
        raise BadTelegram(
            f"{len(raw)} bytes, but its length says {_length(raw)}", begin
        )
    fcs_at = len(raw) - CRC_BYTES
    if not _sum_is_right(raw, fcs_at):
        raise BadTelegram(
            "the frame's FCS is wrong: damaged on the way", begin + fcs_at
        )
    if raw[0] & _SEGMENTED:
        raise BadTelegram("one segment of a longer telegram", begin)
    head = _head_bytes(raw)
    if head is None or head > fcs_at or not _sum_is_right(raw, head - CRC_BYTES):
        raise BadTelegram("the header's HCS is wrong or missing", begin + _FORMAT_BYTES)
    return Information(raw[head:fcs_at], begin + head)


def _begins(raw: bytes) -> bool:
    return bool(raw) and raw[0] & _TYPE_BITS == FORMAT_TYPE


def _length(raw: bytes) -> int:
    return int.from_bytes(raw[:_FORMAT_BYTES]) & _LENGTH_BITS


def _sum_is_right(raw: bytes, at: int) -> bool:
    return x25(raw[:at]) == int.from_bytes(raw[at : at + CRC_BYTES], "little")


def _head_bytes(raw: bytes) -> int | None:
    """Return where the information begins; None where an address does not end."""
    at = _FORMAT_BYTES
    for _ in range(2):
        # The lowest bit of an address byte says that it is the last.
        last = next(
            (i for i in range(at, at + MAX_ADDRESS_BYTES) if _bit(raw, i)), None
        )
        if last is None:
            return None
        at = last + 1
    return at + 1 + CRC_BYTES


def _bit(raw: bytes, at: int) -> bool:
    return at < len(raw) and bool(raw[at] & 1)


class Splitter:
    """Cuts a stream into HDLC frames, flags included.

    A flag begins a frame only where the header behind it has its sum, so a 7E among
    the data is passed over. One flag may close a frame and open the next. Keeps at
    most `MAX_FRAME` bytes.
    """

    def __init__(self) -> None:
        self._kept = bytearray()
        self._offset = 0

    def feed(self, chunk: bytes) -> list[Frame]:
        """Return the frames that `chunk` completed."""
        frames: list[Frame] = []
        for begin in range(0, len(chunk), MAX_FRAME):
            self._kept += chunk[begin : begin + MAX_FRAME]
            while (frame := self._next()) is not None:
                frames.append(frame)
        return frames

    def _next(self) -> Frame | None:
        while self._at_flag():
            whole = self._whole()
            if whole is None or len(self._kept) < whole:
                return None
            if whole and self._kept[whole - 1] == FLAG:
                return self._cut(whole)
            self._drop(1)
        return None

    def _whole(self) -> int | None:
        """Return the bytes from this flag to the next; 0: none begins, None: wait."""
        raw = bytes(self._kept[1 : 1 + _LONGEST_HEAD])
        if raw and not _begins(raw):
            return 0
        if len(raw) < _FORMAT_BYTES:
            return None
        length = _length(raw)
        if length < MIN_LENGTH:
            return 0
        room = min(_LONGEST_HEAD, length)
        if len(raw) < room:
            return None
        head = _head_bytes(raw[:room])
        if head is None or not _sum_is_right(raw[:room], head - CRC_BYTES):
            return 0
        return length + 2

    def _at_flag(self) -> bool:
        flag = self._kept.find(FLAG)
        self._drop(flag if flag >= 0 else len(self._kept))
        return flag >= 0

    def _cut(self, whole: int) -> Frame:
        frame = Frame(self._offset, bytes(self._kept[:whole]))
        self._drop(whole - 1)
        return frame

    def _drop(self, count: int) -> None:
        del self._kept[:count]
        self._offset += count
