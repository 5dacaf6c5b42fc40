"""Addresses, values and transactions are byte for byte those of stacks.js."""

import json
from pathlib import Path

import pytest

from meterseal_aggregator.stacks.transaction import (
    AccountKey,
    ContractCall,
    Network,
    Transaction,
    Transfer,
)
from meterseal_proto import recovery
from meterseal_proto.c32 import Address, Principal
from meterseal_proto.clarity import (
    MAX_DEPTH,
    Ascii,
    Buffer,
    Int,
    List,
    Optional,
    Tuple,
    UInt,
    decode,
    encode,
)
from meterseal_proto.curve import ORDER
from meterseal_proto.errors import Malformed
from tests.support.stacksjs import agree

VECTORS = json.loads(
    (Path(__file__).parents[2] / "proto/vectors/stacks.json").read_text()
)
ADDRESS = "ST1PQHQKV0RJXZFY1DGX8MNSNYVE3VGZJSRTPGZGM"
KEY = AccountKey(bytes.fromhex(VECTORS["addresses"][0]["key"]))


def test_everything_is_as_stacks_js_makes_it() -> None:
    assert agree(VECTORS) == 160


@pytest.mark.parametrize("at", range(1, 41))
def test_an_address_with_a_wrong_character_is_none(at: int) -> None:
    wrong = "0" if ADDRESS[at] != "0" else "1"
    with pytest.raises(ValueError, match="address"):
        Address.parse(ADDRESS[:at] + wrong + ADDRESS[at + 1 :])


@pytest.mark.parametrize(
    "text",
    ["", "S", "ST", ADDRESS.lower(), ADDRESS[:-1], ADDRESS + "0", "0" + ADDRESS,
     ADDRESS.replace("1", "I"), "SZ" + ADDRESS[2:], ADDRESS[:2] + "0" + ADDRESS[2:],
     ADDRESS + ".", ADDRESS + ".9x", ADDRESS + ".a b", ADDRESS + "." + "a" * 41],
)  # fmt: skip
def test_what_is_no_principal_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"address|contract"):
        Principal.parse(text)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x01" + bytes(15),
        b"\x01" + bytes(17),
        b"\x0f",
        b"\x0a",
        b"\x02\xff\xff\xff\xff",
        b"\x0b\xff\xff\xff\xff" + b"\x03" * 9,
        b"\x05\x00" + bytes(20),
        b"\x06\x1a" + bytes(20) + b"\x00",
        b"\x0d\x00\x00\x00\x01\xff",
        b"\x0e\x00\x00\x00\x01\xff",
        b"\x0c\x00\x00\x00\x02\x01b\x03\x01a\x03",
        b"\x0c\x00\x00\x00\x02\x01a\x03\x01a\x03",
        b"\x0c\x00\x00\x00\x01\x011\x03",
        b"\x0a" * MAX_DEPTH + b"\x03",
        b"\x0a" * 4000 + b"\x03",
        b"\x02\x00\x10\x00\x00" + bytes(1 << 20),
    ],
)
def test_what_is_no_value_is_refused(raw: bytes) -> None:
    with pytest.raises(Malformed, match="Clarity value"):
        decode(raw)


def test_every_cut_of_a_value_is_refused() -> None:
    raw = encode(Tuple.of(a=List((UInt(1), UInt(2))), b_c=Optional(Buffer(b"x"))))
    assert decode(raw) == Tuple.of(
        a=List((UInt(1), UInt(2))), b_c=Optional(Buffer(b"x"))
    )
    for end in range(len(raw)):
        with pytest.raises(Malformed):
            decode(raw[:end])


def test_numbers_beyond_128_bits_and_other_letters_are_no_values() -> None:
    for make, number in (
        (UInt, 1 << 128),
        (UInt, -1),
        (Int, 1 << 127),
        (Int, -(1 << 127) - 1),
    ):
        with pytest.raises(ValueError, match="Clarity"):
            make(number)
    with pytest.raises(ValueError, match="ASCII"):
        Ascii("é")
    with pytest.raises(ValueError, match="no name"):
        Tuple({"1a": UInt(1)})


def test_a_signature_names_its_key_and_a_high_s_names_none() -> None:
    digest = bytes(range(32))
    signature, odd = recovery.sign(KEY.secret, digest)
    assert recovery.recover(digest, signature, odd=odd) == KEY.public
    assert recovery.recover(digest, signature, odd=not odd) != KEY.public
    assert recovery.recover(bytes(32), signature, odd=odd) != KEY.public
    high = (ORDER - int.from_bytes(signature[32:])).to_bytes(32)
    assert recovery.recover(digest, signature[:32] + high, odd=not odd) is None
    for broken in (b"", bytes(64), signature[:-1], b"\xff" * 32 + signature[32:]):
        assert recovery.recover(digest, broken, odd=odd) is None


def test_a_wish_signed_twice_is_one_transaction_and_shows_no_secret() -> None:
    call = ContractCall(
        Principal.parse(f"{ADDRESS}.energy-oracle"), "anchor", (UInt(1),)
    )
    wish = Transaction(Network.of(1), 3, 400, call)
    assert wish.signed(KEY) == wish.signed(KEY)
    assert KEY.secret.hex() not in repr(KEY)


def test_a_long_memo_and_a_nonce_beyond_64_bits_are_refused() -> None:
    to = Principal.parse(ADDRESS)
    with pytest.raises(ValueError, match="memo"):
        Transfer(to, 1, b"m" * 35).consensus()
    with pytest.raises(ValueError, match="64-bit"):
        Transaction(Network.of(1), 1 << 64, 0, Transfer(to, 1))
