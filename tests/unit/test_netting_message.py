"""Nettings have the bytes of an independent script, and nothing else is read as one."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from meterseal_proto import netting_message
from meterseal_proto.encoding import Value, decode, encode
from meterseal_proto.errand import decode_errand, encode_errand
from meterseal_proto.errand_down import (
    NettingAsked,
    is_errand,
    open_told,
    sign_netting_asked,
)
from meterseal_proto.errors import Malformed, Rejected
from meterseal_proto.keys import Algorithm, SealKey
from meterseal_proto.netting import (
    NettedDay,
    Netting,
    ProvedNetting,
    check_netting,
    day_statement,
    left_of,
    left_over,
)
from meterseal_proto.netting_message import fitting
from meterseal_proto.rangeproof import proof_bytes
from meterseal_proto.rangeprover import Opening, prove
from meterseal_proto.secret import Secret
from meterseal_proto.topics import MAX_MESSAGE_BYTES
from meterseal_proto.units import MeterId, RegisterId

MADE = json.loads(
    (Path(__file__).parents[2] / "proto/vectors/netting.json").read_text()
)
NETWORK = bytes.fromhex(MADE["network"])
METER, REGISTER, BEGIN, END = MADE["place"]
KEY = SealKey(Algorithm.SECP256K1, bytes.fromhex(MADE["secret"]))
RECEIPT_KEY = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(MADE["receipt_key"]))
UP, DOWN = MADE["netted"]["payload"], MADE["asked"]["payload"]
DAY = [bytes(32), BEGIN, 900, [[0, 5]]]


def netting(made: dict[str, list[list[object]]]) -> Netting:
    days = []
    for header, first, step, slots in made["days"]:
        assert isinstance(header, str)
        assert isinstance(first, int)
        assert isinstance(step, int)
        assert isinstance(slots, list)
        pairs = tuple((place, wh) for place, wh in slots)
        days.append(NettedDay(bytes.fromhex(header), first, step, pairs))
    meter = MeterId(bytes.fromhex(METER))
    return Netting(NETWORK, meter, RegisterId(REGISTER), BEGIN, END, tuple(days))


ASKED, NETTED = netting(MADE["asked"]), netting(MADE["netted"])


def up(payload: str = UP) -> ProvedNetting:
    proved = decode_errand(bytes.fromhex(payload))
    assert isinstance(proved, ProvedNetting)
    return proved


def down(payload: bytes) -> object:
    return open_told(payload, NETWORK, RECEIPT_KEY.public_key())


def test_what_is_asked_and_what_is_answered_have_the_scripts_bytes() -> None:
    asked = down(bytes.fromhex(DOWN))
    assert asked == NettingAsked(ASKED)
    assert sign_netting_asked(NettingAsked(ASKED), RECEIPT_KEY).hex() == DOWN
    assert up().netting == NETTED
    assert encode_errand(up()).hex() == UP
    assert NETTED.part_of(ASKED)


def test_digests_proofs_and_the_signature_are_the_scripts() -> None:
    assert ASKED.digest().hex() == MADE["asked"]["digest"]
    assert NETTED.digest().hex() == MADE["netted"]["digest"]
    assert KEY.sign(NETTED.digest()) == up().consent
    for day, made in zip(NETTED.days, MADE["netted"]["proofs"], strict=True):
        assert NETTED.context(day).hex() == made["context"]
        commitments = [bytes.fromhex(one) for one in made["commitments"]]
        left = left_over(day, commitments)
        assert [one.hex() for one in left] == made["left"]
        opened = [
            Opening(Secret(used), Secret(int(blinding, 16)))
            for used, blinding in zip(made["used"], made["blindings"], strict=True)
        ]
        said = day_statement(NETTED, day, MADE["bits"], left)
        fresh = bytes.fromhex(made["fresh"])
        assert prove(said, left_of(day, opened), fresh).hex() == made["proof"]


def test_the_scripts_netting_is_proved() -> None:
    seen = {
        day.header: [bytes.fromhex(one) for one in made["commitments"]]
        for day, made in zip(NETTED.days, MADE["netted"]["proofs"], strict=True)
    }
    check_netting(up(), seen, dict.fromkeys(seen, MADE["bits"]), KEY.public)


def test_an_answer_without_days_comes_back_too() -> None:
    nothing = ProvedNetting(replace(NETTED, days=()), (), bytes(64))
    assert decode_errand(encode_errand(nothing)) == nothing


def test_an_asking_of_another_key_or_network_is_none() -> None:
    stranger = Ed25519PrivateKey.from_private_bytes(bytes(32))
    for payload in (
        sign_netting_asked(NettingAsked(ASKED), stranger),
        sign_netting_asked(
            NettingAsked(replace(ASKED, network=bytes(32))), RECEIPT_KEY
        ),
    ):
        with pytest.raises(Malformed, match="receipt key"):
            down(payload)


def test_nobody_asks_about_no_slot() -> None:
    asked = NettingAsked(replace(ASKED, days=()))
    with pytest.raises(Malformed, match="one slot or more"):
        down(sign_netting_asked(asked, RECEIPT_KEY))


def test_an_asking_is_told_from_other_messages_down() -> None:
    assert is_errand(bytes.fromhex(DOWN))
    assert not is_errand(bytes.fromhex(UP))


def changed(payload: str, at: int, value: Value) -> bytes:
    fields = decode(bytes.fromhex(payload))
    assert isinstance(fields, tuple)
    return encode([*fields[:at], value, *fields[at + 1 :]])


WRONG_DAYS: list[Value] = [
    7, [7], [[]], [DAY[:3]], [[*DAY, 1]], [DAY, DAY],
    [[bytes(31), *DAY[1:]]], [[bytes(32), -1, 900, [[0, 5]]]],
    [[bytes(32), BEGIN - 900, 900, [[0, 5]]]], [[bytes(32), END, 900, [[0, 5]]]],
    [[bytes(32), BEGIN, 0, [[0, 5]]]], [[bytes(32), BEGIN, 901, [[0, 5]]]],
    [[bytes(32), BEGIN, 900, []]], [[bytes(32), BEGIN, 900, [[0]]]],
    [[bytes(32), BEGIN, 900, [[0, 5, 5]]]], [[bytes(32), BEGIN, 900, [[0, 0]]]],
    [[bytes(32), BEGIN, 900, [[0, True]]]], [[bytes(32), BEGIN, 900, [[True, 5]]]],
    [[bytes(32), BEGIN, 900, [[0, -5]]]], [[bytes(32), BEGIN, 900, [[0, 1 << 32]]]],
    [[bytes(32), BEGIN, 900, [[100, 5]]]], [[bytes(32), BEGIN, 900, [[-1, 5]]]],
    [[bytes(32), BEGIN, 900, [[1, 5], [0, 5]]]],
    [[bytes(32), BEGIN, 900, [[0, 5], [0, 5]]]],
    [[bytes(32), BEGIN, 900, [[n % 100, 5] for n in range(101)]]],
    [[n.to_bytes(32), BEGIN + 900 * n, 900, [[0, 5]]] for n in range(401)],
]  # fmt: skip


@pytest.mark.parametrize("days", WRONG_DAYS)
def test_days_that_are_none_are_malformed_either_way(days: Value) -> None:
    with pytest.raises(Malformed, match=r"^(?!.*receipt key)"):
        down(changed(DOWN, 5, days))
    with pytest.raises(Malformed):
        decode_errand(changed(UP, 6, days))


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (1, bytes(31)), (2, bytes(15)), (3, -1), (3, 1 << 48), (4, END), (5, BEGIN),
        (5, 1 << 63), (7, []), (7, 7), (7, [bytes(457)] * 2), (7, [bytes(459)] * 3),
        (7, ["x" * 459] * 2), (8, bytes(63)), (8, 7),
    ],
)  # fmt: skip
def test_an_answer_with_a_field_of_the_wrong_shape_is_malformed(
    at: int, value: Value
) -> None:
    with pytest.raises(Malformed):
        decode_errand(changed(UP, at, value))


@pytest.mark.parametrize(
    ("at", "value"),
    [(1, bytes(15)), (2, -1), (3, END), (4, BEGIN), (5, []), (6, bytes(63)), (6, 7)],
)
def test_an_asking_with_a_field_of_the_wrong_shape_is_malformed(
    at: int, value: Value
) -> None:
    with pytest.raises(Malformed):
        down(changed(DOWN, at, value))


@pytest.mark.parametrize("at", range(1, 7))
def test_whatever_is_changed_in_an_asking_its_signature_fails(at: int) -> None:
    fields = decode(bytes.fromhex(DOWN))
    assert isinstance(fields, tuple)
    other: Value = fields[at]
    if isinstance(other, bytes):
        other = bytes([other[0] ^ 1]) + other[1:]
    elif isinstance(other, int):
        other += 900 if at == 4 else -1
    else:
        assert isinstance(other, tuple)
        other = other[:1]
    with pytest.raises(Malformed, match="receipt key"):
        down(changed(DOWN, at, other))


def month(days: int, slots: int, wh: int = 1_000) -> Netting:
    found = tuple(
        NettedDay(
            n.to_bytes(32),
            BEGIN + n * 90_000,
            900,
            tuple((place, wh) for place in range(slots)),
        )
        for n in range(days)
    )
    end = BEGIN + days * 90_000
    return replace(ASKED, end=end, days=found)


def sized(one: Netting, bits: int = 16) -> bytes:
    proofs = tuple(bytes(proof_bytes(bits, len(day.slots))) for day in one.days)
    return encode_errand(ProvedNetting(one, proofs, bytes(64)))


def test_a_month_of_whole_days_fits_one_message_up_and_down() -> None:
    whole = month(31, 96)
    assert fitting(whole, [16] * 31) == whole
    assert (
        len(sized(whole)),
        len(sign_netting_asked(NettingAsked(whole), RECEIPT_KEY)),
    ) == (
        47_293,
        18_614,
    )


@pytest.mark.parametrize(("slots", "bits"), [(1, 16), (40, 16), (96, 32), (100, 16)])
def test_what_fits_one_message_is_taken_and_a_day_more_is_not(
    slots: int, bits: int
) -> None:
    whole = month(200, slots, 70_000)
    kept = fitting(whole, [bits] * 200)
    assert 0 < len(kept.days) < 200
    assert kept.days == whole.days[: len(kept.days)]
    assert decode_errand(sized(kept, bits)) is not None
    more = replace(whole, days=whole.days[: len(kept.days) + 1])
    slack = MAX_MESSAGE_BYTES - len(sized(kept, bits))
    assert 0 <= slack < len(sized(more, bits)) - len(sized(kept, bits)) + 256


def test_what_is_beside_days_and_proofs_has_room() -> None:
    widest = replace(
        NETTED,
        days=(),
        register=RegisterId((1 << 48) - 1),
        begin=1 << 62,
        end=(1 << 63) - 1,
    )
    heads = 2 * 2  # of two arrays of up to 400 instead of none
    assert len(encode_errand(ProvedNetting(widest, (), bytes(64)))) + heads == 152


def test_a_message_beyond_the_pipes_limit_is_refused() -> None:
    with pytest.raises(Rejected, match="too-large"):
        decode_errand(sized(month(60, 96)))


def test_room_is_counted_in_the_messages_own_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = month(3, 5)
    each = len(sized(one)) - len(sized(replace(one, days=one.days[:2])))
    for room, days in ((each - 1, 0), (each, 1), (3 * each - 1, 2), (3 * each, 3)):
        monkeypatch.setattr(netting_message, "MAX_MESSAGE_BYTES", 256 + room)
        assert len(fitting(one, [16] * 3).days) == days
