"""Errands have the bytes of an independent script, and nothing else is read as one."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from meterseal_proto.backfill import is_backfill
from meterseal_proto.bill import MAX_AMOUNT, ProvedBill
from meterseal_proto.encoding import Value, decode, encode
from meterseal_proto.errand import (
    BillAsked,
    BillRefused,
    NoBill,
    SeedDeposits,
    decode_errand,
    encode_errand,
)
from meterseal_proto.errand_down import (
    DownErrand,
    SeedsKept,
    TariffTold,
    encode_kept,
    encode_told,
    is_errand,
    open_told,
    sign_asked,
)
from meterseal_proto.errors import Malformed, Rejected
from meterseal_proto.keys import Algorithm, RootSecret, SealKey
from meterseal_proto.receipt import Receipt, open_receipt, sign_receipt
from meterseal_proto.seedbox import TrusteeKey, deposited
from meterseal_proto.topics import MAX_MESSAGE_BYTES
from meterseal_proto.totals import SEEDS
from meterseal_proto.units import MeterId, RegisterId

MADE = json.loads((Path(__file__).parents[2] / "proto/vectors/errand.json").read_text())
NETWORK = bytes.fromhex(MADE["network"])
METER, REGISTER, BEGIN, END, TARIFF = MADE["place"]
ASKED = BillAsked(
    MeterId(bytes.fromhex(METER)), RegisterId(REGISTER), BEGIN, END, bytes.fromhex(TARIFF)
)  # fmt: skip
KEY = SealKey(Algorithm.SECP256K1, bytes.fromhex(MADE["secret"]))
RECEIPT_KEY = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(MADE["receipt_key"]))
UP = [
    MADE["seeds"],
    *(one["payload"] for one in MADE["bills"]),
    *(one["payload"] for one in MADE["refused"]),
    MADE["known"],
]
DOWN = [MADE["kept"]["payload"], MADE["told"]["payload"], MADE["asked"]]


def told(payload: str) -> DownErrand:
    return open_told(bytes.fromhex(payload), NETWORK, RECEIPT_KEY.public_key())


@pytest.mark.parametrize("payload", UP)
def test_what_goes_up_has_the_scripts_bytes(payload: str) -> None:
    assert encode_errand(decode_errand(bytes.fromhex(payload))).hex() == payload


def test_a_deposit_of_seeds_is_authentic_for_its_trustee_and_network_only() -> None:
    seeds = decode_errand(bytes.fromhex(MADE["seeds"]))
    assert isinstance(seeds, SeedDeposits)
    assert (seeds.meter, seeds.key) == (ASKED.meter, KEY.public)
    keys = [bytes.fromhex(one) for one in MADE["trustee_box_keys"]]
    for n, one in enumerate(seeds.deposits):
        assert [one.authentic(NETWORK, key) for key in keys] == [
            n == m for m in range(3)
        ]
        assert not one.authentic(bytes(32), keys[n])


def test_a_bill_comes_back_as_it_was() -> None:
    for made in MADE["bills"]:
        bill = decode_errand(bytes.fromhex(made["payload"]))
        assert isinstance(bill, ProvedBill)
        said = bill.statement
        assert (said.network, said.amount, said.revision) == (
            NETWORK,
            made["amount"],
            1,
        )
        assert [one.hex() for one in said.headers] == made["headers"]
        assert bill.proof.hex() == made["proof"]


def test_a_refusal_is_signed_for_its_network_reason_and_period() -> None:
    for made in MADE["refused"]:
        why = NoBill(made["reason"])
        payload = bytes.fromhex(made["payload"])
        assert encode_errand(BillRefused.sign(KEY, NETWORK, ASKED, why)) == payload
        refused = decode_errand(payload)
        assert isinstance(refused, BillRefused)
        assert refused.authentic(NETWORK, KEY.public)
        assert not refused.authentic(bytes(32), KEY.public)
        other = NoBill.TARIFF if why is not NoBill.TARIFF else NoBill.OVERLAP
        assert not BillRefused(ASKED, other, refused.signature).authentic(
            NETWORK, KEY.public
        )


def test_every_reason_is_in_the_vectors() -> None:
    assert {int(why) for why in NoBill} == {one["reason"] for one in MADE["refused"]}


def test_what_goes_down_has_the_scripts_bytes() -> None:
    kept = told(MADE["kept"]["payload"])
    assert isinstance(kept, SeedsKept)
    assert [one.hex() for one in kept.signatures] == MADE["kept"]["signatures"]
    assert encode_kept(kept).hex() == MADE["kept"]["payload"]
    tariff = told(MADE["told"]["payload"])
    assert isinstance(tariff, TariffTold)
    assert encode_told(tariff).hex() == MADE["told"]["payload"]
    assert told(MADE["asked"]) == ASKED
    assert sign_asked(ASKED, NETWORK, RECEIPT_KEY).hex() == MADE["asked"]


def test_a_wish_of_another_key_or_for_another_network_is_none() -> None:
    stranger = Ed25519PrivateKey.from_private_bytes(bytes(32))
    for payload in (
        sign_asked(ASKED, NETWORK, stranger),
        sign_asked(ASKED, bytes(32), RECEIPT_KEY),
    ):
        with pytest.raises(Malformed, match="receipt key"):
            open_told(payload, NETWORK, RECEIPT_KEY.public_key())


def test_no_message_down_is_taken_for_another_kind() -> None:
    receipt = sign_receipt(Receipt(NETWORK, "pi-1", 0, ()), RECEIPT_KEY)
    assert not is_errand(receipt)
    for payload in map(bytes.fromhex, DOWN):
        assert is_errand(payload)
        assert not is_backfill(payload)
        with pytest.raises(Malformed):
            open_receipt(payload, RECEIPT_KEY.public_key())
    assert not any(is_errand(bytes.fromhex(payload)) for payload in UP)


def changed(payload: str, at: int, value: Value) -> bytes:
    fields = decode(bytes.fromhex(payload))
    assert isinstance(fields, tuple)
    return encode([*fields[:at], value, *fields[at + 1 :]])


WRONG_UP = [
    encode(7), encode([]), encode(["backfill"]), encode([True]), encode([9, bytes(32)]),
    encode([4]), encode([4, bytes(31)]), changed(MADE["known"], 0, 5),
    changed(MADE["seeds"], 2, "ed25519"), changed(MADE["seeds"], 3, bytes(33)),
    changed(MADE["seeds"], 1, bytes(15)), changed(MADE["seeds"], 4, []),
    changed(MADE["bills"][0]["payload"], 7, (MAX_AMOUNT + 1).to_bytes(16)),
    changed(MADE["bills"][0]["payload"], 7, 7),
    changed(MADE["bills"][0]["payload"], 9, []),
    changed(MADE["bills"][0]["payload"], 9, [bytes(32)] * 401),
    changed(MADE["bills"][0]["payload"], 11, bytes(63)),
    changed(MADE["refused"][0]["payload"], 6, 0),
    changed(MADE["refused"][0]["payload"], 6, 99),
    changed(MADE["refused"][0]["payload"], 6, "used 5 kWh"),
    changed(MADE["refused"][0]["payload"], 4, BEGIN),
]  # fmt: skip


@pytest.mark.parametrize("payload", WRONG_UP)
def test_what_is_no_errand_up_is_malformed(payload: bytes) -> None:
    with pytest.raises(Malformed):
        decode_errand(payload)


WRONG_DOWN = [
    changed(MADE["kept"]["payload"], 2, [bytes(64)] * 2),
    changed(MADE["kept"]["payload"], 0, 36),
    changed(MADE["told"]["payload"], 1, bytes(16_385)),
    changed(MADE["told"]["payload"], 2, -1),
    changed(MADE["told"]["payload"], 3, [bytes(32)] * 64),
    changed(MADE["told"]["payload"], 4, "n" * 4_097),
    changed(MADE["asked"], 4, BEGIN),
    changed(MADE["asked"], 6, bytes(64)),
]  # fmt: skip


@pytest.mark.parametrize("payload", WRONG_DOWN)
def test_what_is_no_errand_down_is_malformed(payload: bytes) -> None:
    with pytest.raises(Malformed):
        open_told(payload, NETWORK, RECEIPT_KEY.public_key())


def test_a_message_beyond_the_pipes_limit_is_not_looked_into() -> None:
    with pytest.raises(Rejected, match="too-large"):
        decode_errand(bytes(MAX_MESSAGE_BYTES + 1))


def deposits_of(number: int, algorithm: Algorithm) -> bytes:
    root = RootSecret(number.to_bytes(32))
    meter = MeterId(number.to_bytes(16))
    trustees = [TrusteeKey(n, bytes([9 + n]) * 32, bytes(32)) for n in range(SEEDS)]
    first, second, third = [
        deposited(
            root.seal_key(algorithm), NETWORK, meter, one, root.mask_seeds(meter, 3)
        )
        for one in trustees
    ]
    return encode_errand(SeedDeposits((first, second, third)))


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_every_meters_deposit_is_of_one_size(algorithm: Algorithm) -> None:
    assert len({len(deposits_of(n, algorithm)) for n in (1, 2, 250)}) == 1
