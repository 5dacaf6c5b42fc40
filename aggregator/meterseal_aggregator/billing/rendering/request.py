"""What a rendering is made of: a statement, the names beside it, and how it stands today.

Whoever asks has read it all from where it lives. This module must never hold a path to a
file, a database or a clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from meterseal_proto.rating.statement import Statement
from meterseal_proto.units import RegisterId

MAX_LINES: Final = 600
"""Lines of a statement: a year's bill by a tariff of 40 components has 480."""
MAX_USAGE: Final = 64
"""Registers (and parts of the period) named: a meter replaced every week of a year."""
MAX_TEXT: Final = 200
"""Characters of one name, line of an address, component or part: what fits two lines."""
MAX_ADDRESS_LINES: Final = 8
MAX_SLOTS: Final = 400 * 288
"""Slots of one series: 400 days of five minutes, the most that a load has."""
MAX_SERIES: Final = 8
MAX_DAYS: Final = 400
"""Days a bill may span: a chart has a bar for each."""


class Kind(StrEnum):
    """What a bill is rendered as."""

    PDF = "pdf"
    HTML = "html"
    CSV = "csv"
    JSON = "json"
    GREEN_BUTTON = "green-button"
    SMS = "sms"

    @property
    def media_type(self) -> str:
        """The Content-Type it is served with."""
        return _MEDIA[self]

    @property
    def suffix(self) -> str:
        """What its file's name ends with."""
        return _SUFFIX.get(self, f".{self.value}")


_MEDIA: Final = {
    Kind.PDF: "application/pdf",
    Kind.HTML: "text/html; charset=utf-8",
    Kind.CSV: "text/csv; charset=utf-8; header=present",
    Kind.JSON: "application/json",
    Kind.GREEN_BUTTON: "application/atom+xml; charset=utf-8",
    Kind.SMS: "text/plain; charset=utf-8",
}
_SUFFIX: Final = {Kind.GREEN_BUTTON: ".xml", Kind.SMS: ".txt"}


class Language(StrEnum):
    """A member's language, as BCP 47 tags it; each has a catalogue in `locale`."""

    EN = "en"
    ES = "es"
    FR = "fr"
    SW = "sw"
    HI = "hi"


class Cause(StrEnum):
    """Why a rendering is refused."""

    TOO_LARGE = "too-large"
    """More lines, days, text or pages than a rendering has."""
    UNKNOWN_ZONE = "unknown-zone"
    NO_FONT = "no-font"
    """No font here has the letters that a PDF needs; HTML needs none."""
    NOT_SAYABLE = "not-sayable"
    """The format has no word for it: a currency or step that its standard lacks."""


class Unrenderable(Exception):
    """A rendering that is refused; the message says what to do."""

    def __init__(self, cause: Cause, detail: str) -> None:
        super().__init__(detail)
        self.cause = cause
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Names:
    """What stands beside a statement, which names nobody: all of it plain text.

    `member` and `address` are whom it is for, `issuer` who bills, `meter` the meter point
    as people call it (a serial number, a flat); empty where nobody knows.
    """

    member: str
    address: tuple[str, ...] = ()
    issuer: str = ""
    meter: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """How the bill stands when it is printed, in micro-units of its currency.

    `arrears` is what is owed from other bills, at the same time; `outstanding` is the
    bill's rest with its late fees, of which `disputed` is not asked for now.
    """

    paid: int = 0
    late_fees: int = 0
    outstanding: int = 0
    disputed: int = 0
    arrears: int = 0


@dataclass(frozen=True, slots=True)
class UsageSeries:
    """A register's slots as billed: `deltas` in Wh or litres from `begin` on.

    A slot is `step` seconds; `qualities` has one ESPI code a slot (`units.Quality`).
    """

    register: RegisterId
    begin: int
    step: int
    deltas: Sequence[int]
    qualities: bytes


@dataclass(frozen=True, slots=True)
class RenderRequest:
    """A statement, its bytes, and what is printed beside it.

    `hash` is `statement_hash(salt, document)`; `salt` is None where it was erased. With
    `series` a rendering has a chart by day, and Green Button its readings.
    """

    statement: Statement
    document: bytes
    hash: bytes
    salt: bytes | None
    names: Names
    language: Language = Language.EN
    standing: Standing | None = None
    series: tuple[UsageSeries, ...] = ()
