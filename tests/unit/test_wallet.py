"""A member links a wallet by what only that wallet's key can sign, and in time."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterseal_proto import curve, sip018
from meterseal_proto.c32 import TESTNET_MULTI, Address, Principal, single
from meterseal_proto.curve import ORDER
from meterseal_proto.wallet import LIFETIME_S, Challenge, Refusal

CASES = json.loads(
    (Path(__file__).parents[2] / "proto/vectors/wallet.json").read_text()
)["cases"]
TEST, MAIN = 0x80000000, 1


def challenge(case: Mapping[str, Any]) -> Challenge:  # Any: JSON
    """Read a case of the script."""
    return Challenge(
        bytes.fromhex(str(case["network"])),
        int(case["member"]),
        Principal.parse(str(case["principal"])),
        bytes.fromhex(str(case["nonce"])),
        int(case["expires"]),
    )


ASKED, KEY = challenge(CASES[0]), bytes.fromhex(CASES[0]["secret"])
SIGNED = bytes.fromhex(CASES[0]["signature"])
THEN = ASKED.expires - 60


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["member"])
def test_a_challenge_has_the_scripts_bytes_and_signature(
    case: Mapping[str, Any],  # Any: JSON
) -> None:
    asked, chain = challenge(case), int(case["chain_id"])
    assert asked.message().hex() == case["message"]
    assert asked.domain(chain).hex() == case["domain"]
    assert asked.digest(chain).hex() == case["digest"]
    assert asked.sign(bytes.fromhex(case["secret"]), chain).hex() == case["signature"]
    signature = bytes.fromhex(case["signature"])
    assert asked.refusal(signature, chain, asked.expires) is None


def test_the_domain_given_to_a_wallet_is_the_one_that_is_hashed() -> None:
    given = sip018.digest(sip018.domain_hash("meterseal", "1.0.0", TEST), b"x")
    domain = hashlib.sha256(ASKED.domain(TEST)).digest()
    assert sip018.digest(domain, b"x") == given


@pytest.mark.parametrize(
    "other",
    [
        replace(ASKED, network=bytes(32)), replace(ASKED, member=2),
        replace(ASKED, nonce=bytes(32)), replace(ASKED, expires=ASKED.expires - 1),
        replace(ASKED, principal=challenge(CASES[1]).principal),
    ],
    ids=["network", "member", "nonce", "expires", "principal"],
)  # fmt: skip
def test_a_signature_under_another_challenge_links_nothing(other: Challenge) -> None:
    assert ASKED.refusal(SIGNED, TEST, THEN) is None
    assert other.refusal(SIGNED, TEST, THEN) is Refusal.SIGNATURE


@given(st.binary(min_size=32, max_size=32))
def test_whoever_elses_key_signs_links_nothing(secret: bytes) -> None:
    if 0 < int.from_bytes(secret) < ORDER and secret != KEY:
        made = ASKED.sign(secret, TEST)
        assert ASKED.refusal(made, TEST, THEN) is Refusal.SIGNATURE
        public = curve.backend().public_of(secret)
        own = replace(ASKED, principal=Principal(single(public, mainnet=False)))
        assert own.refusal(own.sign(secret, TEST), TEST, THEN) is None


def high() -> bytes:
    """The same consent with the other s."""
    s = ORDER - int.from_bytes(SIGNED[32:64])
    return SIGNED[:32] + s.to_bytes(32) + bytes((1 - SIGNED[64],))


@pytest.mark.parametrize(
    "signature",
    [
        b"", SIGNED[:64], SIGNED + b"\0", SIGNED[64:] + SIGNED[:64],
        SIGNED[:64] + bytes((1 - SIGNED[64],)), SIGNED[:64] + b"\x1b", high(),
        bytes(65), b"\xff" * 65,
    ],
    ids=["none", "64", "66", "vrs", "parity", "27", "high-s", "zeros", "ones"],
)  # fmt: skip
def test_what_is_no_signature_links_nothing(signature: bytes) -> None:
    assert ASKED.refusal(signature, TEST, THEN) is Refusal.SIGNATURE


@pytest.mark.parametrize("bit", range(0, 520, 13))
def test_a_flipped_bit_links_nothing(bit: int) -> None:
    flipped = bytearray(SIGNED)
    flipped[bit // 8] ^= 1 << bit % 8
    assert ASKED.refusal(bytes(flipped), TEST, THEN) is Refusal.SIGNATURE


def test_a_challenge_links_until_it_expires_and_never_waits_long() -> None:
    last = ASKED.expires
    assert ASKED.refusal(SIGNED, TEST, last) is None
    assert ASKED.refusal(SIGNED, TEST, last + 1) is Refusal.EXPIRED
    assert ASKED.refusal(SIGNED, TEST, last - LIFETIME_S) is None
    assert ASKED.refusal(SIGNED, TEST, last - LIFETIME_S - 1) is Refusal.TOO_LONG


def test_a_wallet_of_another_chain_is_no_wallet_here() -> None:
    assert ASKED.refusal(SIGNED, MAIN, THEN) is Refusal.CHAIN
    assert ASKED.refusal(ASKED.sign(KEY, 0x80000005), TEST, THEN) is Refusal.SIGNATURE


MULTI = Principal(Address(TESTNET_MULTI, ASKED.principal.address.hash))


@pytest.mark.parametrize(
    "make",
    [
        lambda: replace(ASKED, network=bytes(31)),
        lambda: replace(ASKED, nonce=bytes(16)),
        lambda: replace(ASKED, member=0), lambda: replace(ASKED, member=1 << 63),
        lambda: replace(ASKED, expires=0), lambda: replace(ASKED, expires=1 << 48),
        lambda: replace(ASKED, principal=MULTI),
        lambda: replace(ASKED, principal=replace(ASKED.principal, name="purse")),
    ],
)  # fmt: skip
def test_what_nobody_could_sign_is_no_challenge(make: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        make()
