from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from meterseal_sim import faults
from meterseal_sim.curve import QUARTER_S, Curve, net, split_hours
from meterseal_sim.faults import Fault, Kind

START = 1_782_864_000
ENERGY = st.fractions(min_value=0, max_value=900_000, max_denominator=100_000)
HOMES = st.lists(st.tuples(ENERGY, ENERGY), min_size=1, max_size=12)
TIMES = st.lists(st.integers(START - 2000, START + 13 * QUARTER_S), min_size=2)


def curve_of(quarters: list[tuple[Fraction, Fraction]]) -> Curve:
    return net(START, [load for load, _ in quarters], [pv for _, pv in quarters])


@given(HOMES)
def test_load_minus_pv_is_import_minus_export_to_the_last_fraction(
    quarters: list[tuple[Fraction, Fraction]],
) -> None:
    curve = curve_of(quarters)
    balance = Fraction(curve.imported[-1] - curve.exported[-1], curve.per_wh)
    assert balance == sum(load - pv for load, pv in quarters)


@given(HOMES)
def test_the_quarters_add_up_to_the_registers_and_no_wh_is_lost(
    quarters: list[tuple[Fraction, Fraction]],
) -> None:
    curve = curve_of(quarters)
    rows, last = curve.table(), curve.at(curve.end)
    assert sum(row.import_wh for row in rows) == last.import_wh
    assert sum(row.export_wh for row in rows) == last.export_wh
    exact = sum((max(load - pv, Fraction(0)) for load, pv in quarters), Fraction(0))
    assert last.import_wh == exact.numerator // exact.denominator


@given(HOMES, TIMES)
def test_registers_never_step_back(
    quarters: list[tuple[Fraction, Fraction]], times: list[int]
) -> None:
    curve = curve_of(quarters)
    for before, after in pairwise(curve.at(t) for t in sorted(times)):
        assert before.import_wh <= after.import_wh
        assert before.export_wh <= after.export_wh


@given(HOMES, st.integers(0, 12 * QUARTER_S))
def test_between_quarters_the_register_is_the_floored_straight_line(
    quarters: list[tuple[Fraction, Fraction]], second: int
) -> None:
    curve = curve_of(quarters)
    index, into = divmod(min(second, curve.end - START), QUARTER_S)
    flows = [max(load - pv, Fraction(0)) for load, pv in quarters]
    line = sum(flows[:index], Fraction(0))
    if into:
        line += flows[index] * into / QUARTER_S
    assert curve.at(START + second).import_wh == line.numerator // line.denominator


@given(st.lists(ENERGY, min_size=1, max_size=24))
def test_interpolated_hours_meet_the_cumulative_at_every_hour(
    hours: list[Fraction],
) -> None:
    quarters = split_hours(hours)
    for hour in range(len(hours) + 1):
        assert sum(quarters[: 4 * hour]) == sum(hours[:hour])


@given(
    HOMES,
    TIMES,
    st.integers(0, 13 * QUARTER_S),
    st.sampled_from(
        [Kind.FROZEN, Kind.RESET, Kind.BACKWARD, Kind.ROLLOVER, Kind.BROWN_OUT]
    ),
)
def test_a_spoiled_register_is_never_negative_and_never_above_the_truth(
    quarters: list[tuple[Fraction, Fraction]],
    times: list[int],
    begin: int,
    kind: Kind,
) -> None:
    curve = curve_of(quarters)
    fault = Fault(home=1, kind=kind, start=START + begin, amount=500)
    for t in times:
        shown, right = faults.shown([fault], t, curve.at), curve.at(t)
        assert 0 <= shown.import_wh <= right.import_wh
        assert 0 <= shown.export_wh <= right.export_wh
