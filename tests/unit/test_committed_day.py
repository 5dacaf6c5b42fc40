"""What a committed day tells of the records it was made of."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterseal_agent.outbox.model import Chain
from meterseal_agent.record import Record
from meterseal_agent.seal.day import (
    LEAVE_AFTER_S,
    LEAVE_WITHIN_S,
    Day,
    leaves_at,
    next_day,
)
from meterseal_agent.seal.zone import midnights
from meterseal_proto.seal import Head
from meterseal_proto.units import EXPORT, IMPORT, MeterId, Quality, plausible_wh

METER = MeterId(bytes(16))
STEP = 900
T = 20_000 * 86_400
RAW, DOUBT, MISSING = Quality.RAW, Quality.QUESTIONABLE, Quality.MISSING


def chain(end: int = T, step: int = STEP) -> Chain:
    return Chain(1, METER, IMPORT, step, 10_000, Head(0, bytes(32), end, 0), 0, 0)


def record(slot: int, delta: int, slots: int = 1, quality: Quality = RAW) -> Record:
    doubt = quality if slots == 1 else DOUBT
    return Record(METER, IMPORT, T + slot * STEP, slots * STEP, delta, 0, doubt)


def utc(at: int) -> int:
    return (at // 86_400 + 1) * 86_400


def day_of(pending: Sequence[Record], bits: int = 16, end: int = T) -> Day:
    day = next_day(chain(end), pending, bits, utc)
    assert day is not None
    return day


def told(day: Day, energy: int) -> bool:
    return sum(v or 0 for v in day.values) + day.untold == energy


def test_a_day_waits_for_the_record_that_reaches_its_end() -> None:
    slots = [record(n, n) for n in range(96)]
    assert next_day(chain(), slots[:95], 16, utc) is None
    assert day_of(slots).values == tuple(range(96))
    assert set(day_of(slots).qualities) == {RAW}


def test_the_first_day_is_as_long_as_is_left_of_it() -> None:
    slots = [record(n, 1) for n in range(90, 96)]
    day = day_of(slots, end=T + 90 * STEP)
    assert (day.first, day.end, day.values) == (T + 90 * STEP, T + 86_400, (1,) * 6)


def test_a_long_interval_is_told_by_its_last_slot_the_others_are_missing() -> None:
    slots = [record(n, 1) for n in range(10)]
    rest = [record(n, 1) for n in range(14, 96)]
    day = day_of([*slots, record(10, 40, slots=4), *rest])
    assert day.values[9:15] == (1, None, None, None, 40, 1)
    assert day.qualities[9:15] == (RAW, MISSING, MISSING, MISSING, DOUBT, RAW)


def test_what_does_not_fit_the_last_slot_is_told_by_the_ones_before() -> None:
    day = day_of([record(0, 150_000, slots=96)])
    # 264 kWh may come of 10 kW in a day: five slots of 16 bits.
    assert day.values[-6:] == (None, 0, 0, 150_000 - 2 * 65_535, 65_535, 65_535)
    assert told(day, 150_000)


@pytest.mark.parametrize("slots", [2, 4, 96, 97, 700])
def test_the_qualities_of_a_long_interval_do_not_hang_on_what_was_used(
    slots: int,
) -> None:
    """A week's hole that ends in more than a slot can hold looks as one of nothing does."""
    most = plausible_wh(chain().capacity_w, slots * STEP)
    patterns = set()
    for used in {0, 1, most // 3, most, *(n for n in (65_535, 65_536) if n < most)}:
        long, head = record(0, used, slots=slots), T
        found: tuple[int, ...] = ()
        pending = [long, *(record(n, 1) for n in range(slots, slots + 192))]
        while head < long.end:
            day = day_of(pending, end=head)
            found, head = found + day.qualities, day.end
        patterns.add(found)
    assert len(patterns) == 1


def test_an_interval_over_midnight_is_told_by_the_day_it_ends_in() -> None:
    slots = [record(n, 1) for n in range(90)]
    long = record(90, 500, slots=10)
    first = day_of([*slots, long])
    assert first.values[90:] == (None,) * 6
    assert told(first, 90)
    later = [record(n, 2) for n in range(100, 192)]
    second = day_of([long, *later], end=T + 86_400)
    assert second.values[:5] == (None, None, None, 500, 2)
    assert told(second, 500 + 2 * 92)


def test_overflow_over_midnight_is_told_once_by_both_days_together() -> None:
    long = record(0, 100 * 65_535, slots=100)
    one = day_of([long])
    other = day_of([long, *(record(n, 0) for n in range(100, 192))], end=T + 86_400)
    assert sum(v or 0 for v in (*one.values, *other.values)) == 100 * 65_535


def test_a_jump_no_slot_can_hold_is_told_to_nobody_and_not_lost() -> None:
    slots = [record(n, 1) for n in range(96)]
    slots[7] = record(7, 70_000, quality=DOUBT)
    day = day_of(slots)
    assert (day.values[7], day.qualities[7], day.untold) == (None, MISSING, 70_000)
    assert day_of(slots, bits=32).values[7] == 70_000


def test_a_reset_is_an_interval_of_nothing_that_is_doubted() -> None:
    slots = [record(n, 1) for n in range(96)]
    slots[3] = record(3, 0, quality=DOUBT)
    assert day_of(slots).values[3] == 0
    assert day_of(slots).qualities[3] == DOUBT


def test_a_day_nothing_was_recorded_in_is_told_as_missing() -> None:
    day = day_of([record(200, 7)])
    assert day.values == (None,) * 96
    assert set(day.qualities) == {MISSING}
    assert told(day, 0)


def test_a_bare_day_tells_nothing() -> None:
    bare = day_of([record(n, 3) for n in range(96)]).bare()
    assert (bare.values, set(bare.qualities)) == ((None,) * 96, {MISSING})
    assert told(bare, 0)


@pytest.mark.parametrize(
    ("zone", "date", "slots"),
    [
        ("Europe/Berlin", (2026, 3, 29), 92),
        ("Europe/Berlin", (2026, 10, 25), 100),
        ("Europe/Berlin", (2026, 6, 1), 96),
        ("Asia/Kathmandu", (2026, 6, 1), 96),
        ("America/Santiago", (2026, 9, 6), 92),
    ],
)
def test_a_day_is_a_local_one(
    zone: str, date: tuple[int, int, int], slots: int
) -> None:
    first = int(datetime(*date, tzinfo=ZoneInfo(zone)).timestamp())
    later = Record(METER, IMPORT, first + 3 * 86_400, STEP, 1, 0, RAW)
    day = next_day(chain(first), [later], 16, midnights(zone))
    assert day is not None
    assert len(day.values) == slots


def test_where_midnight_is_off_the_grid_a_day_ends_at_the_next_slot() -> None:
    later = Record(METER, IMPORT, T + 3 * 86_400, 3600, 1, 0, RAW)
    day = next_day(chain(step=3600), [later], 16, midnights("Asia/Kathmandu"))
    assert day is not None
    assert day.end % 3600 == 0


def test_a_day_leaves_at_a_moment_that_hangs_on_the_meter_alone() -> None:
    moments = {leaves_at(MeterId(bytes([n]) * 16), IMPORT, T) - T for n in range(64)}
    assert len(moments) == 64
    assert min(moments) >= LEAVE_AFTER_S
    assert max(moments) < LEAVE_AFTER_S + LEAVE_WITHIN_S
    assert leaves_at(METER, IMPORT, T + 5) == leaves_at(METER, IMPORT, T) + 5
    assert leaves_at(METER, EXPORT, T) != leaves_at(METER, IMPORT, T)


@given(st.lists(st.tuples(st.integers(1, 120), st.integers(0, 200_000)), max_size=40))
def test_days_tell_every_records_energy_once(shape: list[tuple[int, int]]) -> None:
    pending, slot = [], 0
    for length, delta in [*shape, (200, 0)]:
        pending.append(record(slot, delta, slots=length))
        slot += length
    energy, head = 0, T
    while (day := next_day(chain(head), pending, 16, utc)) is not None:
        energy += sum(v or 0 for v in day.values) + day.untold
        pairs = zip(day.values, day.qualities, strict=True)
        assert all((v is None) == (q == MISSING) for v, q in pairs)
        head = day.end
        pending = [one for one in pending if one.end > head]
    assert len(pending) <= 1
    assert energy == sum(delta for _, delta in shape)
