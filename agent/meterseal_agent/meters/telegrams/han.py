"""The Nordic HAN port: what Aidon, Kaifa and Kamstrup meters push, to values by OBIS.

An HDLC frame holds an LLC header, a DLMS data-notification and a list in A-XDR.
Sources: IEC 62056-46 (HDLC), IEC 62056-5-3 (DLMS), NEK's HAN specification of Norway,
which Sweden's meters with this port follow.

    telegram = decode(frame)       # frame: 7E ... 7E, flags there or stripped

Gateways that strip HDLC pass on the LLC header, the notification or the bare list.
Those are read too, but nothing covers them: `checked` is False. Enciphered telegrams
are refused: ask the network company to push without a key. This module must never take
a damaged frame for a stripped one; each has a first byte of its own.
"""

from typing import Final

from meterseal_agent.meters.telegrams import han_hdlc
from meterseal_agent.meters.telegrams.han_axdr import (
    DATE_TIME_BYTES,
    Bytes,
    Tag,
    read,
    time_text,
)
from meterseal_agent.meters.telegrams.han_hdlc import Splitter
from meterseal_agent.meters.telegrams.han_lists import (
    CLOCK,
    KAMSTRUP_STEP_WH,
    METER_IDS,
    list_values,
)
from meterseal_agent.meters.telegrams.model import BadTelegram, Telegram, Value

__all__ = ["PROTOCOL", "Splitter", "decode"]

PROTOCOL: Final = "han"
LLC: Final = b"\xe6\xe7\x00"
"""From the meter's LLC address to the client's (IEC 62056-46, 5.3.2)."""
DATA_NOTIFICATION: Final = 0x0F
_CIPHERED: Final = frozenset({0xDB, 0xDC, 0xDD, 0xE0})
"""general-glo, general-ded, general-ciphering (Green Book, 9.5); E0: block transfer."""
_NOTIFICATION_HEAD: Final = 5
"""The tag and the long-invoke-id-and-priority."""
SENT: Final = "sent"
"""Note of the telegram's own time where the list has a clock as well."""


def decode(frame: bytes, kamstrup_step_wh: int = KAMSTRUP_STEP_WH) -> Telegram:
    """Return what one whole frame says; BadTelegram says where and why it cannot be.

    `kamstrup_step_wh` is what one count of a Kamstrup energy is: 10 Wh, or 1 where the
    network company set three decimals; compare once with the display. Time stamps come
    as texts of 0-0:1.0.0, as the meter wrote them.
    """
    checked = han_hdlc.is_hdlc(frame)
    data = Bytes(frame, 0)
    if checked:
        information = han_hdlc.unwrap(frame)
        data = Bytes(information.data, information.offset)
    elif len(frame) > han_hdlc.MAX_FRAME:
        raise BadTelegram("longer than any HAN telegram", han_hdlc.MAX_FRAME)
    values = _notification(data, 0, kamstrup_step_wh, stripped=not checked)
    return Telegram(PROTOCOL, _meter(values), tuple(values), checked=checked)


def _notification(
    data: Bytes, at: int, kamstrup_step_wh: int, *, stripped: bool
) -> list[Value]:
    if data.raw.startswith(LLC):
        at = len(LLC)
    elif not stripped:
        raise BadTelegram("no LLC header from a meter", data.offset)
    sent = ""
    first = data.take(at, 1, "a notification")[0]
    if first in _CIPHERED:
        raise BadTelegram("enciphered, or in blocks: not to be read", data.offset + at)
    if first == DATA_NOTIFICATION:
        sent, at = _sent(data, at + _NOTIFICATION_HEAD)
    elif at or not stripped or first not in {Tag.ARRAY, Tag.STRUCTURE}:
        raise BadTelegram("no DLMS data-notification", data.offset + at)
    body, end = read(data, at)
    if end != len(data.raw):
        raise BadTelegram("bytes behind the list", data.offset + end)
    values = list_values(body, kamstrup_step_wh)
    if sent:
        note = SENT if any(value.register == CLOCK for value in values) else ""
        values.append(Value(CLOCK, None, "", sent, note))
    return values


def _sent(data: Bytes, at: int) -> tuple[str, int]:
    """Return the notification's time ("" without one) and where its body begins."""
    length = data.take(at, 1, "a notification's time")[0]
    if length == Tag.OCTETS:
        # Kaifa writes the tag as well, which the standard leaves out here.
        at += 1
        length = data.take(at, 1, "a notification's time")[0]
    if length not in {0, DATE_TIME_BYTES}:
        raise BadTelegram("a notification's time of wrong length", data.offset + at)
    raw = data.take(at + 1, length, "a notification's time")
    return time_text(raw) if raw else "", at + 1 + length


def _meter(values: list[Value]) -> str:
    texts = {value.register: value.text for value in values}
    return next((texts[name] for name in METER_IDS if texts.get(name)), "")
