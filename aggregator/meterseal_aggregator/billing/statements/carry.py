"""What goes over from a bill that is taken back to the one in its place.

    over = carry(old, new_amount, charged)

What was paid counts for the new bill, what is too much is given to the member's money, and
late fees and disputes stay. What was credited, and the correction makes good as well, is
owed again. Pure: the correction posts by it, and the audit counts again. This module must
never take money out of a member's hands: what he was given before is owed.
"""

from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.billing.model import Act, Standing
from meterseal_aggregator.billing.statements.madegood import Charged

NOTHING_CHARGED: Final = Charged()


@dataclass(frozen=True, slots=True)
class Carry:
    """What a new bill begins with: what was paid or given, fees and disputes.

    `now_given` is what is credited to the member with the correction itself, `again` what
    of earlier credits it charges more than the old bill did (below 0: less).
    """

    paid: int
    given: int
    late_fees: int
    disputed: int
    now_given: int
    again: int = 0

    def acts(self, old_number: str) -> tuple[tuple[Act, int, str], ...]:
        """Return the new bill's first acts, in an order in which each is possible."""
        note = f"from {old_number}"
        found = (
            (Act.LATE_FEE, self.late_fees, note),
            (Act.GIVEN, self.given, note),
            (Act.PAID, self.paid, note),
            (Act.DISPUTED, self.disputed, note),
        )
        return tuple(one for one in found if one[1])


def carry(old: Standing, new_amount: int, charged: Charged = NOTHING_CHARGED) -> Carry:
    """Return what a bill of `new_amount` takes over from where the old one stood."""
    asked = new_amount + old.late_fees + charged.now
    settled = old.paid - (old.given - charged.before)
    now_given = max(0, settled - asked)
    left = settled - now_given
    outstanding = asked - left
    return Carry(
        paid=max(0, left),
        given=max(0, -left) + charged.now,
        late_fees=old.late_fees,
        disputed=min(old.disputed, outstanding),
        now_given=now_given,
        again=charged.now - charged.before,
    )
