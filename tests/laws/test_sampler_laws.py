from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from meterseal_agent.meters.registers import Sample
from meterseal_agent.record import Record
from meterseal_agent.sampler import Clock, Rules, State, observe
from meterseal_proto.units import IMPORT, MeterId, Quality

METER = MeterId(b"m" * 16)
T0 = 1_790_001_000
START = 5_000
RULES = Rules(METER, IMPORT, step=300, max_per_hour=10_000)
Step = tuple[int, int]


def run(
    rules: Rules, samples: list[tuple[int, int]], clocks: list[Clock] | None = None
) -> tuple[State, list[Record]]:
    state, records = State.begin(T0, START), []
    for i, (at, raw) in enumerate(samples):
        clock = clocks[i % len(clocks)] if clocks else Clock.TRUSTED
        state, record = observe(rules, state, Sample(at, {IMPORT: raw}, 500, {}), clock)
        state = State.from_json(state.to_json())
        if record:
            records.append(record)
    return state, records


def timeline(steps: list[Step]) -> list[tuple[int, int]]:
    at, raw, samples = T0, START, []
    for wait, permille in steps:
        at += wait
        # A growth the meter can carry: up to its rating for the time that passed.
        raw += RULES.max_per_hour * max(0, wait) * permille // 3_600_000
        samples.append((at, raw))
    return samples


waits = st.one_of(st.integers(0, 40), st.integers(0, 700), st.integers(0, 20_000))
growing = st.lists(st.tuples(waits, st.integers(0, 1000)), max_size=60).map(timeline)
anything = st.lists(
    st.tuples(st.integers(T0 - 5_000, T0 + 50_000), st.integers(0, 100_000)),
    max_size=60,
)
clocks = st.lists(st.sampled_from(Clock), min_size=1, max_size=60)


def tiles(records: list[Record]) -> None:
    """Records follow each other without gap or overlap, on the grid."""
    assert all(
        r.length > 0 and r.length % 300 == 0 and r.start % 300 == 0 for r in records
    )
    assert all(a.end == b.start for a, b in pairwise(records))
    if records:
        assert records[0].start == T0


@given(growing)
def test_energy_is_conserved_whatever_the_sample_times(
    samples: list[tuple[int, int]],
) -> None:
    state, records = run(RULES, samples)
    tiles(records)
    assert START + sum(r.delta for r in records) == state.value
    assert all(
        r.delta == r.value - v
        for v, r in zip([START, *(r.value for r in records)], records, strict=False)
    )
    served = [raw for at, raw in samples if at >= state.boundary]
    if records:
        assert state.value == served[0]


@given(growing, clocks)
def test_a_doubtful_clock_moves_energy_but_loses_none(
    samples: list[tuple[int, int]], trust: list[Clock]
) -> None:
    state, records = run(RULES, samples, trust)
    tiles(records)
    assert START + sum(r.delta for r in records) == state.value
    held = {i for i in range(len(samples)) if trust[i % len(trust)] is Clock.UNSET}
    assert len(records) <= len(samples) - len(held)


@given(growing)
def test_samples_taken_twice_change_no_record(samples: list[tuple[int, int]]) -> None:
    _, once = run(RULES, samples)
    _, twice = run(RULES, [s for s in samples for _ in range(2)])
    assert once == twice


@given(anything, clocks)
def test_any_samples_give_at_most_one_record_a_slot_and_never_a_negative(
    samples: list[tuple[int, int]], trust: list[Clock]
) -> None:
    _, records = run(RULES, samples, trust)
    tiles(records)
    assert all(r.delta >= 0 and r.value >= 0 for r in records)
    assert all(
        r.delta == max(0, r.value - v)
        for v, r in zip([START, *(r.value for r in records)], records, strict=False)
    )


@given(growing, st.integers(6_000, 60_000))
def test_a_rolling_register_gives_the_same_records_as_an_endless_one(
    samples: list[tuple[int, int]], width: int
) -> None:
    _, endless = run(RULES, samples)
    rolling = Rules(METER, IMPORT, step=300, max_per_hour=10_000, rollover=width)
    # Two passes of the width between samples cannot be seen by anybody.
    if any(b - a >= width // 2 for (_, a), (_, b) in pairwise([(T0, START), *samples])):
        return
    _, rolled = run(rolling, [(at, raw % width) for at, raw in samples])
    assert [(r.start, r.length, r.delta, r.value) for r in rolled] == [
        (r.start, r.length, r.delta, r.value) for r in endless
    ]


@given(growing)
def test_only_a_full_slot_between_timely_samples_is_raw(
    samples: list[tuple[int, int]],
) -> None:
    _, records = run(RULES, samples)
    times = [at for at, _ in samples]
    for r in records:
        if r.quality is Quality.RAW:
            assert r.length == 300
            for edge in (r.start, r.end):
                first = next((at for at in times if at >= edge), None)
                assert edge == T0 or (
                    first is not None and first - edge <= RULES.lateness_limit_s
                )
        else:
            assert r.quality is Quality.QUESTIONABLE
