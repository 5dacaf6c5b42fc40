"""Tier cases of another billing engine (OpenMeter), exactly, by our blocks and slabs.

| theirs | ours |
| --- | --- |
| graduated | Block: each unit in its tier |
| volume | Slab: every unit at the price of the tier of all |
| a tier's `unit` / `flat` | its price / its entry |
| `up_to` | `to`: a limit is still its own tier's |
| `qty_before`, `qty` | what the cycle had used, and uses now; limits are carried |
| SinglePerPeriod | the whole cycle |
| LastInPeriodSplit | graduated: the cycle's last part; volume: the whole cycle, for they bill volume once, at its end |
| MidPeriodSplit | a part that neither begins nor ends the cycle |
| min_spend, max_spend | a Minimum, a Maximum of the cycle |
| previously_billed | what the cycle has cost before |

Their lines of zero units at a price of zero are no lines of money; ours say the tier that
nothing was used in.
"""

import json
from fractions import Fraction
from typing import Any

import pytest

from meterseal_proto.rating.components import (
    Base,
    Block,
    Component,
    Maximum,
    Milli,
    Minimum,
    Price,
    Slab,
    SpanOf,
    Tier,
)
from meterseal_proto.rating.line import Carried, LineKind, Rated
from meterseal_proto.rating.tariff import Split
from tests.support.data import shared_data
from tests.support.rated import a_tariff, at, month, used

MICRO = 1_000_000
MARCH = month()
MIDDLE, LATE = at("2026-03-11 00:00"), at("2026-03-21 00:00")
SPANS = {
    "SinglePerPeriodLineMode": MARCH,
    "MidPeriodSplitLineMode": (MIDDLE, LATE),
    "LastInPeriodSplitLineMode": (LATE, MARCH[1]),
}
MECHANICS = {
    "tiered volume, mid price": (
        "their invoice bills volume at the end of a period only, so nothing in the middle;"
        " a part of a cycle is rated here as it stands, and corrected by the next"
    ),
}
"""Cases of how they invoice, not of what usage costs, and why."""
NAMES = {
    "usage price": LineKind.ENERGY,
    "unit price": LineKind.ENERGY,
    "flat price": LineKind.FIXED,
    "minimum spend": LineKind.MINIMUM,
}
Case = dict[str, Any]  # Any: JSON


def cases() -> list[Case]:
    found: list[Case] = json.loads(shared_data("bills", "tier_cases.json").read_text())
    return found


def tier(row: Case) -> Tier:
    end = row["up_to"]
    return Tier(
        Price(int(Fraction(row.get("unit", "0")) * MICRO)),
        None if end is None else Milli(int(end) * 1000),
        Price(int(Fraction(row.get("flat", "0")) * MICRO)),
    )


def rated(case: Case) -> Rated:
    tiers = tuple(tier(row) for row in case["tiers"])
    volume = case["mode"] == "volume"
    parts: list[Component] = [(Slab if volume else Block)("tiers", tiers)]
    for name, kind in (("min_spend", Minimum), ("max_spend", Maximum)):
        if case[name] is not None:
            amount = Price(int(case[name]) * MICRO)
            parts.append(kind(name, amount, SpanOf.CYCLE, Base.EXACT, ("tiers",)))
    whole = volume and case["line_mode"] == "LastInPeriodSplitLineMode"
    return used(
        a_tariff(*parts, split=Split.CARRIED),
        int(Fraction(case["qty"]) * 1000),
        MARCH if whole else SPANS[case["line_mode"]],
        cycle=MARCH,
        carried=Carried(
            used=(("tiers", int(Fraction(case["qty_before"]) * 1000)),),
            cycle=Fraction(case["previously_billed"] or 0),
        ),
    )


def theirs(case: Case) -> list[tuple[LineKind, Fraction, Fraction]]:
    """What they charge: of which kind, units, and money; lines of no money left out."""
    found = []
    for row in case["expected_lines"]:
        kind = next(kind for name, kind in NAMES.items() if name in row["name"])
        if Fraction(row["total"]):
            found.append((kind, Fraction(row["qty"]), Fraction(row["total"])))
    return sorted(found)


def ours(found: Rated) -> list[tuple[LineKind, Fraction, Fraction]]:
    return sorted(
        (line.kind, Fraction(1) if line.quantity is None else line.quantity, line.exact)
        for line in found.lines
        if line.exact
    )


@pytest.mark.parametrize("number", range(11))
def test_tiers_cost_what_another_engine_says(number: int) -> None:
    case = cases()[number]
    if case["name"] in MECHANICS:
        assert theirs(case) != ours(rated(case)), "it applies: take it off the list"
        return
    assert ours(rated(case)) == theirs(case)


def test_every_case_is_mapped_or_listed_with_its_reason() -> None:
    names = [case["name"] for case in cases()]
    assert len(names) == 11
    assert set(MECHANICS) <= set(names)
