"""Range proofs: what is in range is proved, and nothing else ever is."""

import hashlib

import pytest

from meterseal_proto import generators
from meterseal_proto.commitment import commit
from meterseal_proto.curve import ORDER
from meterseal_proto.rangechecker import Claim, failing, holds
from meterseal_proto.rangeproof import BadProof, Statement, proof_bytes
from meterseal_proto.rangeprover import Opening, prove
from meterseal_proto.secret import Secret

CONTEXT = hashlib.sha256(b"a header").digest()


def opening(value: int, seed: int = 0) -> Opening:
    drawn = hashlib.sha512(b"%d %d" % (value, seed)).digest()
    return Opening(Secret(value), Secret.of_bytes(drawn))


def stated(
    values: list[int], bits: int = 16, context: bytes = CONTEXT
) -> tuple[Statement, list[Opening]]:
    openings = [opening(value, seed) for seed, value in enumerate(values)]
    made = tuple(commit(one.value, one.blinding) for one in openings)
    return Statement(context, bits, made), openings


def claimed(values: list[int], bits: int = 16) -> Claim:
    statement, openings = stated(values, bits)
    return Claim(statement, prove(statement, openings))


def test_the_generators_are_those_the_tag_gives() -> None:
    assert generators.set_hash() == generators.SET_HASH


@pytest.mark.parametrize(
    ("values", "bits"),
    [
        ([0], 16), ([65_535], 16), ([0, 65_535, 1], 16), ([2**32 - 1, 0], 32),
        ([7] * 1 + list(range(4)), 16), ([*range(48)], 16),
    ],
)  # fmt: skip
def test_what_is_in_range_is_proved(values: list[int], bits: int) -> None:
    claim = claimed(values, bits)
    assert holds([claim])
    assert len(claim.proof) == proof_bytes(bits, len(values))


def test_a_value_costs_few_bytes() -> None:
    assert proof_bytes(16, 48) / 48 <= 20
    assert proof_bytes(16, 96) / 96 <= 10


@pytest.mark.parametrize("bad", [65_536, 2**32, ORDER - 1])
def test_a_value_out_of_range_is_not_even_tried(bad: int) -> None:
    statement, openings = stated([5, bad])
    with pytest.raises(BadProof, match="does not fit"):
        prove(statement, openings)


def test_a_proof_is_of_its_statement_alone() -> None:
    statement, openings = stated([3, 4])
    proof = prove(statement, openings)
    swapped = statement.commitments[::-1]
    other = commit(Secret(3), Secret(99))
    for changed in (
        Statement(b"\x00" * 32, 16, statement.commitments),
        Statement(statement.context, 32, statement.commitments),
        Statement(statement.context, 16, swapped),
        Statement(statement.context, 16, statement.commitments[:1]),
        Statement(statement.context, 16, (other, statement.commitments[1])),
    ):
        assert not holds([Claim(changed, proof)])


def test_no_flipped_byte_and_no_other_length_is_taken() -> None:
    claim = claimed([12, 13, 14])
    for at in range(0, len(claim.proof), 7):
        bent = bytearray(claim.proof)
        bent[at] ^= 1 << at % 8
        assert not holds([Claim(claim.statement, bytes(bent))])
    for wrong in (b"", claim.proof[:-1], claim.proof + b"\x00", claim.proof * 2):
        assert not holds([Claim(claim.statement, wrong)])


def test_the_bad_ones_of_a_batch_are_named() -> None:
    claims = [claimed([n, n + 1]) for n in range(9)]
    assert failing(claims) == []
    bent = bytearray(claims[3].proof)
    bent[-1] ^= 1
    claims[3] = Claim(claims[3].statement, bytes(bent))
    claims[8] = Claim(claims[8].statement, claims[7].proof)
    claims[5] = Claim(claims[5].statement, b"")
    assert failing(claims) == [3, 5, 8]


def test_a_statement_that_cannot_be_proved_is_refused() -> None:
    made = [commit(Secret(n), Secret(n + 1)) for n in range(129)]
    for bits, commitments in ((8, made[:1]), (16, []), (16, made), (16, made[:1] * 2)):
        with pytest.raises(BadProof):
            Statement(CONTEXT, bits, tuple(commitments))
    statement, openings = stated([1, 2])
    with pytest.raises(BadProof, match="as many openings"):
        prove(statement, openings[:1])


def test_the_same_witness_is_never_proved_by_the_same_nonces_twice() -> None:
    statement, openings = stated([1, 2])
    assert prove(statement, openings) != prove(statement, openings)
    fixed = prove(statement, openings, fresh=bytes(32))
    assert fixed == prove(statement, openings, fresh=bytes(32))
    elsewhere, _ = stated([1, 2], context=b"\x01" * 32)
    assert prove(elsewhere, openings, fresh=bytes(32))[:33] != fixed[:33]
