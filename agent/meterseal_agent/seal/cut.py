"""What a register's next open seal holds: the rule, pure.

A seal takes 1 to 100 consecutive records of the register's step; it ends at a gap and at
a change of length, and what is doubtful goes alone so that a quarantine takes nothing
else with it. When the next record does not start where the chain's head ends, one long
record closes the hole first: what flowed meanwhile is billed, never minted. This module
must never touch a disk or a key.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from meterseal_agent.outbox.model import Chain
from meterseal_agent.record import Record
from meterseal_proto.message import MAX_STEP
from meterseal_proto.seal import MAX_RECORDS, Head, OpenRecord
from meterseal_proto.units import Quality, plausible_wh


@dataclass(frozen=True, slots=True)
class Cut:
    """The records of the next seal, `step` seconds each; it speaks for time up to `upto`."""

    records: tuple[OpenRecord, ...]
    step: int
    upto: int


def next_cut(chain: Chain, pending: Sequence[Record]) -> Cut | None:
    """Return what the register's next seal holds, None when there is nothing to seal.

    `pending` are records not sealed yet, oldest first; those that end at or before the
    head are passed over. A hole longer than MAX_STEP yields None: no aggregator takes
    it, and only a new enrolment begins a chain behind it; `health` raises the alarm.

    A long record that was refused is not tried again as it was: the next one takes in
    the next record too, so each record makes at most one attempt.
    """
    records = [record for record in pending if record.end > chain.head.end]
    if not records:
        return None
    first, head = records[0], chain.head
    if first.start > head.end and first.start > chain.tried:
        return _long(head, first.start, first.value - first.delta)
    if first.start == head.end and _follows(head.value, first):
        return _run(chain, records)
    return _long(head, first.end, first.value)


def _long(head: Head, upto: int, value: int) -> Cut | None:
    """One record from the head to `upto`; a register below the head's is a reset."""
    length = upto - head.end
    if length > MAX_STEP:
        return None
    delta = max(0, value - head.value)
    record = OpenRecord(head.end, delta, value, int(Quality.QUESTIONABLE))
    return Cut((record,), length, upto)


def _run(chain: Chain, records: Sequence[Record]) -> Cut | None:
    if records[0].length > MAX_STEP:
        return None
    taken = [records[0]]
    if not (_alone(chain, records[0]) or _is_reset(chain.head.value, records[0])):
        for record in records[1:MAX_RECORDS]:
            last = taken[-1]
            joins = (
                record.start == last.end and record.value == last.value + record.delta
            )
            if not joins or _alone(chain, record):
                break
            taken.append(record)
    cut = tuple(OpenRecord(r.start, r.delta, r.value, int(r.quality)) for r in taken)
    return Cut(cut, taken[0].length, taken[-1].end)


def _follows(value: int, record: Record) -> bool:
    return record.value == value + record.delta or _is_reset(value, record)


def _is_reset(value: int, record: Record) -> bool:
    return record.delta == 0 and record.value < value


def _alone(chain: Chain, record: Record) -> bool:
    """Tell whether a record gets a seal of its own: long, or sure to be doubted."""
    bound = plausible_wh(chain.capacity_w, record.length)
    return record.length != chain.step or record.delta > bound
