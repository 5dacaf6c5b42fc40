"""Whatever a home used and neighbours delivered: netted is what was used, and no more."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterseal_proto.bill import amount_of
from meterseal_proto.commitment import commit
from meterseal_proto.errand import decode_errand, encode_errand
from meterseal_proto.netting import (
    MAX_NETTED_WH,
    BadNetting,
    Netting,
    ProvedNetting,
    left_of,
    left_over,
)
from tests.support.netted import KEY, HiddenDays, netting_of, with_day

MOST = (1 << 16) - 1
values = st.one_of(st.integers(0, MOST), st.sampled_from((0, 1, MOST - 1, MOST)))
slots = st.lists(st.tuples(values, values), min_size=1, max_size=5)
homes = st.lists(slots, min_size=1, max_size=3)
Days = list[list[tuple[int, int]]]


def home_of(days: Days) -> HiddenDays:
    return HiddenDays([[used for used, _ in day] for day in days])


def true_part(days: Days) -> Netting:
    """Return the slots in which no more was delivered than used."""
    return netting_of(
        *(
            [(at, n) for at, (used, n) in enumerate(day) if 0 < n <= used]
            for day in days
        )
    )


@settings(max_examples=40, deadline=None)
@given(homes)
def test_a_true_netting_is_always_proved_and_comes_back_from_the_wire(
    days: Days,
) -> None:
    home, netting = home_of(days), true_part(days)
    proved = home.prove(netting)
    home.check(proved)
    assert decode_errand(encode_errand(proved)) == proved


@settings(max_examples=60, deadline=None)
@given(slots, st.data())
def test_a_slot_that_used_less_is_never_netted(
    day: list[tuple[int, int]], data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(day) - 1))
    used, _ = day[at]
    netting = netting_of([(at, data.draw(st.integers(used + 1, MAX_NETTED_WH)))])
    home = home_of([day])
    with pytest.raises(BadNetting, match="used less"):
        home.prove(netting)
    lesser = HiddenDays([[MOST] * len(day)])
    if netting.wh <= MOST:
        # A proof over other commitments is the nearest to a lie there is.
        with pytest.raises(BadNetting, match="does not hold"):
            home.check(lesser.prove(netting))


@settings(max_examples=60, deadline=None)
@given(slots, st.data())
def test_whatever_byte_of_a_message_changes_it_is_no_longer_proved(
    day: list[tuple[int, int]], data: st.DataObject
) -> None:
    netting = true_part([day])
    home = home_of([day])
    if not netting.days:
        return
    (one,) = netting.days
    proved = home.prove(netting)
    (proof,) = proved.proofs
    at, bit = data.draw(st.integers(0, len(proof) - 1)), data.draw(st.integers(0, 7))
    wrong = bytearray(proof)
    wrong[at] ^= 1 << bit
    assert not holds(home, replace(proved, proofs=(bytes(wrong),)))
    place = data.draw(st.integers(0, 31))
    header = bytearray(one.header)
    header[place] ^= 1 << bit
    digest = bytes(header)
    moved = with_day(netting, 0, replace(one, header=digest))
    home.openings[digest] = home.openings[one.header]
    assert not holds(home, replace(proved, netting=moved)), "not signed"
    signed = ProvedNetting(moved, proved.proofs, KEY.sign(moved.digest()))
    assert not holds(home, signed), "not proved of that seal"


@settings(max_examples=60, deadline=None)
@given(slots, st.data())
def test_no_other_wh_or_place_is_proved_by_a_proof(
    day: list[tuple[int, int]], data: st.DataObject
) -> None:
    netting = true_part([day])
    if not netting.days:
        return
    (one,) = netting.days
    home = home_of([day])
    proved = home.prove(netting)
    number = data.draw(st.integers(0, len(one.slots) - 1))
    place, wh = one.slots[number]
    taken = {at for at, _ in one.slots} - {place}
    other = data.draw(
        st.tuples(st.integers(0, len(day) - 1), values).filter(
            lambda pair: pair != (place, wh) and pair[0] not in taken and pair[1]
        )
    )
    slots = sorted([*one.slots[:number], *one.slots[number + 1 :], other])
    moved = with_day(netting, 0, replace(one, slots=tuple(slots)))
    signed = ProvedNetting(moved, proved.proofs, KEY.sign(moved.digest()))
    assert not holds(home, signed)


@settings(max_examples=60, deadline=None)
@given(slots, st.lists(st.integers(0, 1 << 31), min_size=5, max_size=5))
def test_what_is_left_over_costs_the_amount_less_what_the_netted_costs(
    day: list[tuple[int, int]], prices: list[int]
) -> None:
    home, netting = home_of([day]), true_part([day])
    for one in netting.days:
        openings, commitments = home.openings[one.header], home.commitments[one.header]
        left = left_of(one, openings)
        assert left_over(one, commitments) == tuple(
            commit(opening.value, opening.blinding) for opening in left
        )
        values = [opening.value for opening in openings]
        rest = list(values)
        for (at, _), opening in zip(one.slots, left, strict=True):
            rest[at] = opening.value
        used = prices[: len(values)]
        netted = sum(used[at] * wh for at, wh in one.slots)
        assert amount_of(used, rest) == amount_of(used, values) - netted


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 999), st.integers(0, MOST - 999), st.integers(0, 99)),
        min_size=1,
        max_size=4,
    )
)
def test_two_homes_that_used_enough_tell_the_same_but_for_their_proofs(
    day: list[tuple[int, int, int]],
) -> None:
    netting = netting_of([(at, wh) for at, (wh, _, _) in enumerate(day)])
    one = HiddenDays([[wh + more for wh, more, _ in day]])
    other = HiddenDays([[wh + more for wh, _, more in day]])
    told = [encode_errand(home.prove(netting)) for home in (one, other)]
    assert len(told[0]) == len(told[1])
    bare = [decode_errand(payload) for payload in told]
    assert all(isinstance(found, ProvedNetting) for found in bare)
    assert (
        len({(p.netting, p.consent) for p in bare if isinstance(p, ProvedNetting)}) == 1
    )
    for home, payload in zip((one, other), told, strict=True):
        for openings in home.openings.values():
            for opening in openings:
                assert opening.value.to_bytes() not in payload
                assert opening.blinding.to_bytes() not in payload


def holds(home: HiddenDays, proved: ProvedNetting) -> bool:
    try:
        home.check(proved)
    except BadNetting:
        return False
    return True
