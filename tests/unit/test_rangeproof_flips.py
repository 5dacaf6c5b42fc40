"""No flip of a proof's bytes is ever accepted: every byte of it, by several patterns."""

from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest

from meterseal_proto.commitment import commit
from meterseal_proto.curve import ORDER
from meterseal_proto.rangechecker import Claim, failing, holds
from meterseal_proto.rangeproof import Statement
from meterseal_proto.rangeprover import Opening, prove
from meterseal_proto.secret import Secret
from tests.support.seed import NIGHTS, SEED

Pattern = Callable[[int, int], int]
"""Gives another byte for a byte and its place."""

PATTERNS: dict[str, Pattern] = {
    "a bit that walks": lambda byte, at: byte ^ 1 << at % 8,
    "the lowest bit": lambda byte, _: byte ^ 1,
    "the highest bit": lambda byte, _: byte ^ 0x80,
    "every bit": lambda byte, _: byte ^ 0xFF,
    "one more": lambda byte, _: (byte + 1) % 256,
    "a byte of its own": lambda byte, at: byte ^ (at % 255 + 1),
}
SIZES = {1: 459, 3: 591}
"""Bytes of a proof of so many values of 16 bits; every one of them is bent."""
DAY, STEP = 48, 28 // NIGHTS
"""A day's proof is slow to check: every so many bytes, more of them at night."""


def claimed(count: int) -> Claim:
    chance = Random(f"{SEED} flips {count}")
    openings = [
        Opening(Secret(chance.randrange(65_536)), Secret(chance.randrange(1, ORDER)))
        for _ in range(count)
    ]
    made = tuple(commit(one.value, one.blinding) for one in openings)
    statement = Statement(chance.randbytes(32), 16, made)
    return Claim(statement, prove(statement, openings))


def bent(claim: Claim, at: int, pattern: Pattern) -> Claim:
    proof = bytearray(claim.proof)
    proof[at] = pattern(proof[at], at)
    assert proof != claim.proof
    return replace(claim, proof=bytes(proof))


@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize("count", SIZES)
def test_no_bent_byte_of_a_proof_is_accepted(count: int, name: str) -> None:
    claim, tried, accepted = claimed(count), 0, 0
    for at in range(len(claim.proof)):
        accepted += holds([bent(claim, at, PATTERNS[name])])
        tried += 1
    assert (tried, accepted) == (SIZES[count], 0)
    assert holds([claim])


def test_no_bent_byte_of_a_days_proof_is_accepted() -> None:
    claim = claimed(DAY)
    places = range(SEED % STEP, len(claim.proof), STEP)
    accepted = [
        holds([bent(claim, at, PATTERNS["a byte of its own"])]) for at in places
    ]
    assert len(accepted) >= len(claim.proof) // STEP
    assert not any(accepted)


def test_one_bent_bit_among_a_hundred_days_is_found() -> None:
    claim = claimed(DAY)
    chance = Random(SEED)
    for _ in range(NIGHTS):
        claims = [claim] * 100
        wrong = sorted(chance.sample(range(100), 2))
        for place in wrong:
            at = chance.randrange(len(claim.proof))
            claims[place] = bent(claim, at, PATTERNS["a bit that walks"])
        assert failing(claims) == wrong
