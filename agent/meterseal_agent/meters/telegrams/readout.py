r"""Lines of a read-out, `id(value*unit)`, and the cutting of a stream at `/` and `!`.

What DSMR P1 and the plain read-out of IEC 62056-21 have in common: P1 is a dialect of its
mode D. Where a checksum was right, a line that does not fit is kept as a text, for the
meter did write it; where none was told the grammar is all there is, and one line that does
not fit refuses the telegram. This module must never decide whether a checksum is right.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from decimal import Decimal
from typing import Final

from meterseal_agent.meters.telegrams.model import BadTelegram, Frame, Value
from meterseal_proto.units import RegisterId, parse_obis

MAX_FRAME_BYTES: Final = 1 << 14
"""Five times the longest P1 telegram there can be (two texts of 1024 characters, ten
power failures, thirteen monthly peaks); the longest mode C read-outs have 10 kB."""

START: Final = re.compile(rb"/[A-Za-z]{3}[!-~]")
"""IEC 62056-21, 6.3.2: `/`, three letters of the manufacturer, the baud rate. P1 dongles
put other characters in its place. `/?!`, the echo of a question, is none."""
HEAD: Final = re.compile(rb"/([A-Za-z]{3}[ -~]{1,60}?) {0,16}(?:\r?\n|\r){1,16}")
"""Both bounds are for those who send blanks or empty lines without end: a stream's head
is looked at again with every chunk that comes."""
_START_BYTES: Final = 5
_END_REACH: Final = 32
"""More than the longest end of a frame, so that one cut in two is found."""

_LINE: Final = re.compile(
    r"([^()\r\n]*)((?:\([^()\r\n]*\)(?:[\r\n]+(?=\())?)+)[\r\n]+|([^\r\n]+)[\r\n]+"
)
"""One line, with the lines after it that go on with a further `(`; or what is no line."""
_NUMBER: Final = re.compile(r" *(-?[0-9]{1,18}(?:\.[0-9]{1,9})?) *")
_PRINTABLE: Final = re.compile(r"[ -~]*")
_DATE: Final = re.compile(r"([0-9]{2})" * 6 + r"([SW]?)")
"""DSMR P1 5.0.2, 6.4: YYMMDDhhmmssX, X = S in summer time; 2.2 leaves X out."""
_CODE: Final = re.compile(r"[0-9]+-[0-9]+:[0-9.]+(?:\*[0-9]+)?")
_PROFILES: Final = frozenset({98, 99})
_NUMBERED_96: Final = frozenset({3, 7})
"""0-0:96.3 positions of the switch, 0-0:96.7 counted failures: the others are names."""
_DISTURBED: Final = 0x05
"""DIN 43863-3, 3.6: profile status bits 2 and 0, measured value disturbed, fatal error."""


class NotValid(ValueError):
    """A value that the meter itself says is none, e.g. dated to the 25th month."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one format names registers: `name` gives a register, None for one without a
    code, and ValueError for what is no name at all."""

    name: Callable[[str], RegisterId | None]


def values(
    body: bytes, at: int, dialect: Dialect, *, checked: bool
) -> tuple[Value, ...]:
    """Return the values of the lines in `body`, which stands at byte `at` of its frame.

    BadTelegram for a line that does not fit where the frame is not `checked`.
    """
    found: list[Value] = []
    text = body.decode("latin-1")
    # Every line has its end: one without is none, and looking for its end from each of
    # its characters would take seconds.
    whole = 1 + max(text.rfind("\r"), text.rfind("\n"))
    for match in _LINE.finditer(text, 0, whole):
        name, groups, odd = match.groups()
        try:
            found += _line(name or "", groups or "", odd or "", dialect)
        except ValueError as error:
            if not checked:
                raise BadTelegram(str(error), at + match.start()) from None
            found.append(Value(None, None, "", text=match.group().strip()))
    return tuple(found)


def _line(name: str, groups: str, odd: str, dialect: Dialect) -> list[Value]:
    if odd.strip(" "):
        raise ValueError(f"{odd[:40]!r} is no line of the form id(value)")
    if not groups:
        return []
    if not _PRINTABLE.fullmatch(groups.replace("\r", "").replace("\n", "")):
        raise ValueError(f"a character in {groups[:40]!r} is no ASCII")
    register = dialect.name(name)
    note = "" if register is not None else name
    parts = groups[groups.index("(") + 1 : groups.rindex(")")]
    if "(" not in parts:
        return [_single(register, parts, note)]
    return _many(register, [part.split(")")[0] for part in groups.split("(")[1:]], note)


def _single(register: RegisterId | None, group: str, note: str) -> Value:
    number, star, unit = group.partition("*")
    match = _NUMBER.fullmatch(number)
    if star and match is None:
        raise ValueError(f"{group!r} has a unit and is no number")
    if match is None or not (star or _is_number(register)):
        return Value(register, None, "", group.strip(), note)
    return Value(register, Decimal(match[1]), unit.strip(), note=note)


def _is_number(register: RegisterId | None) -> bool:
    """Tell whether digits without a unit count something, or are a name or a status.

    IEC 62056-6-1: C = 0 general purpose, 0-b:1 the clock, 96 service entries, 97 errors.
    """
    if register is None:
        return False
    a, _, c, d, _, _ = register.to_bytes(6)
    if c == 96:
        return d in _NUMBERED_96
    return not (c in (0, 97, 98, 99) or (a == 0 and c == 1))


def _many(register: RegisterId | None, groups: list[str], note: str) -> list[Value]:
    """Return the numbers of a line with several groups, each noted with what dates it."""
    whole = Value(register, None, "", "".join(f"({g})" for g in groups), note)
    if len(groups) == 7 and _CODE.fullmatch(groups[4]):
        return [_hourly(groups)]
    group_c = register.to_bytes(6)[2] if register is not None else 0
    if group_c in _PROFILES:
        groups = [g for g in groups[1:] if not _CODE.fullmatch(g)]
    found: list[Value] = []
    notes = [note] if note else []
    for at, group in enumerate(groups):
        if "*" in group or (
            at == 0 and _NUMBER.fullmatch(group) and not _DATE.fullmatch(group)
        ):
            try:
                told = [_when(text) for text in notes]
            except NotValid:
                return [whole]
            found.append(_single(register, group, ", ".join(told)))
            notes = []
        else:
            notes.append(group)
    if not any(value.number is not None for value in found):
        return [whole]
    if notes:
        last = found[-1]
        found[-1] = replace(last, note=", ".join(filter(None, [last.note, *notes])))
    return found


def _hourly(groups: list[str]) -> Value:
    """Return DSMR 2.2's value of an M-Bus meter: (date)(status)(60)(1)(id)(unit)(value)."""
    when, status, _, count, code, unit, number = groups
    register = parse_obis(code)
    match = _NUMBER.fullmatch(number)
    disturbed = re.fullmatch("[0-9A-Fa-f]{1,8}", status) is None or (
        int(status, 16) & _DISTURBED
    )
    try:
        told = _when(when)
    except NotValid:
        told, match = when, None
    if match is None or count not in ("1", "01") or disturbed:
        return Value(register, None, "", f"{number} {unit}", f"{told}, status {status}")
    return Value(register, Decimal(match[1]), unit, note=told)


def _when(text: str) -> str:
    """Return a date readably, other text as it is; NotValid for a day there is not.

    The letter stays: which zone S (summer) and W (winter) are of is not told.
    """
    match = _DATE.fullmatch(text)
    if match is None:
        return text
    *parts, season = match.groups()
    year, month, day, hour, minute, second = map(int, parts)
    try:
        when = datetime.combine(
            date(2000 + year, month, day), time(hour, minute, second)
        )
    except ValueError:
        raise NotValid(f"{text!r} is no date") from None
    return f"{when:%Y-%m-%d %H:%M:%S} {season}".rstrip()


def told_by(found: tuple[Value, ...], registers: tuple[RegisterId, ...]) -> str:
    """Return the text of the first of `registers` that holds more than zeros, or ""."""
    texts = {v.register: v.text for v in found if v.text.strip("0 ")}
    return next((texts[r] for r in registers if r in texts), "")


class TextSplitter:
    """Cuts a stream into frames from `/` to their end; see `model`.

    `find_end` gives the end of the frame that begins at 0, or -1; it looks from a given
    byte on. A frame in which another begins was cut off: it is dropped.
    """

    def __init__(self, find_end: Callable[[bytearray, int], int]) -> None:
        self._find_end = find_end
        self._buffer = bytearray()
        self._dropped = 0
        self._seen = 0

    def feed(self, chunk: bytes) -> list[Frame]:
        """Return the frames that `chunk` completed."""
        self._buffer += chunk
        return list(self._frames())

    def _frames(self) -> Iterator[Frame]:
        while self._begin():
            end = self._find_end(self._buffer, max(0, self._seen - _END_REACH))
            again = self._next_start(end if end >= 0 else len(self._buffer))
            if again:
                self._drop(again)
            elif end >= 0:
                yield Frame(self._dropped, bytes(self._buffer[:end]))
                self._drop(end)
            elif len(self._buffer) > MAX_FRAME_BYTES:
                self._drop(1)
            else:
                self._seen = len(self._buffer)
                return

    def _begin(self) -> bool:
        """Drop what stands before a frame; tell whether one begins."""
        match = START.search(self._buffer)
        if match is not None:
            if match.start():
                self._drop(match.start())
            return True
        slash = self._buffer.rfind(b"/", max(0, len(self._buffer) - _START_BYTES + 1))
        self._drop(slash if slash >= 0 else len(self._buffer))
        return False

    def _next_start(self, end: int) -> int:
        """Return where the last frame before `end` begins, 0 when only the first does."""
        start = 0
        looked = max(1, self._seen - _START_BYTES)
        for match in START.finditer(self._buffer, looked, end):
            start = match.start()
        return start

    def _drop(self, count: int) -> None:
        del self._buffer[:count]
        self._dropped += count
        self._seen = 0
