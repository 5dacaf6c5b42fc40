"""Wired M-Bus telegrams (EN 13757-3): what water, heat, gas and power meters answer.

    telegram = decode(frame)              # one RSP_UD long frame, checksum included
    more = answer(frame).more_follow      # ask the meter for its next telegram

Energy comes in Wh or J, volume in m3, power in W, the rest as `mbus_units` lists it,
each number exact. A record without a trustworthy value has none and says why in `text`;
a frame with a wrong checksum, a cut-off record or a reported application error is
refused whole. This module must never answer for a part of a frame.
"""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from meterseal_agent.meters.telegrams import (
    mbus_fixed,
    mbus_frame,
    mbus_header,
    mbus_records,
    mbus_values,
)
from meterseal_agent.meters.telegrams.mbus_frame import Cutter, LongFrame
from meterseal_agent.meters.telegrams.mbus_header import Header
from meterseal_agent.meters.telegrams.mbus_obis import Medium, register_of
from meterseal_agent.meters.telegrams.mbus_records import Function, Record, Records
from meterseal_agent.meters.telegrams.model import BadTelegram, Telegram, Value

PROTOCOL: Final = "mbus"
VARIABLE: Final = 0x72
FIXED: Final = 0x73
NO_HEADER: Final = 0x78
SHORT_HEADER: Final = 0x7A
APPLICATION_ERROR: Final = 0x70
MSB_FIRST: Final = 0x04
"""The mode bit of CI 72 and 73 (EN 1434-3): numbers come highest byte first."""
_WITH_MODE: Final = frozenset({VARIABLE, FIXED})

ERRORS: Final = {
    0: "unspecified error",
    1: "unimplemented CI field",
    2: "buffer too long, truncated",
    3: "too many records",
    4: "premature end of record",
    5: "more than 10 DIFEs",
    6: "more than 10 VIFEs",
    7: "reserved",
    8: "application too busy",
    9: "too many readouts",
}
"""EN 13757-3, general application errors (CI 70)."""

Splitter = Cutter
"""Cuts M-Bus long frames out of a stream; see `mbus_frame`."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A decoded answer: its telegram, and whether the next one continues it (DIF 1F)."""

    telegram: Telegram
    more_follow: bool


def decode(frame: bytes) -> Telegram:
    """Return the telegram of one long frame; BadTelegram tells where and why not."""
    return answer(frame).telegram


def answer(frame: bytes) -> Answer:
    """Return all that one long frame says. Raises BadTelegram."""
    link = mbus_frame.parse(frame)
    if not link.is_reply:
        raise BadTelegram(
            f"C field {link.control:02X} is a master's question, not a meter's answer",
            4,
        )
    if link.ci == APPLICATION_ERROR:
        raise _application_error(link)
    if link.ci & ~MSB_FIRST == FIXED:
        return _fixed(link)
    header, records = _variable(link)
    values = [_value(header.medium, record) for record in records.items]
    if records.rest is not None:
        values.append(_own_data(records))
    if said := mbus_header.status_text(header.status):
        values.append(_status(header.status, said))
    telegram = Telegram(PROTOCOL, header.ident, _unambiguous(values), checked=True)
    return Answer(telegram, records.more_follow)


def _application_error(link: LongFrame) -> BadTelegram:
    code = link.data[0] if link.data else 0
    said = ERRORS.get(code, f"reserved code {code}")
    return BadTelegram(
        f"the meter reports an application error: {said}", link.offset - 1
    )


def _variable(link: LongFrame) -> tuple[Header, Records]:
    msb_first = link.ci & ~MSB_FIRST in _WITH_MODE and bool(link.ci & MSB_FIRST)
    if link.ci & ~MSB_FIRST == VARIABLE:
        header = mbus_header.long_header(link.data, link.offset, msb_first=msb_first)
        skip = mbus_header.LONG_BYTES
    elif link.ci == SHORT_HEADER:
        header = mbus_header.short_header(link.data, link.offset)
        skip = mbus_header.SHORT_BYTES
    elif link.ci == NO_HEADER:
        header, skip = Header("", "", 0, 0, 0, 0), 0
    else:
        raise BadTelegram(f"CI field {link.ci:02X} is no answer known here", 6)
    records = mbus_records.parse(
        link.data[skip:], link.offset + skip, msb_first=msb_first
    )
    return header, records


def _fixed(link: LongFrame) -> Answer:
    found = mbus_fixed.parse(
        link.data, link.offset, msb_first=bool(link.ci & MSB_FIRST)
    )
    values = [_value(found.medium, record) for record in found.items]
    # The two lowest bits say how the counters are kept, not how the meter is.
    if said := mbus_header.status_text(found.status & ~3):
        values.append(_status(found.status, said))
    telegram = Telegram(PROTOCOL, found.ident, _unambiguous(values), checked=True)
    return Answer(telegram, more_follow=False)


def _value(medium: Medium, record: Record) -> Value:
    meaning = record.extended.meaning
    note = _note(record)
    invalid = record.extended.error or record.datum.invalid
    if invalid:
        return Value(register_of(medium, record), None, meaning.unit, invalid, note)
    number = record.datum.number
    if number is None:
        return Value(None, None, "", record.datum.text, note)
    exact = mbus_values.scaled(number, meaning.power, meaning.factor)
    register = register_of(medium, record) if meaning.known else None
    return Value(register, exact, meaning.unit, note=note)


def _note(record: Record) -> str:
    extended = record.extended
    said = [" ".join((*extended.notes, extended.meaning.quantity))]
    said.append(extended.direction.value)
    if record.function is not Function.NOW:
        said.append(record.function.value)
    said += [
        f"{name} {count}"
        for name, count in (
            ("storage", record.storage),
            ("tariff", record.tariff),
            ("subunit", record.subunit),
        )
        if count
    ]
    return ", ".join(word for word in said if word)


def _own_data(records: Records) -> Value:
    note = "manufacturer specific data"
    if records.more_follow:
        note += ", more records follow"
    return Value(None, None, "", (records.rest or b"").hex(" ").upper(), note)


def _status(status: int, said: str) -> Value:
    return Value(None, Decimal(status), "", said, "status of the meter")


def _unambiguous(values: list[Value]) -> tuple[Value, ...]:
    """Take a register from the values that share it and do not say the same.

    A meter that gives two numbers for one register means something else by one of them,
    and nothing here can tell which.
    """
    told: dict[object, set[Decimal | None]] = {}
    for value in values:
        told.setdefault(value.register, set()).add(value.number)
    return tuple(
        replace(value, register=None, note=f"{value.note}, told twice differently")
        if value.register is not None and len(told[value.register]) > 1
        else value
        for value in values
    )
