"""No flip of a proof is ever accepted: every bit of small ones, every byte of a day's.

The figures are those of the design's table of promises, and are reached at night
(`make nightly`): every bit of 20 proofs of one value, every byte of 20 days' proofs. CI
turns every bit of one proof and a seeded sample of the rest, and says which share that
is. Each flip is judged alone, so none hides behind another.
"""

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
from tests.support.seed import NIGHTS, SEED, WHOLE, Swept, sample

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
SINGLES, SINGLE_BYTES = 20, 459
"""Proofs of one value whose every bit is turned, and their size."""
SEVERAL, SEVERAL_BYTES = 3, 591
"""Values of the proof whose every byte is bent in every pattern, and its size."""
DAY, DAY_BYTES = 48, 855
"""Half-hours of a day, and the bytes of its proof."""
DAYS = 20
"""Days' proofs of which every byte is bent: one takes a quarter of a minute."""
DAYS_HERE = DAYS if WHOLE else 1
BITS_ONE_IN, BYTES_ONE_IN, DAY_ONE_IN = 10, 3, 5
"""CI's share: together a tenth of the processor time of the whole."""


def claimed(count: int, number: int = 0) -> Claim:
    chance = Random(f"{SEED} flips {count} {number}")
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


def turned(claim: Claim, at: int, bit: int) -> Claim:
    return bent(claim, at, lambda byte, _: byte ^ 1 << bit)


@pytest.mark.parametrize("number", range(SINGLES))
def test_no_turned_bit_of_a_proof_is_accepted(number: int, swept: Swept) -> None:
    claim = claimed(1, number)
    assert len(claim.proof) == SINGLE_BYTES
    bits = range(8 * SINGLE_BYTES)
    one_in = BITS_ONE_IN if number else 1
    chosen = sample(bits, one_in, f"bits {number}")
    assert not any(holds([turned(claim, *divmod(bit, 8))]) for bit in chosen)
    assert holds([claim])
    swept("bits turned of range proofs", len(chosen), len(bits))


@pytest.mark.parametrize("name", PATTERNS)
def test_no_bent_byte_of_a_proof_is_accepted(name: str, swept: Swept) -> None:
    claim = claimed(SEVERAL)
    assert len(claim.proof) == SEVERAL_BYTES
    chosen = sample(range(SEVERAL_BYTES), BYTES_ONE_IN, name)
    assert not any(holds([bent(claim, at, PATTERNS[name])]) for at in chosen)
    assert holds([claim])
    swept("bytes bent of a proof of several", len(chosen), SEVERAL_BYTES)


@pytest.mark.parametrize("number", range(DAYS_HERE))
def test_no_bent_byte_of_a_days_proof_is_accepted(number: int, swept: Swept) -> None:
    claim, pattern = claimed(DAY, number), PATTERNS["a byte of its own"]
    assert len(claim.proof) == DAY_BYTES
    chosen = sample(range(DAY_BYTES), DAY_ONE_IN, f"day {number}")
    assert not any(holds([bent(claim, at, pattern)]) for at in chosen)
    assert holds([claim])
    swept("bytes bent of days' proofs", len(chosen), DAY_BYTES * DAYS // DAYS_HERE)


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
