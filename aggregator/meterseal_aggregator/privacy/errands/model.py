"""Nouns of errands: a bill that is asked for, and how it stands.

Plain values. This module must never hold a usage.
"""

from dataclasses import dataclass
from enum import StrEnum

from meterseal_proto.errand import BillAsked, NoBill


class State(StrEnum):
    """How a request for a bill stands."""

    ASKED = "asked"
    BILLED = "billed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class BillRequest:
    """A bill that is asked for; times in Unix seconds of the network.

    `sent_at` is when its agent was last asked, None until then; `why` and `said_at` are
    its device's no; `not_taken` the cause for which a bill that came was not taken;
    `bill` the kept bill's id.
    """

    id: int
    register_id: int
    asked: BillAsked
    asked_at: int
    sent_at: int | None
    why: NoBill | None
    said_at: int | None
    not_taken: str | None
    bill: int | None

    @property
    def state(self) -> State:
        """How it stands: a bill settles it, whatever was refused before."""
        if self.bill is not None:
            return State.BILLED
        return State.ASKED if self.why is None else State.REFUSED
