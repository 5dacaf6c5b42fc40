"""A bill's life: what each act makes of where it stands.

    standing = after(standing, Act.PAID, 5_000_000)

| act | when | then |
| --- | --- | --- |
| paid | not corrected, at most what is outstanding | part-paid, or paid at nothing left |
| unpaid | at most what was paid | outstanding again |
| given | not corrected: a negative total, or what was paid too much | as much more owed |
| late-fee, waived | not corrected; waived at most the fees not paid | more, less outstanding |
| disputed, resolved | at most what is outstanding, disputed | not asked for now; asked again |
| credited | not corrected | as it was: a dispute paid that to the member's money |
| overdue | something is asked | overdue, until nothing is |
| corrected | not corrected | asks for nothing any more |

Pure. This module must never know what time it is: whoever says `overdue` does.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from meterseal_aggregator.billing.model import (
    Act,
    BillAct,
    BillState,
    Cause,
    Refused,
    Standing,
)


def begun(bill: int, amount: int, *, due_at: int, known_at: int) -> Standing:
    """Return where a bill stands as it is issued; a negative one still has to be given."""
    state = BillState.ISSUED if amount > 0 else BillState.PAID
    return Standing(bill, amount, state, due_at, looked_to=known_at)


def after(standing: Standing, act: Act, amount: int = 0) -> Standing:
    """Return where a bill stands after an act; Refused (STATE) where it cannot be done."""
    if standing.state is BillState.CORRECTED:
        raise _refused(
            "a credit note took this bill back: look at the one in its place"
        )
    if amount < 0 or (amount == 0 and act not in (Act.OVERDUE, Act.CORRECTED)):
        raise _refused("an amount must be above 0")
    return _settled(_DO[act](standing, amount), was=standing.state)


def replayed(standing: Standing, acts: Iterable[BillAct]) -> Standing:
    """Return where a bill stands after all its acts, of which the first issued it."""
    for one in acts:
        if one.act is not Act.ISSUED:
            standing = after(standing, one.act, one.amount)
    return standing


def _paid(standing: Standing, amount: int) -> Standing:
    if amount > standing.outstanding:
        raise _refused(
            f"only {standing.outstanding} micro-units are outstanding: pay less"
        )
    return replace(standing, paid=standing.paid + amount)


def _unpaid(standing: Standing, amount: int) -> Standing:
    if amount > standing.paid:
        raise _refused(f"only {standing.paid} micro-units were paid: take back less")
    return replace(standing, paid=standing.paid - amount)


def _given(standing: Standing, amount: int) -> Standing:
    return replace(standing, given=standing.given + amount)


def _late_fee(standing: Standing, amount: int) -> Standing:
    return replace(standing, late_fees=standing.late_fees + amount)


def _waived(standing: Standing, amount: int) -> Standing:
    if amount > min(standing.late_fees, standing.outstanding):
        raise _refused("so much late fee is not outstanding: waive less")
    return replace(standing, late_fees=standing.late_fees - amount)


def _disputed(standing: Standing, amount: int) -> Standing:
    if amount > standing.outstanding - standing.disputed:
        raise _refused(
            f"only {standing.outstanding - standing.disputed} micro-units are outstanding"
            " and not disputed yet: dispute less"
        )
    return replace(standing, disputed=standing.disputed + amount)


def _resolved(standing: Standing, amount: int) -> Standing:
    if amount > standing.disputed:
        raise _refused(f"only {standing.disputed} micro-units are disputed")
    return replace(standing, disputed=standing.disputed - amount)


def _overdue(standing: Standing, amount: int) -> Standing:
    if amount or not standing.asked:
        raise _refused("nothing is asked of this bill: it cannot be overdue")
    return replace(standing, state=BillState.OVERDUE)


def _credited(standing: Standing, amount: int) -> Standing:
    assert amount > 0
    return standing


def _corrected(standing: Standing, amount: int) -> Standing:
    assert amount == 0
    return replace(standing, state=BillState.CORRECTED, disputed=0)


_DO: Final[dict[Act, Callable[[Standing, int], Standing]]] = {
    Act.PAID: _paid,
    Act.UNPAID: _unpaid,
    Act.GIVEN: _given,
    Act.LATE_FEE: _late_fee,
    Act.WAIVED: _waived,
    Act.DISPUTED: _disputed,
    Act.RESOLVED: _resolved,
    Act.OVERDUE: _overdue,
    Act.CREDITED: _credited,
    Act.CORRECTED: _corrected,
}


def _settled(standing: Standing, *, was: BillState) -> Standing:
    """Give a standing the state its sums say; once overdue, a bill stays so until paid."""
    if standing.state is BillState.CORRECTED:
        return standing
    # What is paid cannot be disputed any more.
    disputed = max(0, min(standing.disputed, standing.outstanding))
    standing = replace(standing, disputed=disputed)
    if standing.outstanding <= 0:
        return replace(standing, state=BillState.PAID)
    if BillState.OVERDUE in (standing.state, was):
        return replace(standing, state=BillState.OVERDUE)
    state = BillState.PART_PAID if standing.paid else BillState.ISSUED
    return replace(standing, state=state)


def _refused(detail: str) -> Refused:
    return Refused(Cause.STATE, detail)
