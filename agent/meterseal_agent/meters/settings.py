"""Where a meter model keeps its own address and baud rate, if it may be told over the line.

Pure; a part of a profile (`[address]`). It must never hold more than a vendor document
says, for a register that is written by mistake may be a meter's calibration.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from meterseal_agent.meters.table import Table


class Holds(Enum):
    """How the registers hold a setting."""

    U16 = "u16"
    F32 = "f32"

    def words(self, number: int) -> tuple[int, ...]:
        """Return the registers of a number, high word first."""
        if self is Holds.U16:
            return (number,)
        return struct.unpack(">2H", struct.pack(">f", number))

    def number(self, words: tuple[int, ...]) -> int | None:
        """Return the whole number that registers hold, None when it is none."""
        if self is Holds.U16:
            return words[0]
        (value,) = struct.unpack(">f", struct.pack(">2H", *words))
        return int(value) if value == value // 1 and abs(value) < 2**24 else None

    @property
    def count(self) -> int:
        """How many registers that takes."""
        return 1 if self is Holds.U16 else 2


@dataclass(frozen=True, slots=True)
class Settings:
    """A model's own address and speed: PDU addresses of holding registers.

    `bauds` gives the rate for each code the register at `baud` takes, empty where the
    document does not list them. `first` says what a person does at the meter first.
    """

    document: str
    holds: Holds
    unit: int
    baud: int | None
    bauds: Mapping[int, int]
    first: str

    def code(self, baud: int) -> int | None:
        """Return the code of a baud rate, None when the model does not have it."""
        return next((code for code, rate in self.bauds.items() if rate == baud), None)


def settings_of(profile: Table) -> Settings | None:
    """Return what a profile's `[address]` says; None when it has none."""
    if not profile.has("address"):
        return None
    table = profile.table("address")
    found = Settings(
        document=table.text("document"),
        holds=_holds(table),
        unit=table.integer("unit", low=0, high=0xFFFF),
        baud=table.integer("baud", low=0, high=0xFFFF) if table.has("baud") else None,
        bauds=_bauds(table.table("bauds")) if table.has("bauds") else {},
        first=table.text("first") if table.has("first") else "",
    )
    table.done()
    if (found.baud is None) != (not found.bauds):
        raise ValueError(f"{table.where}: baud and bauds belong together")
    return found


def _holds(table: Table) -> Holds:
    text = table.text("holds")
    try:
        return Holds(text)
    except ValueError:
        raise ValueError(f"{table.where}: holds must be u16 or f32") from None


def _bauds(table: Table) -> Mapping[int, int]:
    found: dict[int, int] = {}
    for key in table.unread():
        if not key.isdecimal():
            raise ValueError(f"{table.where}: {key!r} is no code")
        found[int(key)] = table.integer(key, low=300, high=115_200)
    return found
