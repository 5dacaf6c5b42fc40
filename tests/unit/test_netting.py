"""What is netted of hidden usage is proved slot by slot, and nothing in it can be changed."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from meterseal_proto.bill import BillStatement
from meterseal_proto.keys import RootSecret
from meterseal_proto.netting import (
    MAX_NETTED_DAYS,
    MAX_NETTED_WH,
    BadNetting,
    NettedDay,
    Netting,
    ProvedNetting,
    prove_netting,
)
from meterseal_proto.rangeproof import proof_bytes
from meterseal_proto.seal import MAX_RECORDS
from meterseal_proto.units import EXPORT, MeterId
from tests.support.netted import (
    BEGIN,
    DAY_S,
    KEY,
    STEP,
    HiddenDays,
    header,
    netting_of,
    with_day,
)

HOME = HiddenDays([(120, 0, 455, 65_535), (300, 300, 300, 300)])
NETTED = netting_of([(0, 120), (2, 1), (3, 65_535)], [(1, 299)])
PROVED = HOME.prove(NETTED)
FIRST = NETTED.days[0]


def refused(proved: ProvedNetting, home: HiddenDays = HOME) -> str:
    with pytest.raises(BadNetting) as error:
        home.check(proved)
    return str(error.value)


def test_what_was_used_at_least_is_netted_and_everybody_can_check_it() -> None:
    HOME.check(PROVED)
    assert NETTED.wh == 120 + 1 + 65_535 + 299
    assert dict(NETTED.slots())[BEGIN + 2 * STEP] == 1


def test_a_netting_of_32_bits_is_proved_too() -> None:
    home = HiddenDays([(MAX_NETTED_WH, 70_000)], bits=32)
    home.check(home.prove(netting_of([(0, MAX_NETTED_WH), (1, 65_536)])))


def test_nothing_can_be_netted_and_that_is_signed_too() -> None:
    nothing = HOME.prove(replace(NETTED, days=()))
    HOME.check(nothing)
    assert nothing.proofs == ()
    assert "did not sign" in refused(replace(nothing, consent=PROVED.consent))


@pytest.mark.parametrize(("place", "wh"), [(0, 121), (1, 1), (2, 65_535)])
def test_more_than_was_used_is_never_proved(place: int, wh: int) -> None:
    with pytest.raises(BadNetting, match="used less"):
        HOME.prove(netting_of([(place, wh)], []))


def test_a_proof_is_over_the_netted_slots_and_says_how_many_they_are() -> None:
    assert [len(one) for one in PROVED.proofs] == [
        proof_bytes(16, 3),
        proof_bytes(16, 1),
    ]
    assert (proof_bytes(16, 1), proof_bytes(16, 96), proof_bytes(32, 100)) == (
        459,
        921,
        987,
    )


CHANGES: dict[str, Callable[[NettedDay], NettedDay]] = {
    "header": lambda day: replace(day, header=header(9)),
    "first": lambda day: replace(day, first=day.first + 1),
    "step": lambda day: replace(day, step=600),
    "place": lambda day: replace(day, slots=((1, 120), *day.slots[1:])),
    "Wh up": lambda day: replace(day, slots=((0, 121), *day.slots[1:])),
    "Wh down": lambda day: replace(day, slots=((0, 119), *day.slots[1:])),
    "a slot less": lambda day: replace(day, slots=day.slots[1:]),
    "a slot more": lambda day: replace(day, slots=(*day.slots[:1], (1, 1), (2, 1))),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_what_is_changed_is_not_signed_and_signed_anew_it_is_not_proved(
    change: Callable[[NettedDay], NettedDay],
) -> None:
    changed = replace(PROVED, netting=with_day(NETTED, 0, change(FIRST)))
    assert "did not sign" in refused(changed)
    anew = replace(changed, consent=KEY.sign(changed.netting.digest()))
    assert "did not sign" not in refused(anew)


@pytest.mark.parametrize(
    "other",
    [
        replace(NETTED, network=bytes(32)),
        replace(NETTED, meter=MeterId(bytes(16))),
        replace(NETTED, register=EXPORT),
    ],
)
def test_a_proof_of_another_register_or_network_proves_nothing(other: Netting) -> None:
    anew = ProvedNetting(other, PROVED.proofs, KEY.sign(other.digest()))
    assert "does not hold" in refused(anew)


@pytest.mark.parametrize(
    "other",
    [replace(NETTED, begin=BEGIN - DAY_S), replace(NETTED, end=NETTED.end + DAY_S)],
)
def test_the_period_is_under_the_devices_signature(other: Netting) -> None:
    assert "did not sign" in refused(replace(PROVED, netting=other))


def test_the_day_whose_proof_is_wrong_is_named() -> None:
    one, other = PROVED.proofs
    wrong = other[:-1] + bytes([other[-1] ^ 1])
    assert f"begins at {BEGIN + DAY_S}" in refused(replace(PROVED, proofs=(one, wrong)))
    assert f"begins at {BEGIN} " in refused(replace(PROVED, proofs=(wrong, other)))


@pytest.mark.parametrize("proofs", [(), PROVED.proofs[:1], (*PROVED.proofs, b"")])
def test_every_day_has_one_proof(proofs: tuple[bytes, ...]) -> None:
    assert "one proof a day" in refused(replace(PROVED, proofs=proofs))


def test_another_key_did_not_sign_it() -> None:
    stranger = RootSecret(bytes(32)).seal_key()
    with pytest.raises(BadNetting, match="did not sign"):
        HOME.check(PROVED, stranger.public)
    with pytest.raises(BadNetting, match="did not sign"):
        HOME.check(replace(PROVED, consent=b""))


def test_a_day_nobody_accepted_nets_nothing() -> None:
    home = HiddenDays(HOME.usage[:1])
    assert "none of those that were accepted" in refused(PROVED, home)
    with pytest.raises(BadNetting, match="accepted"):
        home.prove(NETTED)


def test_a_slot_beyond_its_day_nets_nothing() -> None:
    with pytest.raises(BadNetting, match="beyond its day"):
        HOME.prove(netting_of([(4, 1)], []))
    short = HiddenDays([(120, 0, 455), HOME.usage[1]])
    assert "beyond its day" in refused(PROVED, short)


def test_the_proof_is_of_the_bits_of_the_days_seal() -> None:
    wide = HiddenDays(HOME.usage, bits=32)
    assert "does not hold" in refused(PROVED, wide)
    with pytest.raises(BadNetting, match="no proof"):
        prove_netting(NETTED, HOME.openings, {}, KEY)


def test_what_is_signed_is_no_other_statement_with_the_same_fields() -> None:
    said = BillStatement(
        *(NETTED.network, NETTED.meter, NETTED.register, NETTED.begin, NETTED.end),
        *(bytes(32), 0, 0, (), bytes(32)),
    )
    digests = {said.digest(), said.consent(), NETTED.digest(), NETTED.context(FIRST)}
    assert len(digests) == 4


@pytest.mark.parametrize(
    "slots",
    [
        (),
        ((0, 0),),
        ((0, -1),),
        ((0, MAX_NETTED_WH + 1),),
        ((1, 5), (0, 5)),
        ((0, 5), (0, 5)),
        ((-1, 5),),
        ((MAX_RECORDS, 5),),
        tuple((at, 1) for at in range(MAX_RECORDS + 1)),
    ],
)
def test_slots_are_by_place_each_once_and_net_something(
    slots: tuple[tuple[int, int], ...],
) -> None:
    with pytest.raises(BadNetting):
        replace(FIRST, slots=slots)


def test_a_day_has_a_header_a_start_and_a_step() -> None:
    for wrong in ({"header": bytes(31)}, {"first": -1}, {"step": 0}):
        with pytest.raises(BadNetting, match="header hash of 32 bytes"):
            replace(FIRST, **wrong)


def test_days_are_in_order_within_their_period_and_each_once() -> None:
    one, other = NETTED.days
    many = tuple(
        NettedDay(n.to_bytes(32), BEGIN + n * DAY_S, STEP, ((0, 1),))
        for n in range(MAX_NETTED_DAYS + 1)
    )
    replace(NETTED, days=many[:-1], end=BEGIN + DAY_S * len(many))
    for wrong in (
        {"days": (other, one)},
        {"days": (one, one)},
        {"days": (one, replace(one, first=one.end))},
        {"days": (one, replace(other, first=one.end - STEP))},
        {"end": other.end - 1},
        {"begin": BEGIN + 1},
        {"begin": NETTED.end},
        {"begin": -1},
        {"days": many, "end": BEGIN + DAY_S * len(many)},
        {"network": bytes(31)},
        {"meter": MeterId(bytes(15))},
    ):
        with pytest.raises(BadNetting):
            replace(NETTED, **wrong)


def test_an_answer_is_a_part_of_what_was_asked_or_none() -> None:
    assert NETTED.part_of(NETTED)
    assert replace(NETTED, days=()).part_of(NETTED)
    assert replace(NETTED, days=NETTED.days[1:]).part_of(NETTED)
    less = replace(FIRST, slots=FIRST.slots[1:])
    assert with_day(NETTED, 0, less).part_of(NETTED)
    assert not NETTED.part_of(with_day(NETTED, 0, less))
    for change in CHANGES.values():
        changed = change(FIRST)
        if not set(changed.slots) <= set(FIRST.slots) or changed.slots == FIRST.slots:
            assert not with_day(NETTED, 0, changed).part_of(NETTED)
    for place in (
        {"begin": BEGIN - 1},
        {"end": NETTED.end + 1},
        {"register": EXPORT},
        {"network": bytes(32)},
    ):
        assert not replace(NETTED, **place).part_of(NETTED)
