"""Private bills: the right amount is proved by 64 bytes, and no other amount ever is."""

import json
from dataclasses import fields, replace
from typing import Any

import pytest

from meterseal_proto import schnorr
from meterseal_proto.bill import (
    MAX_AMOUNT,
    BadBill,
    BillStatement,
    ProvedBill,
    amount_of,
    check_bill,
    left_over,
    sign_bill,
)
from meterseal_proto.commitment import commit
from meterseal_proto.curve import ORDER
from meterseal_proto.keys import RootSecret
from meterseal_proto.secret import Secret
from meterseal_proto.units import IMPORT, MeterId
from tests.support.data import shared_data

KEY = RootSecret(bytes(range(32))).seal_key()
PRICES = [300_000 if n % 96 >= 28 else 100_000 for n in range(96)]
VALUES = [Secret(n * 37 % 4_000) for n in range(96)]
BLINDINGS = [Secret(7**n) for n in range(1, 97)]
COMMITMENTS = [commit(v, z) for v, z in zip(VALUES, BLINDINGS, strict=True)]
STATEMENT = BillStatement(
    network=b"\x01" * 32,
    meter=MeterId(b"\x02" * 16),
    register=IMPORT,
    begin=1_790_000_100,
    end=1_790_086_500,
    tariff=b"\x03" * 32,
    amount=amount_of(PRICES, VALUES),
    revision=0,
    headers=(b"\x04" * 32,),
    previous=b"\x05" * 32,
)
BILL = sign_bill(STATEMENT, PRICES, BLINDINGS, KEY)


def golden() -> dict[str, Any]:
    path = shared_data().parent / "reference/vectors/commitments.json"
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def check(bill: ProvedBill, **change: Any) -> None:
    wanted: dict[str, Any] = {"prices": PRICES, "commitments": COMMITMENTS}
    wanted |= {"key": KEY.public} | change
    check_bill(bill, **wanted)


def test_a_right_bill_is_checked_by_anybody() -> None:
    check(BILL)
    assert len(BILL.proof) == len(BILL.consent) == 64


def test_what_is_left_over_is_the_golden_x() -> None:
    found = golden()
    bill, day = found["bill"], found["sum"]
    made = [bytes.fromhex(one) for one in day["commitments"]]
    left = left_over(bill["prices"], made, int(bill["amount"]))
    assert left.hex() == bill["X"]
    values = [Secret(int(v)) for v in day["values"]]
    assert amount_of(bill["prices"], values) == int(bill["amount"])


@pytest.mark.parametrize("off", [1, -1, 1_000, 100_000, ORDER])
def test_no_other_amount_is_proved(off: int) -> None:
    other = replace(STATEMENT, amount=STATEMENT.amount + off)
    with pytest.raises(BadBill):
        check(replace(BILL, statement=other))
    if off < ORDER:
        with pytest.raises(BadBill, match="not what these intervals cost"):
            check(sign_bill(other, PRICES, BLINDINGS, KEY))


def test_a_device_that_is_willing_cannot_prove_a_wrong_amount() -> None:
    """It may sign with any secret: X has another logarithm, V in it."""
    wrong = replace(STATEMENT, amount=STATEMENT.amount - 1)
    right = sign_bill(wrong, PRICES, BLINDINGS, KEY)
    assert schnorr.verify(
        left_over(PRICES, COMMITMENTS, STATEMENT.amount)[1:],
        wrong.digest(),
        right.proof,
    )
    with pytest.raises(BadBill):
        check(right)


CHANGES: dict[str, Any] = {
    "network": b"\x09" * 32,
    "meter": MeterId(b"\x09" * 16),
    "register": 7,
    "begin": 1_790_000_101,
    "end": 1_790_086_501,
    "tariff": b"\x09" * 32,
    "amount": 5,
    "revision": 1,
    "headers": (b"\x04" * 32, b"\x04" * 32),
    "previous": b"\x09" * 32,
}


@pytest.mark.parametrize("name", CHANGES)
def test_every_word_of_the_statement_is_bound(name: str) -> None:
    assert CHANGES.keys() == {field.name for field in fields(BillStatement)}
    other = replace(STATEMENT, **{name: CHANGES[name]})
    assert other.digest() != STATEMENT.digest()
    with pytest.raises(BadBill, match="did not consent"):
        check(replace(BILL, statement=other))
    consented = KEY.sign(other.consent())
    with pytest.raises(BadBill, match="not what these intervals cost"):
        check(ProvedBill(other, BILL.proof, consented))


def test_knowing_the_blindings_is_not_the_devices_consent() -> None:
    stranger = RootSecret(b"\x01" * 32).seal_key()
    forged = sign_bill(STATEMENT, PRICES, BLINDINGS, stranger)
    with pytest.raises(BadBill, match="did not consent"):
        check(forged)
    with pytest.raises(BadBill, match="did not consent"):
        check(replace(BILL, consent=KEY.sign(STATEMENT.digest())))


def test_other_intervals_prices_or_order_are_refused() -> None:
    other = commit(Secret(1), Secret(2))
    swapped = [COMMITMENTS[30], *COMMITMENTS[1:30], COMMITMENTS[0], *COMMITMENTS[31:]]
    changes: tuple[dict[str, Any], ...] = (
        {"commitments": [other, *COMMITMENTS[1:]]},
        {"commitments": swapped},
        {"commitments": COMMITMENTS[:-1]},
        {"commitments": [*COMMITMENTS, other]},
        {"commitments": [bytes(33), *COMMITMENTS[1:]]},
        {"commitments": [b"\x04" + COMMITMENTS[0][1:], *COMMITMENTS[1:]]},
        {"prices": [PRICES[0] + 1, *PRICES[1:]]},
        {"prices": [-1, *PRICES[1:]]},
        {"prices": [1 << 32, *PRICES[1:]]},
        {"prices": []},
    )
    for change in changes:
        with pytest.raises(BadBill):
            check(BILL, **change)


def test_no_flipped_bit_of_either_signature_is_taken() -> None:
    for name in ("proof", "consent"):
        raw: bytes = getattr(BILL, name)
        for at in range(64):
            bent = bytearray(raw)
            bent[at] ^= 1 << at % 8
            with pytest.raises(BadBill):
                check(signed(name, bytes(bent)))
        for bad in (b"", raw[:-1], raw + b"\x00"):
            with pytest.raises(BadBill):
                check(signed(name, bad))


def signed(name: str, raw: bytes) -> ProvedBill:
    parts: dict[str, Any] = {name: raw}
    return replace(BILL, **parts)


def test_prices_of_zero_need_no_proof_and_give_no_room_for_one() -> None:
    free = [0] * 96
    nothing = replace(STATEMENT, amount=0)
    bill = sign_bill(nothing, free, BLINDINGS, KEY)
    assert bill.proof == b""
    check(bill, prices=free)
    for bad in (
        sign_bill(replace(STATEMENT, amount=1), free, BLINDINGS, KEY),
        replace(bill, proof=BILL.proof),
    ):
        with pytest.raises(BadBill, match="prices of 0"):
            check(bad, prices=free)


def test_a_period_without_usage_costs_nothing_and_is_proved_to() -> None:
    """At any prices: the commitments still hide, and no other amount is proved by them."""
    nothing = [Secret(0)] * 96
    empty = [commit(v, z) for v, z in zip(nothing, BLINDINGS, strict=True)]
    statement = replace(STATEMENT, amount=amount_of(PRICES, nothing))
    assert statement.amount == 0
    bill = sign_bill(statement, PRICES, BLINDINGS, KEY)
    check(bill, commitments=empty)
    for amount in (1, PRICES[0]):
        other = replace(statement, amount=amount)
        with pytest.raises(BadBill, match="not what these intervals cost"):
            check(sign_bill(other, PRICES, BLINDINGS, KEY), commitments=empty)
    with pytest.raises(BadBill, match="not what these intervals cost"):
        check(bill)


def test_blindings_that_cancel_sign_nothing_and_pass_for_nothing() -> None:
    prices, blindings = [5, 5], [Secret(9), Secret(-9)]
    made = [commit(Secret(3), z) for z in blindings]
    with pytest.raises(BadBill, match="cancel"):
        sign_bill(replace(STATEMENT, amount=30), prices, blindings, KEY)
    statement = replace(STATEMENT, amount=30)
    forged = ProvedBill(statement, bytes(64), KEY.sign(statement.consent()))
    with pytest.raises(BadBill, match="nothing is left over"):
        check(forged, prices=prices, commitments=made)


def test_an_amount_beyond_all_bounds_is_refused() -> None:
    for amount in (MAX_AMOUNT + 1, 1 << 120):
        far = replace(STATEMENT, amount=amount)
        with pytest.raises(BadBill, match="beyond"):
            check(ProvedBill(far, BILL.proof, KEY.sign(far.consent())))


def test_a_month_of_quarters_is_one_bill() -> None:
    check(
        sign_bill(
            replace(STATEMENT, amount=30 * STATEMENT.amount),
            PRICES * 30,
            BLINDINGS * 30,
            KEY,
        ),
        prices=PRICES * 30,
        commitments=COMMITMENTS * 30,
    )
