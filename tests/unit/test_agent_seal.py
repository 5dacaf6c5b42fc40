"""What the next seal of a register holds, case by case."""

from dataclasses import replace

import pytest

from meterseal_agent.outbox.model import Chain
from meterseal_agent.record import Record
from meterseal_agent.seal import Cut, next_cut
from meterseal_proto.message import MAX_STEP
from meterseal_proto.seal import Head, OpenRecord
from meterseal_proto.units import IMPORT, MeterId, Quality

METER = MeterId(bytes(16))
STEP = 900
T = 900_000


def chain(value: int = 1000, end: int = T, tried: int = 0) -> Chain:
    return Chain(
        1, METER, IMPORT, STEP, 10_000, Head(0, bytes(32), end, value), 0, tried
    )


def record(slot: int, delta: int, value: int, length: int = STEP) -> Record:
    return Record(METER, IMPORT, T + slot * STEP, length, delta, value, Quality.RAW)


def run(deltas: list[int], value: int = 1000, slot: int = 0) -> list[Record]:
    found = []
    for n, delta in enumerate(deltas):
        value += delta
        found.append(record(slot + n, delta, value))
    return found


def taken(cut: Cut | None) -> list[tuple[int, int]]:
    assert cut is not None
    return [(r.delta, r.value) for r in cut.records]


def test_nothing_pending_is_nothing_to_seal() -> None:
    assert next_cut(chain(), []) is None


def test_one_interval_makes_one_seal() -> None:
    cut = next_cut(chain(), run([5]))
    assert cut == Cut((OpenRecord(T, 5, 1005, Quality.RAW),), STEP, T + STEP)


def test_consecutive_intervals_go_together() -> None:
    assert taken(next_cut(chain(), run([1, 2, 3]))) == [(1, 1001), (2, 1003), (3, 1006)]


def test_a_seal_takes_a_hundred_intervals_and_no_more() -> None:
    cut = next_cut(chain(), run([1] * 101))
    assert cut is not None
    assert (len(cut.records), cut.upto) == (100, T + 100 * STEP)


def test_a_batch_ends_at_a_gap() -> None:
    pending = run([1, 2]) + run([4], value=1010, slot=5)
    assert len(taken(next_cut(chain(), pending))) == 2


def test_a_batch_ends_at_a_change_of_length_and_the_long_one_goes_alone() -> None:
    long = record(1, 8, 1009, length=3 * STEP)
    rest = run([1], value=1009, slot=4)
    assert len(taken(next_cut(chain(), [*run([1]), long, *rest]))) == 1
    cut = next_cut(chain(value=1001, end=T + STEP), [long, *rest])
    assert cut is not None
    assert (len(cut.records), cut.step) == (1, 3 * STEP)


def test_a_hole_is_closed_first_by_one_long_record() -> None:
    cut = next_cut(chain(), run([4], value=1030, slot=5))
    long = OpenRecord(T, 30, 1030, Quality.QUESTIONABLE)
    assert cut == Cut((long,), 5 * STEP, T + 5 * STEP)


def test_a_hole_that_was_refused_takes_in_the_next_record() -> None:
    pending = run([4], value=1030, slot=5)
    cut = next_cut(chain(tried=T + 5 * STEP), pending)
    long = OpenRecord(T, 34, 1034, Quality.QUESTIONABLE)
    assert cut == Cut((long,), 6 * STEP, T + 6 * STEP)


def test_a_reset_inside_a_hole_tells_the_new_value_with_no_energy() -> None:
    cut = next_cut(chain(), run([4], value=7, slot=5))
    assert cut == Cut((OpenRecord(T, 0, 7, 10),), 5 * STEP, T + 5 * STEP)


def test_a_reset_goes_alone() -> None:
    reset, *rest = run([0, 3, 4], value=7)
    assert taken(next_cut(chain(), [reset, *rest])) == [(0, 7)]
    before = run([2])
    reset = record(1, 0, 7)
    assert taken(next_cut(chain(), [*before, reset])) == [(2, 1002)]


def test_what_is_above_capacity_goes_alone() -> None:
    most = 10_000 * 900 * 11 // 36_000 + 1
    fine = run([1, most, 1])
    assert len(taken(next_cut(chain(), fine))) == 3
    wild = run([1, most + 1, 1])
    assert len(taken(next_cut(chain(), wild))) == 1
    assert len(taken(next_cut(chain(1001, T + STEP), wild[1:]))) == 1


def test_energy_missing_between_records_is_told_in_one_questionable_interval() -> None:
    cut = next_cut(chain(), run([4], value=1020))
    assert cut == Cut((OpenRecord(T, 24, 1024, 10),), STEP, T + STEP)


def test_what_ends_before_the_head_is_passed_over() -> None:
    pending = run([1, 2, 3])
    head = chain(value=1003, end=T + 2 * STEP)
    assert taken(next_cut(head, pending)) == [(3, 1006)]
    assert next_cut(chain(end=T + 3 * STEP), pending) is None


def test_what_straddles_the_head_is_told_from_the_head_on() -> None:
    long = record(0, 9, 1009, length=4 * STEP)
    cut = next_cut(chain(value=1002, end=T + STEP), [long])
    assert cut == Cut((OpenRecord(T + STEP, 7, 1009, 10),), 3 * STEP, T + 4 * STEP)


@pytest.mark.parametrize("slots", [MAX_STEP // STEP + 1, 10**6])
def test_a_hole_no_aggregator_would_take_is_not_sealed(slots: int) -> None:
    assert next_cut(chain(), run([1], slot=slots)) is None
    assert next_cut(chain(), [record(0, 1, 1001, length=slots * STEP)]) is None


def test_a_future_that_was_refused_does_not_hide_the_present() -> None:
    head = replace(chain(), tried=T + 1000 * STEP)
    assert taken(next_cut(head, run([1, 2]))) == [(1, 1001), (2, 1003)]
