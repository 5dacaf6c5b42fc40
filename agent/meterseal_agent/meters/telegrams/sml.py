"""SML, as German electricity meters push it every second: a frame to values by OBIS.

A frame holds messages (open, lists, close), each with a CRC of its own; the values are
in the lists (SML_GetList.Res). Source: SML 1.04 (BSI TR-03109-1, annex IV b).

    telegram = decode(frame)       # frame: from 1B1B1B1B01010101 to the CRC behind 1A

Holley's DTZ541 sends Kermit where the standard has X-25, in the messages but not
around the frame, and the second index bare (volkszaehler/libsml, issue 75). It is
taken from a meter that says HLY, from nobody else: two sums halve what one proves.
This module must never give values out of a telegram of which any part is damaged.
"""

from typing import Final

from meterseal_agent.meters.telegrams.crc16 import kermit, x25
from meterseal_agent.meters.telegrams.model import BadTelegram, Telegram, Value
from meterseal_agent.meters.telegrams.sml_transport import Payload, Splitter, unwrap
from meterseal_agent.meters.telegrams.sml_tree import (
    END_OF_MESSAGE,
    Item,
    Kind,
    read,
)
from meterseal_agent.meters.telegrams.sml_values import ServerId, entry_values

__all__ = ["PROTOCOL", "Splitter", "decode"]

PROTOCOL: Final = "sml"
GET_LIST_RESPONSE: Final = 0x0701
_MESSAGE_HEAD: Final = 0x76
_BODY: Final = 3
_CHECKED_ITEMS: Final = 4
_LIST_ITEMS: Final = 7
_SERVER, _ENTRIES = 1, 4
_HOLLEY: Final = b"HLY"


def decode(frame: bytes) -> Telegram:
    """Return what one whole frame says; BadTelegram where any of its sums is wrong.

    The telegram's `meter` is the server id as printed on the meter. A status word
    comes as register 1-0:96.5.0, its note naming the register that carried it.
    """
    payload = unwrap(frame)
    lists = [body for body in _bodies(payload) if body is not None]
    if not lists:
        raise BadTelegram("an SML telegram without a list of values", 0)
    servers = {body.items[_SERVER].octets("a server id") for body in lists}
    if len(servers) > 1:
        raise BadTelegram("two meters in one telegram", lists[1].at)
    server = ServerId(servers.pop())
    values: list[Value] = []
    for body in lists:
        values += _entries(body, server)
    return Telegram(PROTOCOL, server.text(), tuple(values), checked=True)


def _entries(body: Item, server: ServerId) -> list[Value]:
    entries = body.items[_ENTRIES]
    if entries.kind is not Kind.LIST:
        raise BadTelegram("a value list that is none", entries.at)
    return [value for entry in entries.items for value in entry_values(entry, server)]


def _bodies(payload: Payload) -> list[Item | None]:
    """Return each message's list of values, None for messages of other kinds."""
    bodies: list[Item | None] = []
    at = 0
    while at < len(payload.raw):
        body, at = _message(payload, at)
        bodies.append(body)
    return bodies


def _message(payload: Payload, at: int) -> tuple[Item | None, int]:
    begin = at
    if payload.raw[at] != _MESSAGE_HEAD:
        raise BadTelegram("no SML message begins here", payload.place(at))
    items: list[Item] = []
    at += 1
    for _ in range(_CHECKED_ITEMS):
        item, at = read(payload, at)
        items.append(item)
    _check(payload, begin, at)
    _, at = read(payload, at)
    if payload.raw[at : at + 1] != bytes((END_OF_MESSAGE,)):
        raise BadTelegram("an SML message without its end", payload.place(at))
    tag, body = items[_BODY].list_of(2, "a message body")
    if tag.integer("a message's kind") != GET_LIST_RESPONSE:
        return None, at + 1
    body.list_of(_LIST_ITEMS, "a list of values")
    return body, at + 1


def _check(payload: Payload, begin: int, at: int) -> None:
    """Check a message's CRC at `at`; a leading zero of it may be left out."""
    given = read(payload, at)[0].integer("a message's CRC")
    covered = payload.raw[begin:at]
    if given == int.from_bytes(x25(covered).to_bytes(2, "little")):
        return
    if given != kermit(covered) or _HOLLEY not in payload.raw:
        raise BadTelegram("a message's CRC is wrong", payload.place(at))
