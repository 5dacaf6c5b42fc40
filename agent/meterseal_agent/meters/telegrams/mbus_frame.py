"""The link layer of wired M-Bus: frames as EN 13757-2 (and EN 60870-5-1, FT1.2) cut them.

    68 L L 68 | C A CI data... | checksum 16      long frame, L bytes between the bars
    10 C A checksum 16                            short frame, only from the master
    E5                                            one byte: understood

The checksum is the sum of the bytes between, modulo 256: every single wrong byte shows,
two wrong bytes may not. This module must never mend a frame or guess its length.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from meterseal_agent.meters.telegrams.model import BadTelegram, Frame

ACK: Final = 0xE5
LONG_START: Final = 0x68
SHORT_START: Final = 0x10
STOP: Final = 0x16
HEAD_BYTES: Final = 4
TAIL_BYTES: Final = 2
SHORT_BYTES: Final = 5
MIN_LENGTH: Final = 3
"""C, A and CI: a frame without data still has them."""
MAX_FRAME: Final = HEAD_BYTES + 255 + TAIL_BYTES
"""L is one byte: EN 13757-2 has no longer frame."""


class Control(IntEnum):
    """The C field of what a master sends (EN 13757-2, 5.3)."""

    SND_NKE = 0x40
    SND_UD = 0x53
    REQ_UD2 = 0x5B

    def counted(self, *, fcb: bool) -> int:
        """Return the C field with the frame count bit as given."""
        return self | 0x20 if fcb else self & ~0x20


RSP_UD: Final = 0x08
"""A slave's answer with data; bits 4 and 5 (DFC, ACD) may be set beside."""
_FLAGS_OF_A_SLAVE: Final = 0x30


@dataclass(frozen=True, slots=True)
class LongFrame:
    """A checked long frame: C, A, CI and the bytes after them.

    `data` begins at byte `offset` of the raw frame, for errors that name their place.
    """

    control: int
    address: int
    ci: int
    data: bytes
    offset: int = HEAD_BYTES + MIN_LENGTH

    @property
    def is_reply(self) -> bool:
        """Tell whether a slave says this (RSP_UD), not a master."""
        return self.control & ~_FLAGS_OF_A_SLAVE == RSP_UD


def parse(raw: bytes) -> LongFrame:
    """Return the long frame that `raw` is, from start byte to stop byte.

    Raises BadTelegram when it is anything else, or its checksum is wrong.
    """
    if len(raw) < HEAD_BYTES:
        raise BadTelegram("an M-Bus frame is cut off in its head", len(raw))
    if raw[0] != LONG_START or raw[3] != LONG_START:
        raise BadTelegram(
            "an M-Bus frame starts with 68 L L 68", 0 if raw[0] != 0x68 else 3
        )
    length = _length(raw)
    whole = HEAD_BYTES + length + TAIL_BYTES
    if len(raw) < whole:
        raise BadTelegram(
            f"an M-Bus frame of {whole} bytes is cut off after {len(raw)}", len(raw)
        )
    if len(raw) > whole:
        raise BadTelegram("bytes follow the end of the M-Bus frame", whole)
    body = raw[HEAD_BYTES : HEAD_BYTES + length]
    _check_tail(raw, body)
    return LongFrame(body[0], body[1], body[2], body[3:])


def _length(raw: bytes) -> int:
    if raw[1] != raw[2]:
        raise BadTelegram(f"the two lengths differ: {raw[1]} and {raw[2]}", 2)
    if raw[1] < MIN_LENGTH:
        raise BadTelegram(f"length {raw[1]} leaves no room for C, A and CI", 1)
    return raw[1]


def _check_tail(raw: bytes, body: bytes) -> None:
    told, seen = raw[-2], checksum(body)
    if raw[-1] != STOP:
        raise BadTelegram(f"an M-Bus frame ends in 16, not {raw[-1]:02X}", len(raw) - 1)
    if told != seen:
        raise BadTelegram(
            f"wrong checksum: the frame says {told:02X}, its bytes sum to {seen:02X}",
            len(raw) - 2,
        )


def checksum(body: bytes) -> int:
    """Return the sum of the bytes modulo 256."""
    return sum(body) & 0xFF


def short(control: int, address: int) -> bytes:
    """Return a short frame: what a master asks of `address` (0 to 255)."""
    body = bytes((control, address))
    return bytes((SHORT_START, *body, checksum(body), STOP))


def long(control: int, address: int, ci: int, data: bytes) -> bytes:
    """Return a long frame around `data` (at most 252 bytes, ValueError otherwise)."""
    body = bytes((control, address, ci)) + data
    if len(body) > 255:
        raise ValueError("an M-Bus frame holds at most 252 bytes of data")
    head = bytes((LONG_START, len(body), len(body), LONG_START))
    return head + body + bytes((checksum(body), STOP))


class Cutter:
    """Cuts long frames out of a stream; single ACK bytes and noise between are dropped.

    A frame is only recognised by its checksum, so a 68 in the data of a frame that
    began before we listened does not swallow what follows.
    """

    def __init__(self) -> None:
        self._kept = bytearray()
        self._at = 0

    def feed(self, chunk: bytes) -> list[Frame]:
        """Return the frames that `chunk` completed."""
        self._kept += chunk
        found: list[Frame] = []
        while (whole := self._next()) is not None:
            found.append(Frame(self._at, whole))
            self._drop(len(whole))
        return found

    def _next(self) -> bytes | None:
        """Drop bytes until a whole frame is first, or what is there may become one."""
        while self._kept:
            wanted = _wanted(self._kept)
            if wanted is not None and len(self._kept) < wanted:
                return None
            if wanted is not None and _is_whole(raw := bytes(self._kept[:wanted])):
                return raw
            start = self._kept.find(LONG_START, 1)
            self._drop(len(self._kept) if start < 0 else start)
        return None

    def _drop(self, count: int) -> None:
        del self._kept[:count]
        self._at += count


def _wanted(kept: bytearray) -> int | None:
    """Return how many bytes the frame at the front takes, None when none begins there."""
    head = bytes(kept[:HEAD_BYTES])
    if head[0] != LONG_START or (len(head) > 3 and head[3] != LONG_START):
        return None
    if len(head) > 2 and (head[1] != head[2] or head[1] < MIN_LENGTH):
        return None
    if len(head) < HEAD_BYTES:
        return HEAD_BYTES
    return HEAD_BYTES + head[1] + TAIL_BYTES


def _is_whole(raw: bytes) -> bool:
    try:
        parse(raw)
    except BadTelegram:
        return False
    return True
