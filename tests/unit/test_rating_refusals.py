"""A tariff that leaves something open or contradicts itself is refused in one sentence."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from meterseal_proto.errors import Malformed
from meterseal_proto.rating.tariff import parse_full_tariff
from meterseal_proto.tariff import canonical

Fields = dict[str, Any]  # Any: JSON to break
Change = Callable[[Fields], object]

FLAT = {"type": "flat", "name": "energy", "price": 250_000}
FIXED = {
    "type": "fixed", "name": "service", "price": 1, "per": "month", "proration": "days",
}  # fmt: skip
WEEK = {
    "name": "week",
    "windows": [
        {
            "period": "day",
            "days": ["mon", "tue", "wed", "thu", "fri"],
            "begin": "07:00",
        },
        {
            "period": "night",
            "days": ["mon", "tue", "wed", "thu", "fri"],
            "end": "07:00",
        },
        {"period": "night", "days": ["sat", "sun"]},
    ],
}
PRICES = [{"period": "day", "price": 2}, {"period": "night", "price": 1}]
TOU = {"type": "time-of-use", "name": "energy", "calendar": "week", "prices": PRICES}
ROWS = [
    {"period": "day", "tiers": [{"price": 1, "to": 5}, {"price": 2}]},
    {"period": "night", "tiers": [{"price": 1}]},
]
TIERED = {
    "type": "tiered-time-of-use", "name": "energy", "calendar": "week",
    "tier_counter": "all-periods", "allocation": "chronological", "tiers": ROWS,
}  # fmt: skip
NET = {
    "type": "net-metering", "name": "roof", "bank": "one", "year_end": 12,
    "payout": 0, "payout_of": "bank",
}  # fmt: skip
EXPORT = {"type": "export", "name": "export", "netting": "slot", "price": 1}
DEMAND = {
    "type": "demand", "name": "power", "window_s": 900, "proration": "whole",
    "tiers": [{"period": "", "tiers": [{"price": 1}]}],
}  # fmt: skip


def tax(name: str, *of: str) -> Fields:
    return {
        "type": "share", "name": name, "kind": "tax", "rate": 1, "base": "exact",
        "of": list(of),
    }  # fmt: skip


def least(name: str, *of: str, per: str = "year") -> Fields:
    return {
        "type": "minimum", "name": name, "amount": 1, "per": per, "base": "exact",
        "of": list(of),
    }  # fmt: skip


def block(*tiers: Fields, **more: object) -> Fields:
    return {"type": "block", "name": "energy", "tiers": list(tiers), **more}


def document(*components: Fields, **more: object) -> Fields:
    """A tariff as JSON, deep enough a copy to be changed."""
    fields = {
        "meterseal": "full-tariff/1", "id": "test", "currency": "EUR",
        "zone": "Europe/Madrid", "valid_from": 0, "commodity": "electricity",
        "rounding": "half-even", "split": "proportion", "components": list(components),
        **more,
    }  # fmt: skip
    found: Fields = json.loads(json.dumps(fields))
    return found


def without(fields: Fields, name: str) -> Fields:
    return {key: value for key, value in fields.items() if key != name}


def week(change: Change) -> Fields:
    """A time-of-use tariff whose calendar was changed."""
    fields = document(TOU, calendars=[WEEK])
    change(fields["calendars"][0])
    return fields


REFUSED = [
    (document(FLAT, meterseal="full-tariff/2"), "meterseal must be"),
    (without(document(FLAT), "rounding"), "rounding is missing; it is one of half-even"),
    (without(document(FLAT), "split"), "split is missing; it is one of proportion"),
    (without(document(FLAT), "zone"), "zone is missing"),
    (document(FLAT, id="Has Spaces"), "id: 'Has Spaces' is not allowed"),
    (document(FLAT, currency="eur"), "currency: 'eur' is not allowed"),
    (document(FLAT, minor=7), "minor: 0 to 6 decimals"),
    (document(FLAT, digits=1), "digits: 2 (minor) to 18 decimals"),
    (document(FLAT, digits=19), "digits: 2 (minor) to 18 decimals"),
    (document(FLAT, colour="green"), "no field 'colour'"),
    (document(), "components: 1 to 64 of them"),
    (document(FLAT, FLAT), "components: 'energy' is there twice"),
    (document({**FLAT, "price": -1}), "a number of 0 to"),
    (document({**FLAT, "price": 1.5}), "'1.5' is no whole number"),
    (document({**FLAT, "price": True}), "'True' is no whole number"),
    (document({**FLAT, "type": "magic"}), "'magic' is none of block, demand"),
    (document({**FLAT, "name": "rounding"}), "not reserved"),
    (document({**FLAT, "name": "Énergie"}), "a name like energy"),
    (document(block({"price": 1, "to": 5})), "the last tier, and no other, has no end"),
    (document(block({"price": 1}, {"price": 2})), "the last tier, and no other"),
    (
        document(block({"price": 1, "to": 9}, {"price": 1, "to": 9}, {"price": 2})),
        "tiers out of order",
    ),
    (document(block()), "1 to 32 tiers"),
    (document(block({"price": 1, "to": 0}, {"price": 2})), "a number of 1 to"),
    (document(block({"price": 1}, per="kw")), "window_s goes with limits per kw"),
    (
        document(block({"price": 1}, per="day"), split="carried"),
        "limits per day cannot be carried",
    ),
    (document(TOU), "there is no calendar 'week'"),
    (document(FLAT, calendars=[WEEK]), "calendar week is used by nothing"),
    (
        document({**TOU, "prices": PRICES[:1]}, calendars=[WEEK]),
        "has the periods day, night; prices are for day",
    ),
    (
        document(without(TIERED, "tier_counter"), calendars=[WEEK]),
        "tier_counter is missing; it is one of all-periods, per-period",
    ),
    (
        document(without(TIERED, "allocation"), calendars=[WEEK]),
        "allocation is missing; it is one of chronological, proportional",
    ),
    (
        document({**TIERED, "allocation": "fair"}, calendars=[WEEK]),
        "allocation: 'fair' is not known",
    ),
    (week(lambda c: c["windows"].pop()), "week, sat: a hole from 00:00 to 24:00"),
    (
        week(lambda c: c["windows"][0].update(begin="07:30")),
        "week, mon: a hole from 07:00 to 07:30",
    ),
    (
        week(lambda c: c["windows"][1].update(end="07:01")),
        "day overlaps another period at 07:00",
    ),
    (week(lambda c: c["windows"][0].update(end="06:00")), "past midnight takes two"),
    (week(lambda c: c["windows"][0].update(end="25:00")), "is no time of day"),
    (week(lambda c: c["windows"][2].update(days=["sun", "sat"])), "days in order"),
    (week(lambda c: c["windows"][2].update(days=["sat", "hol"])), "names none"),
    (
        week(lambda c: c.update(seasons=[{"name": "s", "begin": "02-29"}])),
        "is no name and MM-DD",
    ),
    (
        week(
            lambda c: c.update(
                seasons=[{"name": "a", "begin": "06-01"}, {"name": "b", "begin": "01-01"}]
            )
        ),
        "seasons in the order they begin",
    ),
    (week(lambda c: c["windows"][0].update(seasons=["x"])), "is no season of it"),
    (document(FLAT, holidays=["12-25", "01-06"]), "holidays are written in order"),
    (document(FLAT, holidays=["Christmas"]), "is no YYYY-MM-DD or MM-DD"),
    (document(FLAT, holidays=["12-25"] * 401), "holidays: at most 400"),
    (document(FLAT, holidays=["02-30"]), "is no YYYY-MM-DD or MM-DD"),
    (
        document({"type": "hourly", "name": "energy", "prices": [1, 2]}),
        "8760 prices, one an hour of a year, not 2",
    ),
    (document(FLAT, tax("vat", "enregy")), "vat: its base 'enregy' is no component"),
    (document(FLAT, tax("vat")), "of names at least one component"),
    (document(FLAT, tax("vat", "energy", "energy")), "'energy' is there twice"),
    (
        document(FLAT, tax("vat", "levy"), tax("levy", "vat")),
        "bases go in a circle: vat of levy of vat",
    ),
    (document(FLAT, tax("vat", "vat")), "bases go in a circle: vat of vat"),
    (
        document(FLAT, FIXED, least("a", "energy"), least("b", "service")),
        "minimums and maximums per year have one base",
    ),
    (document(FLAT, NET, EXPORT), "export is used once: by one of roof and export"),
    (document({**EXPORT, "calendar": "week"}), "one price, or a calendar and a price"),
    (document(without(EXPORT, "price")), "one price, or a calendar"),
    (document(FLAT, {**NET, "year_end": 13}), "year_end is a month, 1 to 12"),
    (document(FLAT, {**NET, "bank": "per-period"}), "a calendar goes with a bank"),
    (document(TOU, NET, calendars=[WEEK]), "needs a bank per period of calendar week"),
    (
        document(TIERED, {**NET, "bank": "per-period", "calendar": "week"}, calendars=[WEEK]),
        "what is netted over a cycle has no order of time",
    ),
    (
        document(
            {**TIERED, "tier_counter": "per-period"},
            {**NET, "bank": "per-period", "calendar": "week",
             "successors": [{"period": "day", "to": "dawn"}]},
            calendars=[WEEK],
        ),
        "'day' to 'dawn' is no succession",
    ),
    (document({**DEMAND, "window_s": 0}), "window_s is at least one second"),
    (document({**DEMAND, "proration": "begin"}), "prorated by days, or whole"),
    (document(DEMAND, commodity="water"), "water has no kW"),
    (document({**DEMAND, "tiers": ROWS}), "without a calendar it has tiers of period"),
    (
        document(FLAT, {
            "type": "free-quota", "name": "free", "of": "service", "quantity": 1,
            "per": "cycle", "rule": "mean"}, FIXED),
        "free: service does not price usage",
    ),
    (
        document({**TOU}, {
            "type": "free-quota", "name": "free", "of": "energy", "quantity": 1,
            "per": "cycle", "rule": "first"}, calendars=[WEEK]),
        "which units of energy are first is not said",
    ),
    (document(FLAT, {**FIXED, "per": "unit"}), "a fixed charge is not per unit"),
    (
        document(FLAT, *({
            "type": "free-quota", "name": name, "of": "energy", "quantity": 1,
            "per": "cycle", "rule": "mean"} for name in ("a", "b"))),
        "free quotas: of: 'energy' is there twice",
    ),
    (
        document(FLAT, total_rounding={"step": 0, "rule": "up"}),
        "total_rounding.step: at least one minor unit",
    ),
    (document(FLAT, terms={"arrears_bp": 10_001}), "arrears_bp"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "why"), REFUSED, ids=[why[:40] for _, why in REFUSED]
)
def test_a_tariff_that_cannot_be_meant_is_refused_by_name(
    fields: Fields, why: str
) -> None:
    with pytest.raises(Malformed) as refused:
        parse_full_tariff(canonical(fields))
    assert why in refused.value.detail


def test_what_the_refusals_begin_from_is_a_tariff() -> None:
    for fields in (
        document(FLAT, FIXED, tax("vat", "energy"), least("m", "energy", "service")),
        document(TOU, calendars=[WEEK]),
        document(TIERED, calendars=[WEEK]),
        document(FLAT, NET),
        document(FLAT, EXPORT),
        document(DEMAND),
        document(block({"price": 1, "to": 5}, {"price": 2})),
    ):
        assert parse_full_tariff(canonical(fields)).document() == canonical(fields)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"null",
        b'{"meterseal":"full-tariff/1"}',
        b"[" * 100_000,
        b"\xff\xfe",
        b" " * (1 << 19),
    ],
)
def test_what_is_no_tariff_at_all_is_refused(text: bytes) -> None:
    with pytest.raises(Malformed):
        parse_full_tariff(text)


def test_a_tariff_has_one_spelling() -> None:
    fields = document(FLAT)
    assert parse_full_tariff(canonical(fields)).document() == canonical(fields)
    for other in (
        json.dumps(fields).encode(),
        canonical({**fields, "minor": 2}),
        canonical(fields) + b"\n",
    ):
        with pytest.raises(Malformed, match="one spelling"):
            parse_full_tariff(other)
