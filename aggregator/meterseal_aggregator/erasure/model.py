"""The nouns of erasure: who may be erased, why not yet, and what is left of him.

A member stays a number: books, bills and trades refer to it, and it names nobody. Pure.
This module must never read a table.
"""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

CONFIRM_WITHIN_S: Final = 900
"""How long a code to confirm is good: one sitting."""
RETENTION_S: Final = 10 * 366 * 86_400
"""How long bills are kept, and can be proved, after their issue: the longest of the duties
to keep accounts that we know of (Germany, HGB 257: ten years at most)."""
CODE_BYTES: Final = 9
"""Of a code that an operator copies within the quarter of an hour it is good for."""
_DOMAIN: Final = b"meterseal/erasure/v1\x00"


class Why(StrEnum):
    """Why a member is erased."""

    ASKED = "asked"
    """He wishes it."""
    MOVED_OUT = "moved-out"
    """Nothing is owed any more, and the reason to keep him is gone."""
    DECEASED = "deceased"
    ORDERED = "ordered"
    """A court or an authority orders it."""


class Cause(StrEnum):
    """Why nobody is erased; the value is the problem's name on the wire."""

    UNKNOWN = "not-found"
    NOT_FREE = "still-bound"
    """He is supplied, owes, is owed, or something of his waits: the message says what."""
    CODE = "code"
    """Nobody asked, the code is another, or its time is over."""
    DONE = "erased"


class NotErased(Exception):
    """What erasure does not do as things stand; the message says what to do first."""

    def __init__(self, cause: Cause, detail: str) -> None:
        super().__init__(detail)
        self.cause = cause
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Erasure:
    """An erasure as it stands; times are real Unix seconds, None for what is still to come."""

    member: int
    why: Why
    actor: str
    asked_at: int
    expires_at: int
    done_at: int | None
    scrubbed_at: int | None


def erased_name(member: int) -> str:
    """Return the name of a member who was erased."""
    return f"erased {member}"


def code_digest(member: int, code: str) -> bytes:
    """Return what is kept of a code."""
    return hashlib.sha256(_DOMAIN + f"{member}/{code}".encode()).digest()
