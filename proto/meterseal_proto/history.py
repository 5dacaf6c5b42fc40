"""What a restored device asks its aggregator for, and what it is given: days and bills.

`POST /v1/histories` takes a HistoryRequest, which the register's seal key in force signs
for a few minutes of real time, and answers a HistoryPage. The days are commitments and
backups, ciphertext that the device alone opens; the bills are its member's. Nothing here
says whether any of it is true: that is checked against the log. This module must never
hold a usage.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from meterseal_proto.bill import ProvedBill
from meterseal_proto.boundedjson import read_json, uint
from meterseal_proto.commitment import COMMITMENT_BYTES
from meterseal_proto.encoding import encode
from meterseal_proto.errors import Malformed
from meterseal_proto.keys import SealKey
from meterseal_proto.privatefile import read_statement, statement_json
from meterseal_proto.seal import MAX_RECORDS
from meterseal_proto.units import MeterId, RegisterId

PATH: Final = "/v1/histories"
LIFE_S: Final = 300
"""Real seconds around `at` in which a request is taken: clocks differ, modems are slow."""
DAYS_A_PAGE: Final = 64
"""A day takes 9 KB as JSON: a page stays below a megabyte, and a year takes six."""
BILLS_A_PAGE: Final = 12
"""A bill over a year's days takes 26 KB."""
MAX_BRACKETS: Final = 1_024
"""A full page opens 91."""
_REQUEST: Final = b"meterseal/history-request/v1\x00"


def history_digest(
    network: bytes, meter: MeterId, register: RegisterId, after: int, at: int
) -> bytes:
    """Return the 32 bytes the seal key signs: never those of a seal, bill or record."""
    body = encode([network, meter, register, after, at])
    return hashlib.sha256(_REQUEST + body).digest()


@dataclass(frozen=True, slots=True)
class HistoryRequest:
    """A wish for a register's days and bills whose log entries' ids are above `after`.

    `at` is the real Unix second it was signed at.
    """

    meter: MeterId
    register: RegisterId
    after: int
    at: int
    signature: bytes

    @classmethod
    def sign(
        cls, key: SealKey, network: bytes, place: tuple[MeterId, RegisterId],
        *, after: int, at: int,
    ) -> Self:  # fmt: skip
        """Return the wish for the register at `place`, signed."""
        digest = history_digest(network, *place, after, at)
        return cls(*place, after, at, key.sign(digest))

    def digest(self, network: bytes) -> bytes:
        """Return what its signature is over."""
        return history_digest(network, self.meter, self.register, self.after, self.at)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON body."""
        return {
            "meter": self.meter.hex(),
            "register": self.register,
            "after": self.after,
            "at": self.at,
            "signature": self.signature.hex(),
        }


@dataclass(frozen=True, slots=True)
class HistoryDay:
    """A committed day as the aggregator has it, by its sequence number.

    `points` are its commitments one after the other, `qualities` a byte each; `state` is
    what became of its proof; `backup` is empty where it was erased.
    """

    seq: int
    revision: int
    points: bytes
    qualities: bytes
    state: str
    backup: bytes

    @property
    def commitments(self) -> tuple[bytes, ...]:
        """Its commitments, 33 bytes each."""
        cut = range(0, len(self.points), COMMITMENT_BYTES)
        return tuple(self.points[at : at + COMMITMENT_BYTES] for at in cut)


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Days and bills in the order of the log; `after` is where to go on, None at the end."""

    days: tuple[HistoryDay, ...]
    bills: tuple[ProvedBill, ...]
    after: int | None

    def to_json(self) -> dict[str, Any]:
        """Return the JSON body."""
        return {
            "days": [
                {
                    "seq": day.seq,
                    "revision": day.revision,
                    "points": day.points.hex(),
                    "qualities": day.qualities.hex(),
                    "state": day.state,
                    "backup": day.backup.hex(),
                }
                for day in self.days
            ],
            "bills": [statement_json(bill) for bill in self.bills],
            "after": self.after,
        }

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """Return the page; Malformed when the shape is wrong."""
        try:
            body = read_json(text, brackets=MAX_BRACKETS)
            after = body["after"]
            return cls(
                tuple(_day(row) for row in body["days"]),
                tuple(read_statement(row) for row in body["bills"]),
                None if after is None else uint(after, "after"),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Malformed(f"a history page of the wrong shape: {error}") from None


def _day(row: dict[str, Any]) -> HistoryDay:
    day = HistoryDay(
        seq=uint(row["seq"], "seq"),
        revision=uint(row["revision"], "revision"),
        points=bytes.fromhex(row["points"]),
        qualities=bytes.fromhex(row["qualities"]),
        state=str(row["state"]),
        backup=bytes.fromhex(row["backup"]),
    )
    count = len(day.qualities)
    if not 1 <= count <= MAX_RECORDS or len(day.points) != count * COMMITMENT_BYTES:
        raise ValueError("a day has as many points as qualities")
    return day


def only(days: Sequence[HistoryDay]) -> dict[int, HistoryDay]:
    """Return days by sequence number; Malformed where one is told twice."""
    found = {day.seq: day for day in days}
    if len(found) != len(days):
        raise Malformed("a day was given twice")
    return found
