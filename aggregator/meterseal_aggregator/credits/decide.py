"""The rule of crediting: a final slot is credited, or refused with one cause; pure.

It asks only what the slot carries. The purse says in which legs Wh come and go: a debt
is repaid before anything is minted, a correction burns what is still held and owes the
rest, so nobody who bought is ever clawed back.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from meterseal_aggregator.credits.model import Cause, Leg, Slot
from meterseal_aggregator.vee.check import within_capacity
from meterseal_proto.units import MINTABLE


def refuse(slot: Slot) -> Cause | None:
    """Return why a slot whose time has come is not credited, or None.

    A slot is final when it is decided, so an equivocation known by then refuses it
    (SETTLED 5); one that comes later leaves the credit to a dispute.
    """
    if slot.length != slot.step:
        return Cause.INTERVAL_SIZE
    if slot.quality not in MINTABLE:
        return Cause.QUESTIONABLE
    if slot.told_twice:
        return Cause.EQUIVOCATED
    if slot.meter_point_id is None or slot.member_id is None:
        return Cause.VACANT
    if slot.certified_w is None:
        return Cause.UNCERTIFIED
    if not within_capacity(slot.delta, slot.length, slot.certified_w):
        return Cause.ABOVE_CAPACITY
    return Cause.TAKEN if slot.taken else None


def worth(sealed_wh: int, edited_wh: int) -> int:
    """Return what a slot is worth that an operator edited: he lowers, only a device raises."""
    return min(sealed_wh, edited_wh)


def contiguous(slots: Sequence[Slot], breaks: dict[int, dict[int, int]]) -> list[Slot]:
    """Return the slots no gap stands before; `slots` are by register, then by start.

    `breaks` gives for a register where its recorded breaks begin and end: over those the
    mark passes. Behind an unexplained hole nothing of that register is returned.
    """
    reached: dict[int, int] = {}
    found = []
    for slot in slots:
        mark = reached.get(slot.register_id, slot.mark)
        jumps = breaks.get(slot.register_id, {})
        while mark < slot.start and mark in jumps:
            mark = jumps[mark]
        if mark == slot.start:
            mark = slot.end
            found.append(slot)
        reached[slot.register_id] = mark
    return found


@dataclass(slots=True)
class Purse:
    """What a producer holds and owes while a batch is posted, in Wh, both >= 0."""

    held: int
    owed: int

    def credit(self, wh: int) -> list[tuple[Leg, int]]:
        """Take in `wh` > 0: debts first, then credits. Returns the legs with their Wh."""
        repaid = min(self.owed, wh)
        self.owed -= repaid
        self.held += wh - repaid
        return _legs((Leg.REPAY, repaid), (Leg.MINT, wh - repaid))

    def reverse(self, wh: int) -> list[tuple[Leg, int]]:
        """Give back `wh` > 0: what is held, then debt. Returns the legs with their Wh."""
        burnt = min(self.held, wh)
        self.held -= burnt
        self.owed += wh - burnt
        return _legs((Leg.REVERSE, burnt), (Leg.OWE, wh - burnt))

    def restore(self, wh: int) -> list[tuple[Leg, int]]:
        """Take back in `wh` > 0 that were reversed: debts first. Returns the legs."""
        forgiven = min(self.owed, wh)
        self.owed -= forgiven
        self.held += wh - forgiven
        return _legs((Leg.FORGIVE, forgiven), (Leg.RESTORE, wh - forgiven))


def _legs(*legs: tuple[Leg, int]) -> list[tuple[Leg, int]]:
    return [leg for leg in legs if leg[1]]
