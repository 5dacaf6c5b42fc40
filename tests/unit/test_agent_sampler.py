from dataclasses import replace

import pytest

from meterseal_agent.meters.registers import Sample
from meterseal_agent.record import Record
from meterseal_agent.sampler import Clock, ClockWatch, Rules, State, observe
from meterseal_proto.units import EXPORT, IMPORT, WATER, MeterId, Quality, RegisterId

METER = MeterId(b"m" * 16)
T0 = 1_790_000_100 - 1_790_000_100 % 900
RULES = Rules(METER, IMPORT, step=900, max_per_hour=10_000)
BEGIN = State.begin(T0, 1000)
RAW, QUESTIONABLE = Quality.RAW, Quality.QUESTIONABLE


def sample(at: int, raw: int, power_w: int | None = None) -> Sample:
    return Sample(T0 + at, {RULES.register: raw}, power_w, {})


def feed(
    *samples: Sample,
    rules: Rules = RULES,
    state: State = BEGIN,
    clock: Clock = Clock.TRUSTED,
) -> tuple[State, list[Record]]:
    records = []
    for one in samples:
        state, record = observe(rules, state, one, clock)
        if record:
            records.append(record)
    return state, records


def brief(records: list[Record]) -> list[tuple[int, int, int, int, Quality]]:
    return [(r.start - T0, r.length, r.delta, r.value, r.quality) for r in records]


def test_a_slot_ends_with_the_first_sample_at_or_after_its_boundary() -> None:
    _, records = feed(
        sample(890, 1095), sample(900, 1100), sample(910, 1101), sample(1805, 1200)
    )
    assert brief(records) == [
        (0, 900, 100, 1100, RAW),
        (900, 900, 100, 1200, RAW),
    ]
    assert {(r.meter, r.register) for r in records} == {(METER, IMPORT)}


def test_a_late_boundary_makes_both_its_neighbours_questionable() -> None:
    _, records = feed(sample(900 + 61, 1100), sample(1800, 1200), sample(2700, 1300))
    assert [r.quality for r in records] == [QUESTIONABLE, QUESTIONABLE, RAW]
    _, records = feed(sample(900 + 60, 1100), sample(1800, 1200))
    assert [r.quality for r in records] == [RAW, RAW]


def test_a_hole_becomes_one_long_questionable_record() -> None:
    _, records = feed(sample(900, 1100), sample(3605, 1500), sample(4500, 1600))
    assert brief(records) == [
        (0, 900, 100, 1100, RAW),
        (900, 2700, 400, 1500, QUESTIONABLE),
        (3600, 900, 100, 1600, RAW),
    ]


def test_a_sample_without_the_register_changes_nothing() -> None:
    absent = Sample(T0 + 900, {EXPORT: 7}, None, {IMPORT: "NaN"})
    assert observe(RULES, BEGIN, absent, Clock.TRUSTED) == (BEGIN, None)


def test_a_declared_rollover_is_unrolled_so_that_the_value_keeps_growing() -> None:
    rules = replace(RULES, rollover=100_000)
    begin = State.begin(T0, 99_900)
    state, records = feed(
        sample(450, 99_990), sample(900, 40), rules=rules, state=begin
    )
    assert brief(records) == [(0, 900, 140, 100_040, RAW)]
    _, records = feed(
        sample(1800, 99_000), state=state, rules=replace(rules, max_per_hour=10**6)
    )
    assert brief(records) == [(900, 900, 98_960, 199_000, RAW)]


def test_without_a_declared_width_a_rollover_is_a_reset() -> None:
    begin = State.begin(T0, 99_900)
    _, records = feed(sample(880, 40), sample(890, 40), sample(900, 41), state=begin)
    assert brief(records) == [(0, 900, 0, 41, QUESTIONABLE)]


def test_a_reset_gives_no_energy_and_the_lower_value_then_counting_goes_on() -> None:
    _, records = feed(
        sample(900, 1100),
        sample(1800, 0),
        sample(1810, 0),
        sample(1820, 1),
        sample(2700, 50),
        sample(3600, 90),
    )
    assert brief(records) == [
        (0, 900, 100, 1100, RAW),
        (900, 900, 0, 1, QUESTIONABLE),
        (1800, 900, 49, 50, RAW),
        (2700, 900, 40, 90, RAW),
    ]


def test_one_strange_answer_is_ignored() -> None:
    for strange in (0, 3, 4_000_000_000):
        _, records = feed(sample(900, strange), sample(910, 1100), sample(1800, 1200))
        assert brief(records) == [(0, 900, 100, 1100, RAW), (900, 900, 100, 1200, RAW)]


def test_two_strange_answers_that_disagree_are_not_believed() -> None:
    _, records = feed(
        *(sample(900 + 10 * i, raw) for i, raw in enumerate([0, 900, 0, 800, 5]))
    )
    assert records == []


def test_an_implausible_jump_is_booked_only_when_it_stays_and_is_questionable() -> None:
    far = 1000 + 500_000
    _, records = feed(
        sample(900, far), sample(910, far), sample(920, far), sample(1800, far + 9)
    )
    assert brief(records) == [
        (0, 900, 500_000, far, QUESTIONABLE),
        (900, 900, 9, far + 9, RAW),
    ]


def test_a_long_outage_is_no_implausible_jump() -> None:
    _, records = feed(sample(7 * 86_400, 1000 + 100_000))
    assert brief(records) == [(0, 7 * 86_400, 100_000, 101_000, QUESTIONABLE)]


def test_a_register_that_stands_still_while_power_flows_becomes_questionable() -> None:
    samples = [sample(at, 1000, 400) for at in range(10, 7 * 900, 10)]
    state, records = feed(*samples)
    assert [r.quality for r in records] == [RAW] * 3 + [QUESTIONABLE] * 3
    _, records = feed(
        sample(7 * 900, 1500, 400), sample(8 * 900, 1600, 400), state=state
    )
    assert [(r.delta, r.quality) for r in records] == [(500, QUESTIONABLE), (100, RAW)]


@pytest.mark.parametrize(
    ("register", "power_w"), [(IMPORT, 0), (IMPORT, -400), (EXPORT, 400), (WATER, 400)]
)
def test_a_register_that_has_no_reason_to_move_is_not_frozen(
    register: RegisterId, power_w: int
) -> None:
    rules = replace(RULES, register=register)
    samples = [
        Sample(T0 + at, {rules.register: 1000}, power_w, {})
        for at in range(10, 8 * 900, 10)
    ]
    _, records = feed(*samples, rules=rules)
    assert [r.quality for r in records] == [RAW] * 7


def test_a_frozen_export_register_is_found_by_power_out_of_the_house() -> None:
    rules = replace(RULES, register=EXPORT)
    samples = [
        Sample(T0 + at, {EXPORT: 1000}, -400, {}) for at in range(10, 6 * 900, 10)
    ]
    _, records = feed(*samples, rules=rules)
    assert records[-1].quality is QUESTIONABLE


def test_before_the_first_synchronisation_intervals_are_held_not_guessed() -> None:
    state, records = feed(sample(900, 1100), sample(1800, 1200), clock=Clock.UNSET)
    assert (state, records) == (BEGIN, [])
    _, records = feed(sample(2700, 1300), state=state)
    assert brief(records) == [(0, 2700, 300, 1300, QUESTIONABLE)]


def test_a_doubtful_clock_inside_a_slot_makes_its_record_questionable() -> None:
    state, _ = feed(sample(450, 1050), clock=Clock.DOUBTFUL)
    _, records = feed(sample(900, 1100), sample(1800, 1200), state=state)
    assert [r.quality for r in records] == [QUESTIONABLE, RAW]


def test_a_doubtful_clock_at_a_boundary_taints_the_record_on_either_side() -> None:
    state, first = feed(sample(900, 1100), clock=Clock.DOUBTFUL)
    _, rest = feed(sample(1800, 1200), sample(2700, 1300), state=state)
    assert [r.quality for r in first + rest] == [QUESTIONABLE, QUESTIONABLE, RAW]


def test_time_going_backward_never_emits_a_slot_twice() -> None:
    _, records = feed(
        sample(1800, 1100),
        sample(890, 1110),
        sample(900, 1111),
        sample(1800, 1200),
        sample(2700, 1300),
    )
    assert brief(records) == [
        (0, 1800, 100, 1100, QUESTIONABLE),
        (1800, 900, 200, 1300, QUESTIONABLE),
    ]


def test_the_state_survives_its_storage() -> None:
    state, _ = feed(sample(905, 1100, 400), sample(1000, 1100, 400), sample(1010, 3))
    assert State.from_json(state.to_json()) == state


@pytest.mark.parametrize("text", ["", "{}", "[1,2]", "null", '["a"]', "[1.0]"])
def test_a_damaged_state_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="sampler state"):
        State.from_json(text)
    with pytest.raises(ValueError, match="sampler state"):
        State.from_json(BEGIN.to_json().replace("1000", "true"))


def test_a_dropped_record_is_made_good_by_the_next_one() -> None:
    before, _ = feed(sample(450, 1050))
    feed(sample(900, 1100), state=before)
    _, records = feed(sample(1800, 1200), state=before)
    assert brief(records) == [(0, 1800, 200, 1200, QUESTIONABLE)]


def test_rules_refuse_a_step_off_the_grid() -> None:
    with pytest.raises(ValueError, match="step must be one of"):
        replace(RULES, step=600)
    with pytest.raises(ValueError, match="at least 1"):
        replace(RULES, max_per_hour=0)


def test_the_clock_is_unset_until_the_first_synchronisation_then_trusted() -> None:
    watch = ClockWatch(wall=0, steady=0)
    watch, clock = watch.judge(wall=10, steady=10, synchronised=False)
    assert clock is Clock.UNSET
    watch, clock = watch.judge(wall=1_790_000_000, steady=20, synchronised=True)
    assert clock is Clock.TRUSTED
    watch, clock = watch.judge(wall=1_790_000_010, steady=30, synchronised=True)
    assert clock is Clock.TRUSTED


def test_lost_synchronisation_and_a_jump_make_the_clock_doubtful() -> None:
    watch = ClockWatch(wall=100, steady=0, once_synchronised=True)
    _, clock = watch.judge(wall=110, steady=10, synchronised=False)
    assert clock is Clock.DOUBTFUL
    _, clock = watch.judge(wall=50, steady=10, synchronised=True)
    assert clock is Clock.DOUBTFUL
    _, clock = watch.judge(wall=115, steady=10, synchronised=True)
    assert clock is Clock.TRUSTED


PRIVATE = replace(RULES, private=True)
QUARTERS = range(900, 900 * 9, 900)


def test_a_private_register_that_stands_still_looks_like_one_that_moves() -> None:
    """Else a quality would tell the slots of a house that used nothing at all."""
    still = [sample(at, 1000, 400) for at in QUARTERS]
    moving = [sample(at, 1000 + at // 9, 400) for at in QUARTERS]
    _, shown = feed(*still)
    assert QUESTIONABLE in {r.quality for r in shown}
    stories = [feed(*story, rules=PRIVATE)[1] for story in (still, moving)]
    first, second = ([(r.start, r.length, r.quality) for r in one] for one in stories)
    assert first == second
    assert {r.quality for r in stories[0]} == {RAW}


def test_a_private_register_that_leaps_or_falls_back_looks_like_one_that_counts() -> (
    None
):
    for value in (3, 900_000):
        story = [sample(at, value) for at in (910, 920, 930, 1800)]
        _, records = feed(*story, rules=PRIVATE)
        assert [r.quality for r in records] == [RAW, RAW]
        _, records = feed(*story)
        assert [r.quality for r in records] == [QUESTIONABLE, RAW]
