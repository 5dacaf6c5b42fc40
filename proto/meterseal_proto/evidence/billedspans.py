"""Whether a statement's spans fit one another: its period, parts, cycle and registers.

Each line may be what its part's tariff gives, and the whole be a lie all the same: a day
in two parts, a register counted twice, a part that begins from more than the one before it
left, a cycle that no calendar has. Pure. This module must never price anything.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

from meterseal_proto.claims import Wrong
from meterseal_proto.rating.calendar import cycle_of
from meterseal_proto.rating.statement import Segment, Statement, Usage
from meterseal_proto.rating.tariff import FullTariff
from meterseal_proto.tariff import LocalTime


def check_registers(usage: Sequence[Usage]) -> None:
    """Raise Wrong where a register is counted twice; openings of one period are each one."""
    spans: dict[tuple[bytes, int], set[tuple[int, int]]] = defaultdict(set)
    proofs = [told.proof for told in usage if told.proof]
    counted = [told for told in usage if not told.proof]
    for told in counted:
        spans[told.meter, told.register].add((told.begin, told.end))
    twice = len(set(proofs)) < len(proofs)
    for told in usage:
        own = spans[told.meter, told.register]
        twice = twice or (bool(own) and bool(told.proof))
    rows = sum(map(len, spans.values()))
    overlap = any(
        after[0] < before[1]
        for own in spans.values()
        for before, after in pairwise(sorted(own))
    )
    if twice or overlap or rows < len(counted):
        raise Wrong("a register is counted twice for the same time")


def check_parts(statement: Statement) -> None:
    """Raise Wrong unless the parts are the period, each from what the one before it left.

    Parts lie on slots, which the period's ends need not.
    """
    parts = statement.segments
    step = max((told.step for told in statement.usage), default=1)
    late = parts[0].begin - statement.begin, parts[-1].end - statement.end
    if not all(0 <= one < step for one in late):
        raise Wrong("its parts are not the period that the statement says")
    for before, after in pairwise(parts):
        if before.end != after.begin:
            raise Wrong(f"its parts do not follow one another at {after.begin}")
        if before.after != after.before:
            raise Wrong(
                f"the part from {after.begin} begins from other than was carried to it"
            )
    hidden = [told for told in statement.usage if told.proof]
    whole = (statement.begin, statement.end)
    if hidden and (
        len(parts) > 1 or any((one.begin, one.end) != whole for one in hidden)
    ):
        raise Wrong("what a device opened is of its whole period, in one part")


def check_cycle(
    statement: Statement,
    segment: Segment,
    tariffs: Iterable[FullTariff],
    local: LocalTime,
) -> None:
    """Raise Wrong unless a part's cycle is the calendar's around the statement's begin."""
    step = max((told.step for told in statement.usage), default=1)
    for tariff in tariffs:
        try:
            begin, end = cycle_of(tariff, statement.begin, local)
        except (ValueError, OverflowError, OSError):
            raise Wrong(f"no calendar has a cycle around {statement.begin}") from None
        late = segment.cycle_begin - begin, segment.cycle_end - end
        if all(0 <= one < step for one in late):
            return
    raise Wrong(
        f"{segment.cycle_begin} to {segment.cycle_end} is no billing cycle of the calendar"
    )
