"""What a bill must be for any tariff and any load: additive, monotone, exact, one spelling."""

import json
from dataclasses import replace
from fractions import Fraction
from random import Random
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from meterseal_proto.errors import Malformed
from meterseal_proto.rating.calendar import Unrateable
from meterseal_proto.rating.components import (
    Bank,
    Count,
    Export,
    Fixed,
    Flat,
    Minor,
    NetMetering,
    Netting,
    PayoutOf,
    Per,
    Price,
    Proration,
)
from meterseal_proto.rating.line import NOTHING_CARRIED, LineKind
from meterseal_proto.rating.load import Load, Period
from meterseal_proto.rating.netting import netted
from meterseal_proto.rating.price import rate, rounded
from meterseal_proto.rating.tariff import (
    FullTariff,
    Rule,
    TotalOf,
    TotalRounding,
    parse_full_tariff,
)
from meterseal_proto.tariff import canonical
from tests.support.brokenjson import broken
from tests.support.rated import HOUR_S, a_tariff
from tests.support.seed import WHOLE
from tests.support.tariffsdrawn import (
    LOCAL,
    MONTHS,
    PERIODS,
    SAMPLE,
    SEEDS,
    carried,
    days_of,
    finer,
    linear,
    load_of,
    part,
    rising,
    whole,
)

CASES: Final = 1_000 if WHOLE else 60
"""Bills for each law, by night and in the suite."""
MUTANTS: Final = 20_000 if WHOLE else 1_500


@settings(max_examples=CASES)
@given(linear(), st.sampled_from(MONTHS), SEEDS)
def test_the_bills_of_a_months_days_are_the_months_bill_before_rounding(
    tariff: FullTariff, month: str, seed: int
) -> None:
    # Each hour uses something, so that no day is below a quota of 90 Wh a day.
    load = load_of(month, seed, least=40)
    if any(
        isinstance(one, Export) and one.netting is Netting.SLOT
        for one in tariff.components
    ):
        load = replace(load, bought=(), exported=[min(30, n) for n in load.exported])
    days = [
        rate(tariff, part(load, *day), Period(*day, load.first, load.end), LOCAL)
        for day in days_of(load)
    ]
    assert sum(day.exact for day in days) == whole(tariff, load).exact


@settings(max_examples=CASES)
@given(carried(), st.sampled_from(MONTHS), SEEDS, st.data())
def test_a_cycle_in_two_parts_costs_what_it_costs_in_one(
    tariff: FullTariff, month: str, seed: int, data: st.DataObject
) -> None:
    load = replace(load_of(month, seed), exported=(), bought=())
    cut = data.draw(st.integers(1, len(load.imported) - 1)) * HOUR_S + load.first
    cycle = (load.first, load.end)
    first = rate(
        tariff, part(load, load.first, cut), Period(load.first, cut, *cycle), LOCAL
    )
    second = rate(
        tariff,
        part(load, cut, load.end),
        Period(cut, load.end, *cycle),
        LOCAL,
        first.carried,
    )
    assert first.exact + second.exact == whole(tariff, load).exact


@settings(max_examples=CASES)
@given(rising(), st.sampled_from(MONTHS), SEEDS, st.data())
def test_who_uses_more_never_pays_less(
    tariff: FullTariff, month: str, seed: int, data: st.DataObject
) -> None:
    load = replace(load_of(month, seed), exported=(), bought=())
    slot = data.draw(st.integers(0, len(load.imported) - 1))
    more = list(load.imported)
    more[slot] += data.draw(st.integers(1, 200_000))
    dearer = whole(tariff, replace(load, imported=more))
    assert dearer.exact >= whole(tariff, load).exact


@settings(max_examples=CASES)
@given(st.one_of(linear(), rising()), st.sampled_from(MONTHS), SEEDS)
def test_the_exact_amount_is_the_same_however_fine_usage_is_counted(
    tariff: FullTariff, month: str, seed: int
) -> None:
    load = load_of(month, seed)
    if any(isinstance(one, Export) for one in tariff.components):
        load = replace(load, bought=())
    fine = finer(load, parts=1, grain=10**6)
    coarse = whole(tariff, load)
    assert [line.exact for line in whole(tariff, fine).lines] == [
        line.exact for line in coarse.lines
    ]
    # And however often it is told: quarter hours of an hour, the power of a window too.
    quarters = finer(load, parts=4, grain=4_000)
    assert whole(tariff, quarters).exact == coarse.exact


@settings(max_examples=CASES)
@given(
    st.one_of(linear(), rising(), carried()),
    st.sampled_from(MONTHS),
    SEEDS,
    st.sampled_from(Rule),
    st.none()
    | st.builds(
        TotalRounding,
        st.sampled_from((1, 5, 50, 100)).map(Minor),
        st.sampled_from(Rule),
        st.sampled_from(TotalOf),
    ),
)
def test_lines_add_up_and_each_is_rounded_once(
    tariff: FullTariff, month: str, seed: int, rule: Rule, wish: TotalRounding | None
) -> None:
    tariff = replace(tariff, rounding=rule, total_rounding=wish)
    load = replace(load_of(month, seed), bought=())
    rated = whole(tariff, load)
    kept = [line for line in rated.lines if line.kind is not LineKind.ROUNDING]
    for line in kept:
        assert line.amount == rounded(line.exact * 100, rule)
        if line.quantity is not None and line.price is not None:
            assert line.quantity * line.price == line.exact
    assert rated.exact == sum(line.exact for line in kept)
    assert rated.total == sum(line.amount for line in rated.lines)
    if wish is not None:
        assert rated.total % wish.step == 0
        if wish.of is TotalOf.EXACT:
            assert abs(rated.total - rated.exact * 100) < wish.step


@settings(max_examples=CASES)
@given(
    st.lists(
        st.tuples(st.integers(0, 900), st.integers(0, 900), st.integers(0, 900)),
        min_size=1,
        max_size=14,
    ),
    st.sampled_from(PayoutOf),
)
def test_net_metering_uses_each_kilowatt_hour_once(
    months: list[tuple[int, int, int]], of: PayoutOf
) -> None:
    terms = NetMetering("roof", Bank.PER_PERIOD, Count(12), Price(0), of, "year")
    bank: dict[str, int] = {}
    for taken, given_day, given_night in months:
        imported = {"peak": taken, "night": 500}
        exported = {"peak": given_day, "night": given_night}
        before = sum(kwh for name, kwh in bank.items() if name in PERIODS)
        found = netted(terms, imported, exported, bank)
        used = sum(imported.values()) - sum(found.usage.values())
        assert used == sum(found.credited.values())
        assert before + sum(exported.values()) - used == found.kept
        assert min(found.usage.values()) >= 0
        bank = dict(found.bank)


@settings(max_examples=CASES)
@given(st.one_of(linear(), rising(), carried()))
def test_a_tariff_is_read_as_it_was_written(tariff: FullTariff) -> None:
    document = tariff.document()
    assert parse_full_tariff(document) == tariff
    assert parse_full_tariff(document).hash() == tariff.hash()


@settings(max_examples=MUTANTS)
@given(st.data())
def test_a_changed_document_is_refused_or_another_tariff(data: st.DataObject) -> None:
    document = SAMPLE.document()
    at_byte = data.draw(st.integers(0, len(document) - 1))
    change = data.draw(st.sampled_from(("set", "cut", "add", "swap")))
    byte = bytes([data.draw(st.sampled_from(b'0123456789-"{}[],:.abcdelnprtuy e'))])
    mutant = {
        "set": document[:at_byte] + byte + document[at_byte + 1 :],
        "cut": document[:at_byte] + document[at_byte + 1 :],
        "add": document[:at_byte] + byte + document[at_byte:],
        "swap": document[at_byte:] + document[:at_byte],
    }[change]
    if mutant == document:
        return
    try:
        found = parse_full_tariff(mutant)
    except Malformed:
        return
    assert found.document() == mutant
    assert found.hash() != SAMPLE.hash()


def test_a_bill_of_no_usage_is_its_fixed_charges() -> None:
    tariff = a_tariff(
        Flat("energy", Price(250_000)),
        Fixed("fixed", Price(3_000_000), Per.MONTH, Proration.DAYS),
    )
    load = load_of("2026-02", 1)
    empty = Load(load.first, load.step, [0] * len(load.imported))
    rated = rate(
        tariff, empty, Period.whole(load.first, load.end), LOCAL, NOTHING_CARRIED
    )
    assert rated.exact == Fraction(3)


@settings(max_examples=CASES)
@given(st.one_of(rising(), carried()), SEEDS)
def test_a_tariff_with_anything_anywhere_is_refused_or_rated(
    tariff: FullTariff, seed: int
) -> None:
    load = replace(load_of("2026-03", seed), bought=())
    chance = Random(seed)
    for _ in range(5):
        document = canonical(broken(json.loads(tariff.document()), chance))
        try:
            found = parse_full_tariff(document)
            rated = whole(found, load)
        except (Malformed, Unrateable):
            continue
        assert rated.total == sum(line.amount for line in rated.lines)
