"""How much opened amounts tell: the one-tariff attack, two near tariffs, unit vectors."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterseal_proto.refinement import (
    MAX_RATIO,
    MAX_TERMS,
    MIN_ATOM,
    Refinement,
    TooFine,
    determined,
)

MONTH = 2_880
DRAW = random.Random(7)
USAGE = [DRAW.randrange(1 << 16) for _ in range(MONTH)]


def amount(prices: list[int]) -> int:
    return sum(p * v for p, v in zip(prices, USAGE, strict=True))


def test_one_tariff_can_open_one_interval_and_is_refused() -> None:
    """SETTLED 19: 250,000 everywhere and 250,001 once."""
    prices = [250_000] * MONTH
    prices[1_234] = 250_001
    assert amount(prices) % 250_000 == USAGE[1_234]
    with pytest.raises(TooFine, match="1 intervals"):
        Refinement.whole(MONTH).opened(prices)


def test_two_near_tariffs_open_what_each_alone_hides() -> None:
    flat, shifted = [300] * MONTH, [300] * MONTH
    shifted[100:130], one_more = [200] * 30, [200] * 31
    near = [300] * MONTH
    near[100:131] = one_more
    assert amount(flat) - amount(shifted) == 100 * sum(USAGE[100:130])
    assert amount(shifted) - amount(near) == 100 * USAGE[130]
    once = Refinement.whole(MONTH).opened(flat).opened(shifted)
    with pytest.raises(TooFine):
        once.opened(near)


def test_a_unit_vector_and_too_unlike_prices_are_refused() -> None:
    unit = [0] * MONTH
    unit[5] = 1
    with pytest.raises(TooFine):
        Refinement.whole(MONTH).opened(unit)
    for high in (100 * MAX_RATIO + 1, 1 << 31):
        halves = [100] * (MONTH // 2) + [high] * (MONTH // 2)
        with pytest.raises(TooFine, match="times apart"):
            Refinement.whole(MONTH).opened(halves)


def test_ordinary_tariffs_open_again_and_again() -> None:
    day_night = [300 if n % 96 >= 28 else 100 for n in range(MONTH)]
    weekend = [200 if n // 96 % 7 >= 5 else 250 for n in range(MONTH)]
    free_nights = [300 if n % 96 >= 28 else 0 for n in range(MONTH)]
    found = Refinement.whole(MONTH)
    for prices in (day_night, weekend, free_nights, day_night, [7] * MONTH):
        found = found.opened(prices)
    assert len(set(found.atoms)) == 4


def test_a_period_of_few_intervals_is_never_opened() -> None:
    with pytest.raises(TooFine):
        Refinement.whole(MIN_ATOM - 1).opened([100] * (MIN_ATOM - 1))
    Refinement.whole(MIN_ATOM).opened([100] * MIN_ATOM)
    for count in (0, MAX_TERMS + 1):
        with pytest.raises(ValueError, match="intervals"):
            Refinement.whole(count)
    with pytest.raises(ValueError, match="as many prices"):
        Refinement.whole(30).opened([1] * 31)


def test_the_auditor_finds_what_two_bills_tell_together() -> None:
    flat, shifted, near = [300] * 96, [300] * 96, [300] * 96
    shifted[40:70] = [200] * 30
    near[40:71] = [200] * 31
    assert determined([flat]) == []
    assert determined([flat, shifted]) == []
    assert determined([flat, shifted, near], fewer=2) == [[70]]
    assert determined([]) == []


def test_what_is_not_told_is_not_found() -> None:
    """Overlapping classes whose rows do not give the small atom."""
    one = [1] * 50 + [2] * 46
    two = [1] * 49 + [2] * 47
    assert determined([one], fewer=50) == [list(range(50, 96))]
    assert determined([one, two], fewer=2) == [[49]]
    assert determined([[1] * 96, [5] * 96]) == []


PRICES = st.lists(st.integers(0, 3), min_size=30, max_size=30)


@given(st.lists(PRICES, min_size=1, max_size=4))
def test_what_the_device_lets_pass_tells_no_auditor_anything(
    vectors: list[list[int]],
) -> None:
    """The rule and the algebra agree: legal refinements determine nothing small."""
    stretched = [[p for p in one for _ in range(MIN_ATOM)] for one in vectors]
    found, passed = Refinement.whole(30 * MIN_ATOM), []
    for prices in stretched:
        try:
            found = found.opened(prices)
        except TooFine:
            continue
        passed.append(prices)
    assert determined(passed) == []


@given(PRICES, st.integers(0, 29))
def test_an_atom_of_one_is_always_refused(prices: list[int], alone: int) -> None:
    marked = list(prices)
    marked[alone] = 99
    with pytest.raises(TooFine):
        Refinement.whole(30).opened(marked)


def test_slots_everybody_knows_shield_nobody() -> None:
    """A MISSING slot is 0 in the open: 23 of them and one more would be that one."""
    prices = [250] * MONTH
    night = range(MIN_ATOM)
    for at in night:
        prices[at] = 100
    known = [at for at in night if at != 7]
    Refinement.whole(MONTH).opened(prices)
    with pytest.raises(TooFine, match="1 intervals"):
        Refinement.whole(MONTH, known).opened(prices)
    assert determined([prices], known=known) == [[7]]


def test_known_slots_at_a_price_of_their_own_tell_nothing() -> None:
    known = range(0, MONTH, 2)
    prices = [100 if at in known else 250 for at in range(MONTH)]
    prices[0] = 300
    once = Refinement.whole(MONTH, known).opened(prices)
    assert once.opened([7] * MONTH).atoms == once.atoms
    assert determined([prices], known=known) == []
    everything = Refinement.whole(MIN_ATOM, range(MIN_ATOM))
    assert everything.opened(list(range(100, 100 + MIN_ATOM))) == everything
