"""The overbilling guard: what the engine makes of any tariff and load passes; more does not."""

from dataclasses import replace
from fractions import Fraction
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterseal_aggregator.billing.model import Cause, Refused
from meterseal_aggregator.billing.statements import guard
from meterseal_proto.rating.components import Share
from meterseal_proto.rating.line import NOTHING_CARRIED, Carried
from meterseal_proto.rating.load import Load, Period
from meterseal_proto.rating.price import rate
from meterseal_proto.rating.statement import Segment, Statement
from meterseal_proto.rating.tariff import FullTariff
from tests.support.rated import HOUR_S
from tests.support.seed import WHOLE
from tests.support.statements import plain_statement
from tests.support.tariffsdrawn import (
    LOCAL,
    MONTHS,
    SEEDS,
    carried,
    linear,
    load_of,
    part,
    rising,
)

CASES: Final = 1_000 if WHOLE else 60
"""Bills for each law, by night and in the suite."""


def segment(
    tariff: FullTariff, load: Load, span: tuple[int, int], before: Carried
) -> Segment:
    """Rate a part of a load as a part of its cycle."""
    cycle = (load.first, load.end)
    found = rate(tariff, part(load, *span), Period(*span, *cycle), LOCAL, before)
    return Segment(tariff.hash(), *span, *cycle, found.lines, before, found.carried)


def statement_of(*segments: Segment) -> Statement:
    return plain_statement(segments=segments)


def dearer(found: Segment, minor_units: int) -> Segment:
    """Ask for more in the first line."""
    first = found.lines[0]
    more = replace(first, amount=first.amount + minor_units)
    return replace(found, lines=(more, *found.lines[1:]))


@settings(max_examples=CASES)
@given(
    st.one_of(linear(), rising(), carried()),
    st.sampled_from(MONTHS),
    SEEDS,
    st.data(),
)
def test_what_the_engine_asks_is_never_more_than_the_guard_finds(
    tariff: FullTariff, month: str, seed: int, data: st.DataObject
) -> None:
    load = load_of(month, seed)
    cut = data.draw(st.integers(0, len(load.imported) - 1)) * HOUR_S + load.first
    parts = [span for span in ((load.first, cut), (cut, load.end)) if span[0] < span[1]]
    made, before = [], NOTHING_CARRIED
    for span in parts:
        made.append(segment(tariff, load, span, before))
        before = made[-1].after
    versions = [(load.first, load.end, tariff)]
    guard.check(statement_of(*made), versions, load, LOCAL)


@settings(max_examples=CASES)
@given(linear(), st.sampled_from(MONTHS), SEEDS)
def test_a_bill_that_asks_for_some_minor_units_more_is_refused(
    tariff: FullTariff, month: str, seed: int
) -> None:
    load = load_of(month, seed)
    versions = [(load.first, load.end, tariff)]
    made = segment(tariff, load, (load.first, load.end), NOTHING_CARRIED)
    # A tax's base may be rounded up line by line, so its slack is its rate times that.
    shares = [one.rate for one in tariff.components if isinstance(one, Share)]
    rates = Fraction(sum(shares), 10**tariff.digits)
    quota = sum(-line.amount for line in made.lines if line.component == "free")
    slack = 2 * len(made.lines) * (1 + rates) + quota * (1 + rates)
    with pytest.raises(Refused) as caught:
        guard.check(statement_of(dearer(made, int(slack) + 1)), versions, load, LOCAL)
    assert caught.value.cause is Cause.GUARD


@settings(max_examples=CASES)
@given(linear(), st.sampled_from(MONTHS), SEEDS)
def test_a_bill_of_another_tariff_is_refused(
    tariff: FullTariff, month: str, seed: int
) -> None:
    load = load_of(month, seed)
    made = segment(tariff, load, (load.first, load.end), NOTHING_CARRIED)
    other = replace(made, tariff=bytes(32))
    with pytest.raises(Refused):
        guard.check(statement_of(other), [(load.first, load.end, tariff)], load, LOCAL)
