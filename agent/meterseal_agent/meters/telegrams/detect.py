"""Which format a capture is in, from its first bytes, and who decodes that format.

Pure. A guess must never turn a checked format into an unchecked one: a P1 telegram whose
checksum line is damaged is still a P1 telegram, and then it is refused.
"""

import re
import string
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from meterseal_agent.meters.telegrams.model import BadTelegram, Splitter, Telegram

HEAD_BYTES: Final = 1 << 16
"""What is looked at: more than twice the longest telegram of any format here."""
_SML: Final = bytes.fromhex("1b1b1b1b01010101")
"""SML transport protocol version 1 (BSI TR-03109-1 annex, 7.1): escape, then its start."""
_MBUS: Final = re.compile(rb"\x68(.)\1\x68", re.DOTALL)
"""EN 13757-2, 5.5.3: a long frame says its length twice between two start bytes."""
_MBUS_SHORT: Final = re.compile(rb"\xe5|\x10..\x16|\x10.{2}.\x16", re.DOTALL)
"""The same: an acknowledgement, or a short frame."""
_HDLC: Final = re.compile(rb"\x7e[\xa0-\xa7]")
"""IEC 62056-46, 6.4.1: the flag, then frame format type 3."""
_LLC: Final = (b"\xe6\xe7\x00", b"\xe6\xe6\x00")
_DLMS_BODY: Final = re.compile(
    rb"\x0f[\x00-\xff]{4}|[\x01\x02][\x01-\x7f][\x01\x02\x06\x09\x0a\x12]"
)
"""A data notification, or its bare body: an array or structure of what meters send."""
_OBIS_LINE: Final = re.compile(rb"[0-9A-Z.:*&-]{3,20}\([^()\r\n]{0,300}\)")
_P1_MARK: Final = re.compile(
    rb"![ ]*[0-9A-Fa-f]{4}\s|^(?:1-3:0\.2\.8|0-0:1\.0\.0|0-0:96\.1\.[14])\(",
    re.MULTILINE,
)
"""DSMR P1 5.0.2, 5.2: the checksum after `!`; else lines no other read-out begins with."""
_HEX: Final = frozenset(string.hexdigits.encode() + string.whitespace.encode())


class Format(StrEnum):
    """The formats there are; the values are what `decode --protocol` takes."""

    DSMR = "dsmr"
    SML = "sml"
    MBUS = "mbus"
    D0 = "d0"
    HAN = "han"


@dataclass(frozen=True, slots=True)
class Decoder:
    """One format's two parts; see `model`."""

    decode: Callable[[bytes], Telegram]
    splitter: Callable[[], Splitter]


def detect(head: bytes) -> Format:
    """Return the format that `head`, a capture's beginning, is in; BadTelegram for none.

    The capture may begin in the middle of a telegram.
    """
    head = head[:HEAD_BYTES]
    start = head.lstrip(b"\x00\xff \r\n\t")
    if not start:
        raise BadTelegram("nothing is there to decode", 0)
    if _SML in head:
        return Format.SML
    if _MBUS.match(start) or _MBUS_SHORT.fullmatch(start):
        return Format.MBUS
    if _HDLC.match(start) or start.startswith(_LLC) or _bare_hdlc(start):
        return Format.HAN
    if _OBIS_LINE.search(head) and b"!" in head:
        return Format.DSMR if _P1_MARK.search(head) else Format.D0
    return _within(head, start)


def _bare_hdlc(start: bytes) -> bool:
    """Tell an HDLC frame whose flags were stripped: its format field says its length."""
    return len(start) > 2 and int.from_bytes(start[:2]) == 0xA000 | len(start)


def _within(head: bytes, start: bytes) -> Format:
    """Return the format of what begins amid a telegram, or ends before one is whole."""
    if _DLMS_BODY.match(start) or _HDLC.search(head):
        return Format.HAN
    if _MBUS.search(head) or start[:1] == b"\x68":
        return Format.MBUS
    if _OBIS_LINE.search(head) or start[:1] == b"/":
        return Format.DSMR if _P1_MARK.search(head) else Format.D0
    raise BadTelegram(
        "this begins like none of DSMR P1, SML, M-Bus, IEC 62056-21 (D0) and HAN", 0
    )


def is_hex(head: bytes) -> bool:
    """Tell whether a capture is hexadecimal text rather than the bytes themselves."""
    return _HEX.issuperset(head) and len(head.split()) > 0


def decoder(which: Format) -> Decoder:
    """Return who decodes a format; it is loaded now, and only it."""
    match which:
        case Format.DSMR:
            from meterseal_agent.meters.telegrams import dsmr

            return Decoder(dsmr.decode, dsmr.Splitter)
        case Format.SML:
            from meterseal_agent.meters.telegrams import sml

            return Decoder(sml.decode, sml.Splitter)
        case Format.MBUS:
            from meterseal_agent.meters.telegrams import mbus

            return Decoder(mbus.decode, mbus.Splitter)
        case Format.D0:
            from meterseal_agent.meters.telegrams import d0

            return Decoder(d0.decode, d0.Splitter)
        case Format.HAN:
            from meterseal_agent.meters.telegrams import han

            return Decoder(han.decode, han.Splitter)
