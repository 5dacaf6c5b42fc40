"""Two kinds of trouble: Rejected (they did wrong) and Unavailable (nobody did).

`Reason` is the closed list of what an aggregator may answer. The numbers are names on
the wire, so none is ever given twice; in which order the checks run, `intake/accept.py`
of the aggregator says. A refusal is final only where the seal's own signature was
verified: anybody can send a twin of a seal, and only its device can sign it. This module
must never hold a reason that no check can give.
"""

from enum import IntEnum
from typing import Final


class Reason(IntEnum):
    """Why a message was not taken as it came."""

    TOO_LARGE = 1
    MALFORMED = 2
    # 3 stays free: it once named a seal of another network, whose meter nobody knows.
    UNKNOWN_METER = 4
    KEY_NOT_YET_VALID = 5
    KEY_REVOKED = 6
    TIME_WINDOW = 7
    REPLAYED_SEQ = 8
    OUT_OF_ORDER = 9
    BAD_SIGNATURE = 10
    EQUIVOCATION = 11
    OFF_GRID = 12
    GAP = 13
    BACKWARD_REGISTER = 14
    INCONSISTENT = 15
    CAPACITY = 16
    TOO_EARLY = 17
    PROOF = 18
    MODE = 19

    @property
    def final(self) -> bool:
        """Whether the sender may let go of the seal; given of verified signatures only.

        False is advice: he keeps the seal, raises his alarm and sends it again later.
        """
        return self in _FINAL

    @property
    def advances(self) -> bool:
        """Whether the seal, validly signed but quarantined, still advances the hash chain."""
        return self in _QUARANTINED

    @property
    def rebases(self) -> bool:
        """Whether later intervals count from this seal's last register value all the same."""
        return self in _REBASING

    @property
    def text(self) -> str:
        """The name in the field's spelling, e.g. `backward-register`."""
        return self.name.lower().replace("_", "-")


_QUARANTINED: Final = frozenset(
    {
        Reason.OFF_GRID,
        Reason.GAP,
        Reason.BACKWARD_REGISTER,
        Reason.INCONSISTENT,
        Reason.CAPACITY,
        # Told after the seal was receipted, when its range proof turns out to be wrong.
        Reason.PROOF,
    }
)
_REBASING: Final = frozenset({Reason.BACKWARD_REGISTER, Reason.PROOF})
_FINAL: Final = _QUARANTINED | {Reason.EQUIVOCATION, Reason.TIME_WINDOW}


class Rejected(Exception):
    """They did wrong: answered with a reason, recorded, never retried."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason.text}: {detail}")
        self.reason = reason
        self.detail = detail


class Malformed(Rejected):
    """Bytes that are not one of our messages, with the offset of the first wrong one."""

    def __init__(self, detail: str, offset: int = 0) -> None:
        super().__init__(Reason.MALFORMED, f"{detail} (at byte {offset})")
        self.offset = offset


class Unavailable(Exception):
    """Nobody's fault, now: retried in exactly one place, with back-off and an end."""


class TooLong(Unavailable):
    """An answer was longer than its bounds: less of it may be asked for."""
