"""SML transport protocol 1: SML messages between escape sequences on a serial line.

    1B 1B 1B 1B 01 01 01 01                start
    messages..., 0 to 3 bytes of padding   four 1B in a row are sent twice
    1B 1B 1B 1B 1A  padding  CRC CRC       end; CRC-16/X-25 over all before it

Source: BSI TR-03109-1 annex IV b (SML 1.04), section 8 "SML Transport Protokoll".
This module must never let a frame through whose CRC is wrong, nor mend one.
"""

from dataclasses import dataclass
from typing import Final

from meterseal_agent.meters.telegrams.crc16 import CRC_BYTES, x25
from meterseal_agent.meters.telegrams.model import BadTelegram, Frame

ESCAPE: Final = b"\x1b\x1b\x1b\x1b"
BEGIN: Final = b"\x01\x01\x01\x01"
START: Final = ESCAPE + BEGIN
END_MARK: Final = 0x1A
SEQUENCE_BYTES: Final = 8
"""Start and end are eight bytes each: the escape and four that say what it means."""
MAX_PADDING: Final = 3
MAX_FRAME: Final = 8192
"""Meters send 200 to 600 bytes a second; eight seconds of 9600 baud hold any list."""


@dataclass(frozen=True, slots=True)
class Payload:
    """The messages of a checked frame, escapes taken out.

    `doubled` holds the places in `raw` behind which four more bytes came on the line.
    """

    raw: bytes
    doubled: tuple[int, ...]

    def place(self, position: int) -> int:
        """Return the byte of the frame at which `raw[position]` stood."""
        passed = sum(1 for place in self.doubled if place <= position)
        return SEQUENCE_BYTES + position + len(ESCAPE) * passed


def unwrap(frame: bytes) -> Payload:
    """Return what a whole frame carries; BadTelegram says why it is none."""
    end = len(frame) - SEQUENCE_BYTES
    if len(frame) > MAX_FRAME:
        raise BadTelegram(f"longer than {MAX_FRAME} bytes", MAX_FRAME)
    if not frame.startswith(START) or end < SEQUENCE_BYTES:
        raise BadTelegram("no SML start sequence, or nothing behind it", 0)
    if frame[end : end + 4] != ESCAPE or frame[end + 4] != END_MARK:
        raise BadTelegram("no SML end sequence", end)
    crc_at = len(frame) - CRC_BYTES
    if x25(frame[:crc_at]) != int.from_bytes(frame[crc_at:], "little"):
        raise BadTelegram("the frame's CRC is wrong: damaged on the way", crc_at)
    padding = frame[end + 5]
    if padding > MAX_PADDING or padding > end - SEQUENCE_BYTES:
        raise BadTelegram(f"{padding} bytes of padding; SML has at most 3", end + 5)
    return _unescape(frame, end - padding)


def _unescape(frame: bytes, end: int) -> Payload:
    raw, doubled, at = bytearray(), list[int](), SEQUENCE_BYTES
    while (escape := frame.find(ESCAPE, at, end)) >= 0:
        after = escape + len(ESCAPE)
        if frame[after : after + len(ESCAPE)] != ESCAPE:
            raise BadTelegram("an escape sequence inside the frame", escape)
        raw += frame[at:after]
        doubled.append(len(raw))
        at = after + len(ESCAPE)
    raw += frame[at:end]
    return Payload(bytes(raw), tuple(doubled))


class Splitter:
    """Cuts a stream into SML frames, damaged ones too: decoding says what is wrong.

    A start inside a frame begins anew: bytes were lost. Keeps at most `MAX_FRAME` bytes.
    """

    def __init__(self) -> None:
        self._kept = bytearray()
        self._offset = 0
        self._seen = 0

    def feed(self, chunk: bytes) -> list[Frame]:
        """Return the frames that `chunk` completed."""
        frames: list[Frame] = []
        for begin in range(0, len(chunk), MAX_FRAME):
            self._kept += chunk[begin : begin + MAX_FRAME]
            while (frame := self._next()) is not None:
                frames.append(frame)
        return frames

    def _next(self) -> Frame | None:
        while self._at_start():
            escape = self._kept.find(ESCAPE, max(self._seen, SEQUENCE_BYTES))
            end = escape + SEQUENCE_BYTES
            if escape < 0 or end > min(len(self._kept), MAX_FRAME):
                if len(self._kept) < MAX_FRAME:
                    self._seen = escape if escape >= 0 else len(self._kept) - 3
                    return None
                # What was looked through holds no start but behind a doubled escape; to
                # begin at each of those would read every frame as often as it has them.
                self._drop(escape if escape >= 0 else len(self._kept) - len(START) + 1)
            elif self._kept[escape + 4] == END_MARK:
                return self._cut(end)
            elif self._kept[escape + 4 : end] == ESCAPE:
                self._seen = end
            else:
                # No frame goes on from here; a start may begin one byte later.
                restart = self._kept[escape:end] == START
                self._drop(escape if restart else escape + 1)
        return None

    def _at_start(self) -> bool:
        start = self._kept.find(START)
        if start > 0:
            self._drop(start)
        elif start < 0:
            self._drop(max(0, len(self._kept) - len(START) + 1))
        return start >= 0

    def _cut(self, end: int) -> Frame:
        frame = Frame(self._offset, bytes(self._kept[:end]))
        # Bytes lost inside an end sequence make it eat the next start: it is kept.
        self._drop(end - CRC_BYTES - 1)
        return frame

    def _drop(self, count: int) -> None:
        del self._kept[:count]
        self._offset += count
        self._seen = 0
