"""What a device is asked about: never more than was bought and is held, each slot once."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from meterseal_aggregator.billing.private.netting import wanted
from meterseal_aggregator.billing.private.store import Sealed
from meterseal_aggregator.billing.usage import Bought

DAY_S = 86_400
steps = st.sampled_from((300, 900, 1_800, 3_600))


@st.composite
def bought(draw: st.DrawFn) -> list[Bought]:
    """Wh of market slots of one length, each once, of three days."""
    length = draw(st.sampled_from((900, 1_800, 3_600)))
    starts = draw(st.sets(st.integers(0, 3 * DAY_S // length - 1), max_size=12))
    return [
        Bought(n * length, length, draw(st.integers(1, 10_000))) for n in sorted(starts)
    ]


@st.composite
def sealed(draw: st.DrawFn) -> list[Sealed]:
    """Two days, and perhaps the third."""
    step = draw(steps)
    count = min(DAY_S // step, 96)
    days = range(draw(st.sampled_from((2, 3))))
    return [Sealed(n + 1, bytes([n]) * 32, n * DAY_S, step, count, 16) for n in days]


@given(bought(), sealed(), st.integers(0, 50_000))
def test_no_more_is_asked_about_than_was_bought_and_is_held(
    sold: list[Bought], days: list[Sealed], held: int
) -> None:
    found = wanted(sold, held, days)
    assert sum(one.wh for one in found) <= held
    assert len({(one.seal, one.place) for one in found}) == len(found)
    whole = {(one.start, one.length): one.wh for one in sold}
    asked: Counter[tuple[int, int]] = Counter()
    for one in found:
        day = days[one.seal - 1]
        start = day.first + one.place * day.step
        assert one.start <= start
        assert start + day.step <= one.start + one.length
        assert 0 <= one.place < day.count
        asked[one.start, one.length] += one.wh
    for slot, wh in asked.items():
        assert wh <= whole[slot]


@given(bought(), sealed())
def test_what_the_days_cover_is_asked_about_whole_and_shared_evenly(
    sold: list[Bought], days: list[Sealed]
) -> None:
    found = wanted(sold, sum(one.wh for one in sold), days)
    step, covered = (
        days[0].step,
        {day.first + n * day.step for day in days for n in range(day.count)},
    )
    for one in sold:
        slots = range(one.start, one.start + one.length, step)
        shares = [w.wh for w in found if w.start == one.start]
        if one.length % step or not covered.issuperset(slots):
            continue
        assert sum(shares) == one.wh
        empty = len(slots) - len(shares)
        assert max(shares) - (0 if empty else min(shares)) <= 1
