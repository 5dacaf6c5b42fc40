"""How much more than its tariff gives a bill may ask: a unit a line, and the total's step."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from meterseal_aggregator.billing.model import Cause, Refused
from meterseal_aggregator.billing.statements import guard
from meterseal_aggregator.billing.statements.bounds import MAX_SHARE, check_bounds
from meterseal_aggregator.ledger.accounts import UTILITY, tax
from meterseal_proto.rating.components import (
    Fixed,
    Flat,
    Minor,
    Per,
    Price,
    Proration,
)
from meterseal_proto.rating.load import Load, Period
from meterseal_proto.rating.price import rate
from meterseal_proto.rating.statement import Segment
from meterseal_proto.rating.tariff import (
    Commodity,
    FullTariff,
    Rule,
    Split,
    TotalRounding,
)
from tests.support.statements import plain_statement

MAY, HOUR, HOURS = 1_777_593_600, 3_600, 744
LOAD = Load(MAY, HOUR, [1_000] * HOURS)
EXACT = FullTariff(
    "exact", "EUR", "UTC", 0, Commodity.ELECTRICITY,
    (
        Flat("energy", Price(100_000)),
        Fixed("meter", Price(5_000_000), Per.MONTH, Proration.WHOLE),
    ),
    Rule.HALF_EVEN, Split.PROPORTION,
)  # fmt: skip
"""744 kWh at 0.10 and 5.00: 79.40, to the cent."""
PAYABLE = replace(EXACT, total_rounding=TotalRounding(Minor(100), Rule.UP))
"""The same to the next whole euro."""


def local(at: int) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def asked(tariff: FullTariff, more: int) -> int:
    """Have a bill that asks for so many cents more looked at; returns what it asks."""
    period = Period.whole(LOAD.first, LOAD.end)
    rated = rate(tariff, LOAD, period, local)
    first, *rest = rated.lines
    lines = (replace(first, amount=first.amount + more), *rest)
    whole = (LOAD.first, LOAD.end, LOAD.first, LOAD.end)
    statement = plain_statement(segments=(Segment(tariff.hash(), *whole, lines),))
    guard.check(statement, [(LOAD.first, LOAD.end, tariff)], LOAD, local)
    return sum(one.amount for one in lines)


@pytest.mark.parametrize(
    ("tariff", "most"),
    [(EXACT, 7_940 + 2), (PAYABLE, 7_940 + 3 + 100)],
    ids=["a unit a line", "and the step of the total"],
)
def test_no_cent_beyond_what_rounding_may_add_is_asked(
    tariff: FullTariff, most: int
) -> None:
    room = most - asked(tariff, 0)
    assert asked(tariff, room) == most
    with pytest.raises(Refused) as caught:
        asked(tariff, room + 1)
    assert caught.value.cause is Cause.GUARD


def test_shares_that_no_account_holds_are_refused_though_they_cancel() -> None:
    statement = plain_statement()
    check_bounds(statement, {UTILITY: MAX_SHARE, tax("vat"): -MAX_SHARE})
    with pytest.raises(Refused) as caught:
        check_bounds(statement, {UTILITY: MAX_SHARE + 1, tax("vat"): -MAX_SHARE - 1})
    assert caught.value.cause is Cause.UNRATEABLE
