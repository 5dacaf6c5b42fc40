"""Gap maps: what is covered and what is missing make the whole, each second once."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from meterseal_proto.spans import Span, common, gaps, minus, seconds, union
from meterseal_proto.telemetry import Batch, Row, decode_batch, encode_batch
from meterseal_proto.units import MeterId, RegisterId

SPANS = st.lists(
    st.tuples(st.integers(0, 60), st.integers(1, 20)).map(lambda p: Span(p[0], sum(p)))
)
WHOLE = st.tuples(st.integers(0, 50), st.integers(1, 40)).map(
    lambda p: Span(p[0], sum(p))
)


def held(spans: tuple[Span, ...] | list[Span]) -> set[int]:
    return {at for span in spans for at in range(span.begin, span.end)}


@given(SPANS)
def test_a_union_holds_the_same_seconds_in_its_one_spelling(spans: list[Span]) -> None:
    found = union(spans)
    assert held(found) == held(spans)
    assert seconds(spans) == len(held(spans))
    assert union(reversed(found)) == found
    assert all(a.end < b.begin for a, b in pairwise(found))


@given(WHOLE, SPANS)
def test_gaps_are_what_is_not_covered(whole: Span, spans: list[Span]) -> None:
    found = gaps(whole, spans)
    assert held(found) == held([whole]) - held(spans)
    assert union(found) == found


@given(SPANS, SPANS)
def test_what_is_common_is_in_both(one: list[Span], other: list[Span]) -> None:
    found = common(one, other)
    assert held(found) == held(one) & held(other)
    assert union(found) == found


@given(SPANS, SPANS)
def test_what_is_left_is_in_the_one_and_not_in_the_other(
    one: list[Span], other: list[Span]
) -> None:
    found = minus(one, other)
    assert held(found) == held(one) - held(other)
    assert union(found) == found


VALUES = st.one_of(st.none(), st.integers(-(1 << 63), (1 << 63) - 1))


@given(
    st.integers(0, 1 << 40),
    st.lists(st.tuples(st.integers(1, 1 << 20), VALUES, VALUES), max_size=20),
    st.integers(0, 2),
)
def test_a_batch_read_back_is_the_batch(
    begin: int, told: list[tuple[int, int | None, int | None]], clock: int
) -> None:
    rows, at = [], begin
    for dt, *values in told:
        at += dt
        rows.append(Row(at, tuple(values)))
    registers = (RegisterId(7), RegisterId(9))
    batch = Batch(
        MeterId(bytes(16)), clock, Span(begin, at + 1), registers, tuple(rows)
    )
    assert decode_batch(encode_batch(batch)) == batch
