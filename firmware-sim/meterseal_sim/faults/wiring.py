"""Pure: faults of the cabinet: a CT turned round, CTs changed over, a phase missing.

What a wrongly wired meter did not count is lost to it for good: mended, it goes on
from where it stands. Must never give a phase less than it counted before.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

from meterseal_sim.curve import Registers
from meterseal_sim.faults.model import PHASES_SWAPPED, Fault, Kind
from meterseal_sim.wiring import PER_MILLE, RIGHT, Wiring

CABINET = frozenset({Kind.CT_REVERSED, Kind.CT_SWAPPED, Kind.MISSING_PHASE})
Shares = tuple[int, int, int]


def wiring(faults: Sequence[Fault], t: int) -> Wiring:
    """Return how the meter is wired at second `t`."""
    found = RIGHT
    for fault in faults:
        if fault.kind in CABINET and fault.active(t):
            found = _rewired(found, fault)
    return found


def strayed(
    faults: Sequence[Fault],
    t: int,
    truth: Callable[[int], Registers],
    shares: Shares,
    factor: int,
) -> tuple[Registers, ...]:
    """Return what wrong wiring has added by second `t`: in all, then for L1, L2, L3.

    In thousandths of a Wh, negative where the meter counted too little. `shares`
    and `factor` are the load's, in per mille.
    """
    total = [[0, 0] for _ in range(4)]
    for begin, end in _spans(faults, t):
        gains = wiring(faults, begin).gains(shares, factor)
        before, after = truth(begin), truth(end)
        taken = after.import_wh - before.import_wh
        given = after.export_wh - before.export_wh
        rows = zip((sum(gains), *gains), (PER_MILLE, *shares), strict=True)
        for place, (gain, share) in enumerate(rows):
            with_it, against = max(gain, 0), max(-gain, 0)
            total[place][0] += taken * (with_it - share) + given * against
            total[place][1] += given * (with_it - share) + taken * against
    return tuple(Registers(*pair) for pair in total)


def _spans(faults: Sequence[Fault], t: int) -> list[tuple[int, int]]:
    """Return the spans before `t` in which something is wired wrong, each one wiring."""
    wrong = [fault for fault in faults if fault.kind in CABINET and fault.start < t]
    edges = sorted({edge for f in wrong for edge in (f.start, min(f.end, t))})
    return [
        (begin, end)
        for begin, end in pairwise(edges)
        if any(fault.active(begin) for fault in wrong)
    ]


def _rewired(found: Wiring, fault: Fault) -> Wiring:
    if fault.kind is Kind.CT_SWAPPED:
        one, two = PHASES_SWAPPED[fault.amount]
        order = list(found.currents)
        order[one], order[two] = order[two], order[one]
        return replace(found, currents=(order[0], order[1], order[2]))
    here = fault.amount - 1
    if fault.kind is Kind.CT_REVERSED:
        a, b, c = (
            -sign if phase == here else sign for phase, sign in enumerate(found.signs)
        )
        return replace(found, signs=(a, b, c))
    x, y, z = (live and phase != here for phase, live in enumerate(found.live))
    return replace(found, live=(x, y, z))
