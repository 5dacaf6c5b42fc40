"""Laws of packed usage: sums are kept, order does not matter, estimates fill exactly the gaps."""

from array import array
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from meterseal_aggregator.storage.migrate import migrate
from meterseal_aggregator.vee import days, job
from meterseal_aggregator.vee.calendar import LocalDays
from meterseal_aggregator.vee.estimate import Known, Unestimable, apportion, estimate
from meterseal_aggregator.vee.nem12 import NotNem12, parse
from meterseal_aggregator.vee.packing import (
    MISSING,
    Book,
    Source,
    Told,
    Valued,
    fill,
    share,
)
from meterseal_aggregator.vee.points import joined
from meterseal_aggregator.vee.recount import findings
from meterseal_proto.rating.usage import packed, unpacked, usage_digest
from tests.support.mortal import Fuse
from tests.support.quickdatabase import QuickDatabase
from tests.support.street import BEGIN, STEP, settle_in

DAY = 86_400
SLOTS = 24
STEPS = st.sampled_from((300, 900, 1_800, 3_600))
ZONES = st.sampled_from(
    (
        "UTC", "Europe/Vienna", "Africa/Nairobi", "Asia/Kathmandu", "America/Santiago",
        "Australia/Lord_Howe", "Pacific/Apia", "America/St_Johns",
    )
)  # fmt: skip


@given(st.lists(st.integers(0, (1 << 32) - 1), max_size=300), STEPS)
def test_what_is_packed_is_unpacked(deltas: list[int], step: int) -> None:
    slots = array("I", deltas)
    raw = packed(slots)
    assert unpacked(raw) == slots
    codes = bytes([17]) * len(deltas)
    digest = usage_digest(BEGIN, step, raw, codes)
    assert digest != usage_digest(BEGIN + step, step, raw, codes)
    assert len(digest) == 32


@given(st.integers(0, 1 << 60), st.integers(1, 20_000))
def test_a_spread_span_keeps_its_sum_and_is_even(delta: int, slots: int) -> None:
    parts = [share(delta, k, slots) for k in range(slots)]
    assert sum(parts) == delta
    assert max(parts) - min(parts) <= 1


@given(st.integers(0, 1 << 50), st.lists(st.integers(0, 1 << 40), min_size=1))
def test_what_is_shared_out_adds_up_and_is_near_its_share(
    total: int, weights: list[int]
) -> None:
    parts = apportion(total, weights)
    assert sum(parts) == total
    whole = sum(weights)
    if whole:
        assert all(
            abs(part * whole - total * weight) < whole
            for part, weight in zip(parts, weights, strict=True)
        )


@given(ZONES, st.integers(0, 45_000))
def test_local_days_leave_nothing_out(zone: str, number: int) -> None:
    calendar = LocalDays([(-10 * DAY, zone)])
    begin, end = calendar.begin(number), calendar.end(number)
    assert 22 * 3_600 <= end - begin <= 25 * 3_600 or zone == "Pacific/Apia"
    for second in (begin, (begin + end) // 2, end - 1):
        if begin < end:
            assert calendar.of(second) == number
    clock = datetime.fromtimestamp(begin, calendar.zone(begin))
    wanted = date(1970, 1, 1) + timedelta(days=number)
    # Where midnight does not exist the day begins later; Apia has no 30 December 2011.
    assert clock.date() == wanted or begin == end


def test_days_of_92_and_100_quarter_hours_and_leap_days() -> None:
    calendar = LocalDays([(0, "Europe/Vienna")])
    lengths = {}
    for year in range(2024, 2030):
        first = (date(year, 1, 1) - date(1970, 1, 1)).days
        whole = 366 if year % 4 == 0 else 365
        counted = [
            (calendar.end(first + n) - calendar.begin(first + n)) // 900
            for n in range(whole)
        ]
        lengths[year] = (counted.count(92), counted.count(100), counted.count(96))
        assert sum(counted) * 900 == calendar.begin(first + whole) - calendar.begin(
            first
        )
    assert lengths[2027] == (1, 1, 363)
    assert lengths[2028] == (1, 1, 364)


def test_a_changed_zone_leaves_nothing_out() -> None:
    change = int(datetime(2027, 3, 5, 12, tzinfo=UTC).timestamp())
    calendar = LocalDays([(0, "Africa/Nairobi"), (change, "America/St_Johns")])
    number = change // DAY
    for one in range(number - 3, number + 4):
        assert calendar.end(one) == calendar.begin(one + 1)
        assert calendar.begin(one) < calendar.end(one)
        assert calendar.of(calendar.begin(one)) == one


@st.composite
def tellings(draw: st.DrawFn) -> tuple[list[Told], list[Valued]]:
    """What a device told in its chain, revisions of it, and what others said."""
    readings, at = [], 0
    while at < SLOTS:
        length = draw(st.sampled_from((1, 1, 1, 2, 5)))
        if draw(st.booleans()):
            delta = draw(st.integers(0, 999))
            readings.append(Told(1, at * STEP, length * STEP, 0, delta))
            if draw(st.integers(0, 5)) == 0:
                readings.append(Told(1, at * STEP, length * STEP, 1, delta + 1))
        at += length
    values = []
    for number in range(draw(st.integers(0, 8))):
        source = draw(st.sampled_from(list(Source)))
        start, length = draw(st.integers(0, SLOTS - 1)), draw(st.integers(1, 4))
        delta = draw(st.integers(0, 999))
        values.append(
            Valued(number, 1, start * STEP, length * STEP, delta, 8, source.value)
        )
    return readings, values


def _slots(readings: Sequence[Told], values: Sequence[Valued]) -> tuple[bytes, bytes]:
    book = Book(STEP, 0, SLOTS * STEP)
    fill({1: book}, readings, set(), values)
    return book.part(0, SLOTS * STEP)[1:]


@given(tellings(), st.randoms(use_true_random=False))
def test_it_does_not_matter_in_which_order_they_came(
    told: tuple[list[Told], list[Valued]], random: Random
) -> None:
    readings, values = told
    once = _slots(readings, values)
    random.shuffle(readings)
    random.shuffle(values)
    assert _slots(readings, values) == once


@given(tellings())
def test_readings_alone_keep_their_sum(told: tuple[list[Told], list[Valued]]) -> None:
    readings = [one for one in told[0] if not one.revision]
    inside = [one for one in readings if one.start + one.length <= SLOTS * STEP]
    deltas, codes = _slots(inside, ())
    assert sum(unpacked(deltas)) == sum(one.delta for one in inside)
    known = sum(one.length // STEP for one in inside)
    assert SLOTS - codes.count(MISSING) == known


@given(tellings(), st.integers(1, SLOTS - 1))
def test_a_window_cut_in_two_is_the_same(
    told: tuple[list[Told], list[Valued]], at: int
) -> None:
    readings, values = told
    whole, halves = _slots(readings, values), []
    for begin, end in ((0, at), (at, SLOTS)):
        book = Book(STEP, begin * STEP, end * STEP)
        fill({1: book}, readings, set(), values)
        halves.append(book.part(begin * STEP, end * STEP)[1:])
    assert (halves[0][0] + halves[1][0], halves[0][1] + halves[1][1]) == whole


@given(
    st.lists(st.integers(-1, 50), min_size=8, max_size=60),
    st.one_of(st.none(), st.integers(0, 9_999)),
    st.data(),
)
def test_estimates_fill_exactly_the_gap(
    history: list[int], difference: int | None, data: st.DataObject
) -> None:
    first = data.draw(st.integers(1, len(history) - 2))
    last = data.draw(st.integers(first + 1, len(history) - 1))
    codes = [MISSING if value < 0 else 17 for value in history]
    for place in range(first, last):
        codes[place] = MISSING
    known = Known(0, STEP, [max(0, v) for v in history], codes, lambda _: 0)
    try:
        found = estimate(known, (first * STEP, last * STEP), difference)
    except Unestimable:
        assert difference is None
        return
    assert [one.start for one in found] == [n * STEP for n in range(first, last)]
    assert all(one.delta >= 0 for one in found)
    if difference is not None:
        assert sum(one.delta for one in found) == difference


@given(st.lists(st.tuples(STEPS, st.integers(1, 6)), min_size=1, max_size=5))
def test_meters_that_follow_each_other_add_up(parts: list[tuple[int, int]]) -> None:
    at, chain = 0, []
    for step, hours in parts:
        slots = hours * 3_600 // step
        row = [(at, packed(array("I", range(slots))), bytes([17]) * slots)]
        chain.append(days.series(at, at + hours * 3_600, step, row))
        at += hours * 3_600
    whole = joined(chain)
    assert (whole.begin, whole.end, whole.missing) == (0, at, ())
    assert whole.total == sum(one.total for one in chain)
    assert len(whole.deltas) == at // whole.step


ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("tell"), st.integers(1, 3), st.integers(1, 60)),
        st.tuples(st.just("long"), st.integers(1, 3), st.integers(2, 200)),
        st.tuples(st.just("break"), st.integers(1, 3), st.integers(0, 50)),
        st.tuples(st.just("edit"), st.integers(1, 3), st.integers(0, 400)),
        st.tuples(st.just("estimate"), st.integers(1, 3), st.integers(0, 400)),
        st.tuples(st.just("pack"), st.integers(0, 5), st.just(0)),
    ),
    max_size=40,
)
_VALUE = (
    "INSERT INTO vee_values (register_id, start, length, delta, quality, source, method,"
    " reason, author, known_at) VALUES (?, ?, ?, 9, 8, ?, '', '', 'a', 0)"
)


@settings(max_examples=40, deadline=None)
@given(ACTS)
async def test_packed_days_are_what_was_told_whenever_they_were_packed(
    acts: list[tuple[str, int, int]],
) -> None:
    database = await QuickDatabase.in_memory()
    database.fuse = Fuse()
    await migrate(database)
    homes = {n: await settle_in(database, n) for n in (1, 2, 3)}
    for what, who, size in acts:
        async with database.transaction() as tx:
            if what == "tell":
                await homes[who].tell(tx, *range(size))
            elif what == "long":
                await homes[who].tell(tx, 7 * size, length=size * STEP, quality=10)
            elif what == "break":
                await homes[who].reset(tx, size)
            elif what in ("edit", "estimate"):
                await tx.many(_VALUE, [(who, BEGIN + size * STEP, 3 * STEP, what)])
        if what == "pack":
            await _work(database, BEGIN + who * DAY)
    await _work(database, BEGIN + 90 * DAY)
    async with database.reading() as tx:
        (finding,) = await findings(tx)
        rows = await tx.rows("SELECT count(*) FROM usage_due")
    assert finding.ok, finding
    assert rows == [(0,)]
    await database.close()


async def _work(database: QuickDatabase, now: int) -> None:
    for duty in (job, days):
        while await duty.run_once(database, now):
            pass


def _nem12(values: list[int]) -> bytes:
    told = ",".join(f"{value // 1_000}.{value % 1_000:03}" for value in values)
    return (
        "100,NEM12,202701161200,OURS,THEIRS\r\n"
        "200,NMI0000001,E1,1,E1,N1,S1,kWh,30,\r\n"
        f"300,20270115,{told},V,,,20270116120000,\r\n"
        "400,1,20,A,,\r\n400,21,48,S14,,\r\n900\r\n"
    ).encode()


@given(st.lists(st.integers(0, 99_999), min_size=48, max_size=48), st.data())
def test_a_file_is_read_to_the_wh_or_refused_by_line(
    values: list[int], data: st.DataObject
) -> None:
    whole = _nem12(values)
    ((day,),) = (channel.days for channel in parse(whole))
    assert list(day.values) == values
    place = data.draw(st.integers(0, len(whole) - 1))
    spoilt = bytearray(whole)
    match data.draw(st.sampled_from(("change", "cut", "drop", "double"))):
        case "change":
            spoilt[place] = data.draw(st.integers(0, 255))
        case "cut":
            del spoilt[place:]
        case "drop":
            del spoilt[place]
        case _:
            spoilt[place:place] = spoilt[place : place + 40]
    try:
        parse(bytes(spoilt))
    except NotNem12 as refused:
        assert str(refused).startswith("line ")
