"""A seal key says whose its meter is, in the bytes that the contract makes for itself."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterseal_proto.binding import MAX_SEQ, Binding, KeyChange
from meterseal_proto.c32 import Principal
from meterseal_proto.curve import ORDER
from meterseal_proto.keys import Algorithm, PublicKey, RootSecret, SealKey
from meterseal_proto.seal import Header, parse_header
from meterseal_proto.units import MeterId, RegisterId

MADE = json.loads(
    (Path(__file__).parents[2] / "proto/vectors/binding.json").read_text()
)
NETWORK = bytes.fromhex(MADE["network"])
Case = Mapping[str, Any]  # Any: JSON


def key(secret: str) -> SealKey:
    return SealKey(Algorithm.SECP256K1, bytes.fromhex(secret))


def binding(case: Case) -> Binding:
    """Read a case of the script."""
    owner = Principal.parse(case["owner"])
    meter = bytes.fromhex(case["meter"])
    return Binding(NETWORK, meter, owner, int(case["valid_from"]))


def change(case: Case) -> KeyChange:
    """Read a case of the script."""
    public = PublicKey.parse("secp256k1", bytes.fromhex(case["key"]))
    meter = bytes.fromhex(case["meter"])
    return KeyChange(NETWORK, meter, public, int(case["valid_from"]))


FIRST = MADE["bindings"][0]
BOUND, KEY, CHAIN = binding(FIRST), key(FIRST["secret"]), int(FIRST["chain_id"])
SIGNED = bytes.fromhex(FIRST["signature"])


@pytest.mark.parametrize("case", MADE["bindings"], ids=lambda case: case["owner"])
def test_a_binding_has_the_scripts_bytes_and_signature(case: Case) -> None:
    told, chain, by = binding(case), int(case["chain_id"]), key(case["secret"])
    assert by.public.raw.hex() == case["key"]
    assert told.message().hex() == case["message"]
    assert told.digest(chain).hex() == case["digest"]
    assert told.sign(by, chain).hex() == case["signature"]
    assert told.holds(by.public, bytes.fromhex(case["signature"]), chain)


@pytest.mark.parametrize("case", MADE["changes"], ids=lambda case: case["meter"])
def test_a_change_of_key_has_the_scripts_bytes_and_both_signatures(case: Case) -> None:
    told, chain = change(case), int(case["chain_id"])
    assert told.message().hex() == case["message"]
    assert told.digest(chain).hex() == case["digest"]
    old, new = map(key, case["secrets"])
    assert [told.sign(by, chain).hex() for by in (old, new)] == case["signatures"]
    assert told.holds(new.public, told.sign(new, chain), chain)
    assert not told.holds(old.public, told.sign(new, chain), chain)


@pytest.mark.parametrize(
    "other",
    [
        replace(BOUND, network=bytes(32)), replace(BOUND, meter=bytes(16)),
        replace(BOUND, owner=binding(MADE["bindings"][1]).owner),
        replace(BOUND, owner=replace(BOUND.owner, name="purse")),
        replace(BOUND, valid_from=2),
    ],
    ids=["network", "meter", "owner", "contract", "valid-from"],
)  # fmt: skip
def test_a_binding_binds_nothing_else(other: Binding) -> None:
    assert BOUND.holds(KEY.public, SIGNED, CHAIN)
    assert not other.holds(KEY.public, SIGNED, CHAIN)
    assert not BOUND.holds(KEY.public, SIGNED, CHAIN + 1)


@given(st.binary(min_size=32, max_size=32), st.integers(1, MAX_SEQ - 1))
def test_only_the_meters_own_key_binds_it(secret: bytes, start: int) -> None:
    wish = replace(BOUND, valid_from=start)
    for algorithm in Algorithm:
        by = RootSecret(secret).seal_key(algorithm)
        made = wish.sign(by, CHAIN)
        assert len(made) == 65
        assert wish.holds(by.public, made, CHAIN)
        assert not wish.holds(KEY.public, made, CHAIN)
        assert made[:64] == by.sign(wish.digest(CHAIN))


def test_a_p256_key_binds_with_a_last_byte_of_zero_and_no_other() -> None:
    by = RootSecret(bytes(32)).seal_key(Algorithm.P256)
    made = BOUND.sign(by, CHAIN)
    assert made[64] == 0
    assert not BOUND.holds(by.public, made[:64] + b"\x01", CHAIN)


def high() -> bytes:
    """The same consent with the other s."""
    s = ORDER - int.from_bytes(SIGNED[32:64])
    return SIGNED[:32] + s.to_bytes(32) + bytes((1 - SIGNED[64],))


@pytest.mark.parametrize(
    "signature",
    [
        b"", SIGNED[:64], SIGNED + b"\0", SIGNED[:64] + bytes((1 - SIGNED[64],)),
        SIGNED[:64] + b"\x1b", high(), bytes(65), b"\xff" * 65,
    ],
    ids=["none", "64", "66", "parity", "27", "high-s", "zeros", "ones"],
)  # fmt: skip
def test_what_is_no_signature_binds_nothing(signature: bytes) -> None:
    assert not BOUND.holds(KEY.public, signature, CHAIN)


def test_neither_message_is_a_seals_header_nor_the_other() -> None:
    head = Header(
        NETWORK, MeterId(BOUND.meter), RegisterId(1), 900, 900, 1, 1, bytes(32), bytes(32)
    )  # fmt: skip
    other = KeyChange(NETWORK, BOUND.meter, KEY.public, 1)
    digests = {head.digest(CHAIN), BOUND.digest(CHAIN), other.digest(CHAIN)}
    assert len(digests) == 3
    for message in (BOUND.message(), other.message()):
        with pytest.raises(Exception, match="header"):
            parse_header(message)


@pytest.mark.parametrize(
    "make",
    [
        lambda: replace(BOUND, network=bytes(31)),
        lambda: replace(BOUND, meter=bytes(17)),
        lambda: replace(BOUND, valid_from=0),
        lambda: replace(BOUND, valid_from=MAX_SEQ),
        lambda: KeyChange(NETWORK, bytes(15), KEY.public, 1),
        lambda: KeyChange(NETWORK, bytes(16), KEY.public, -1),
    ],
)
def test_what_the_contract_would_refuse_is_not_signed(
    make: Callable[[], object],
) -> None:
    with pytest.raises(ValueError, match=r"a network is|first seal"):
        make()
