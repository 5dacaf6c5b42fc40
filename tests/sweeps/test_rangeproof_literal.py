"""The fast checker and a literal one, written from the paper, agree on every proof.

They are compared by the very point their last equation leaves, not only by yes and no,
so a wrong proof counts as much as a right one. CI compares a fifth of the 200 proofs,
the night all of them five times over (`make nightly`).
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache

import pytest

from meterseal_proto.commitment import commit
from meterseal_proto.curve import ORDER
from meterseal_proto.group import group
from meterseal_proto.rangechecker import Claim, holds, remainder
from meterseal_proto.rangeproof import BadProof, Statement
from meterseal_proto.rangeprover import Opening, prove
from meterseal_proto.secret import Secret
from tests.support import literal_rangeproof as literal
from tests.support.seed import NIGHTS, SEED, WHOLE, Swept

BITS = 16
MUTATIONS = 3
STATEMENTS = ((1, 26), (2, 12), (3, 6), (4, 6))
"""How many statements of how many values: 50 with three mutations each, 200 proofs."""
ONE_IN = 1 if WHOLE else 5
SCALARS = 96


@cache
def proved(count: int, seed: int) -> Claim:
    """A proof of random values, the ends of the range among them."""
    chance = random.Random(f"{SEED} {count} {seed}")
    values = [
        chance.choice((0, 65_535, chance.randrange(65_536))) for _ in range(count)
    ]
    openings = [Opening(Secret(v), Secret(chance.randrange(1, ORDER))) for v in values]
    made = tuple(commit(one.value, one.blinding) for one in openings)
    statement = Statement(chance.randbytes(32), BITS, made)
    return Claim(statement, prove(statement, openings, chance.randbytes(32)))


def agreed(claim: Claim) -> bool:
    """Compare what is left by both, and return whether both accept."""
    said = claim.statement
    try:
        left = literal.remainder(said.context, said.bits, said.commitments, claim.proof)
    except literal.Malformed:
        with pytest.raises(ValueError, match=r".*"):
            remainder([claim], lambda _: 1)
        assert not holds([claim])
        return False
    fast = remainder([claim], lambda _: 1)
    shown = "infinity" if fast is None else group().encode(fast).hex()
    assert shown == literal.encoded(left)
    assert holds([claim]) == literal.is_infinity(left)
    return literal.is_infinity(left)


def tail_changed(claim: Claim, chance: random.Random) -> Claim:
    """Another r', s' or d': what comes after the last challenge."""
    at = len(claim.proof) - SCALARS + 32 * chance.randrange(3)
    scalar = chance.choice((0, 1, ORDER - 1, chance.randrange(ORDER)))
    return with_bytes(claim, at, scalar.to_bytes(32))


def last_points_changed(claim: Claim, chance: random.Random) -> Claim:
    """A' or B turned to its opposite, or another point."""
    return point_changed(claim, chance, chance.randrange(1, 3))


def rounds_changed(claim: Claim, chance: random.Random) -> Claim:
    """A or one of the L and R."""
    count = (len(claim.proof) - SCALARS) // 33
    return point_changed(claim, chance, chance.choice((0, *range(3, count))))


def point_changed(claim: Claim, chance: random.Random, place: int) -> Claim:
    at = 33 * place
    old = claim.proof[at : at + 33]
    opposite = bytes([old[0] ^ 1]) + old[1:]
    other = claim.proof[33 * (place + 1 - 2 * (place > 0)) :][:33]
    return with_bytes(claim, at, chance.choice((opposite, other)))


def bit_flipped(claim: Claim, chance: random.Random) -> Claim:
    """Any bit of the proof: half of such points are not on the curve."""
    at = chance.randrange(len(claim.proof))
    bent = claim.proof[at] ^ 1 << chance.randrange(8)
    return with_bytes(claim, at, bytes([bent]))


def statement_changed(claim: Claim, chance: random.Random) -> Claim:
    """Another context, another commitment, or the order reversed."""
    said = claim.statement
    first = commit(Secret(chance.randrange(2**20)), Secret(chance.randrange(ORDER)))
    turned = said.commitments[::-1]
    changes = (
        replace(said, context=chance.randbytes(32)),
        replace(said, commitments=(first, *said.commitments[1:])),
        replace(said, commitments=turned if len(turned) > 1 else (first,)),
    )
    return Claim(chance.choice(changes), claim.proof)


def with_bytes(claim: Claim, at: int, new: bytes) -> Claim:
    proof = claim.proof[:at] + new + claim.proof[at + len(new) :]
    return Claim(claim.statement, proof)


Mutation = Callable[[Claim, random.Random], Claim]
CHEAP: tuple[Mutation, ...] = (tail_changed, last_points_changed)
"""Those whose foldings are the valid proof's, so the literal checker keeps them."""
DEAR: tuple[Mutation, ...] = (rounds_changed, bit_flipped, statement_changed)


def mutations(claim: Claim, chance: random.Random) -> Iterator[Claim]:
    for mutate in (*CHEAP, chance.choice(DEAR)):
        changed = claim
        while changed == claim:
            changed = mutate(claim, chance)
        yield changed


@pytest.mark.parametrize(("count", "statements"), STATEMENTS)
def test_both_say_the_same_of_random_and_mutated_proofs(
    count: int, statements: int, swept: Swept
) -> None:
    chance = random.Random(f"{SEED} mutations {count}")
    seeds = range(statements * NIGHTS // ONE_IN)
    for seed in seeds:
        claim = proved(count, seed)
        assert agreed(claim)
        changed = list(mutations(claim, chance))
        assert len(changed) == MUTATIONS
        assert not any(map(agreed, changed))
    proofs = 1 + MUTATIONS
    done, whole = proofs * len(seeds), proofs * statements * NIGHTS
    swept("range proofs judged as the literal checker does", done, whole)


def test_both_say_the_same_of_a_days_proof(swept: Swept) -> None:
    """48 half-hours, valid and with another answer; at night an L or R of another sign.

    The last has foldings of its own, which take the literal checker four seconds.
    """
    chance = random.Random(SEED)
    claim = proved(48, 0)
    assert agreed(claim)
    assert not agreed(tail_changed(claim, chance))
    if WHOLE:
        assert not agreed(rounds_changed(claim, chance))
    swept("days' proofs judged as the literal checker does", 3 if WHOLE else 2, 3)


def test_no_such_proof_has_another_length() -> None:
    claim = proved(1, 0)
    for wrong in (claim.proof[:-1], claim.proof + b"\x00", b""):
        with pytest.raises(literal.Malformed):
            literal.remainder(bytes(32), BITS, claim.statement.commitments, wrong)
        with pytest.raises(BadProof, match="bytes, not"):
            remainder([Claim(claim.statement, wrong)], lambda _: 1)
