"""What a cheating household, operator or courier tries with range proofs, and gets.

Where it is cheap, the attack is first carried out against a weakened variant.
"""

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

import pytest
from coincurve import PublicKey

from meterseal_proto import rangeprover
from meterseal_proto.commitment import bases, commit
from meterseal_proto.curve import FIELD, ORDER
from meterseal_proto.generators import points
from meterseal_proto.group import group
from meterseal_proto.rangechecker import Claim, failing, holds, remainder
from meterseal_proto.rangeproof import BadProof, Statement
from meterseal_proto.rangeprover import Opening, prove
from meterseal_proto.secret import Secret
from meterseal_proto.transcript import Transcript

CONTEXT = hashlib.sha256(b"a header").digest()
SCALARS = 96


def opening(value: int, seed: int = 0) -> Opening:
    drawn = hashlib.sha512(b"%d %d" % (value, seed)).digest()
    return Opening(Secret(value), Secret.of_bytes(drawn))


def stated(
    values: list[int], bits: int = 16, context: bytes = CONTEXT
) -> tuple[Statement, list[Opening]]:
    openings = [opening(value, seed) for seed, value in enumerate(values)]
    made = tuple(commit(one.value, one.blinding) for one in openings)
    return Statement(context, bits, made), openings


def claimed(values: list[int], bits: int = 16, context: bytes = CONTEXT) -> Claim:
    statement, openings = stated(values, bits, context)
    return Claim(statement, prove(statement, openings))


def with_part(claim: Claim, at: int, part: bytes) -> Claim:
    proof = claim.proof[:at] + part + claim.proof[at + len(part) :]
    return replace(claim, proof=proof)


HOME = claimed([12])
PAIR = claimed([12, 13])
PLACES = range(0, len(HOME.proof) - SCALARS, 33)


def shifted(claim: Claim, by: int) -> Claim:
    """Add to d'."""
    scalar = (int.from_bytes(claim.proof[-32:]) + by) % ORDER
    return with_part(claim, len(claim.proof) - 32, scalar.to_bytes(32))


def test_errors_that_cancel_under_equal_weights_do_not_under_fresh_ones() -> None:
    bad = [shifted(HOME, 77), shifted(PAIR, -77)]
    assert holds(bad, weigh=lambda _: 1)
    assert not holds(bad)
    assert failing(bad) == [0, 1]


def test_weights_known_beforehand_let_errors_cancel_so_they_are_drawn_each_time() -> (
    None
):
    weights = [5, 9]
    bad = [shifted(HOME, 9), shifted(PAIR, -5)]
    drawn = iter(weights)
    assert holds(bad, weigh=lambda _: next(drawn))
    seen: list[int] = []

    def spied(bits: int) -> int:
        seen.append(bits)
        return weights[len(seen) % 2]

    assert not holds(bad, weigh=spied)
    assert seen == [128, 128]
    assert not any(holds(bad) for _ in range(20))


@pytest.mark.parametrize("value", [65_536, 65_536 + 12, 2**32, ORDER - 1, ORDER // 2])
@pytest.mark.parametrize("others", [[], [3]])
def test_a_value_out_of_range_or_negative_is_not_proved_by_its_low_bits(
    value: int, others: list[int]
) -> None:
    lie, openings = stated([*others, value])
    low = Secret(value % 65_536)
    openings[-1] = replace(openings[-1], value=low)
    assert not holds([Claim(lie, prove(lie, openings))])
    wide = 32 if value < 2**32 else None
    if wide:
        said, honest = stated([*others, value], bits=wide)
        assert holds([Claim(said, prove(said, honest))])


def test_usage_below_zero_would_cancel_anothers_and_is_refused() -> None:
    """C(7) + C(-5) opens as 2: sums alone do not keep a home honest, ranges do."""
    lie, openings = stated([7, ORDER - 5])
    of = group()
    total = of.add([of.decode(one) for one in lie.commitments])
    assert total is not None
    blinding = openings[0].blinding.plus(openings[1].blinding)
    assert of.encode(total) == commit(Secret(2), blinding)
    for low in (65_531, 0, 5):
        tried = [openings[0], replace(openings[1], value=Secret(low))]
        assert not holds([Claim(lie, prove(lie, tried))])


@pytest.mark.parametrize(
    "change",
    [
        {"context": b""}, {"context": CONTEXT[:-1]}, {"context": CONTEXT + b"\x00"},
        {"context": bytes(32)}, {"bits": 32},
        {"commitments": PAIR.statement.commitments[::-1]},
        {"commitments": PAIR.statement.commitments[:1]},
        {"commitments": (*PAIR.statement.commitments, HOME.statement.commitments[0][:32] + b"\x00")},
        {"commitments": stated([13, 12])[0].commitments},
    ],
)  # fmt: skip
def test_a_proof_serves_no_other_context_width_count_or_order(
    change: dict[str, bytes],
) -> None:
    assert holds([PAIR])
    # The changes are fields of a Statement, each of its own type.
    other = replace(PAIR.statement, **change)  # type: ignore[arg-type]
    assert not holds([replace(PAIR, statement=other)])


def test_two_values_of_16_bits_are_as_long_as_one_of_32_and_not_the_same() -> None:
    one = Statement(CONTEXT, 32, PAIR.statement.commitments[:1])
    wide = claimed([12], bits=32)
    assert len(wide.proof) == len(PAIR.proof)
    assert not holds([Claim(one, PAIR.proof)])
    assert not holds([Claim(PAIR.statement, wide.proof)])
    assert failing([PAIR, Claim(one, PAIR.proof), wide]) == [1]


def uncompressed(raw: bytes) -> bytes:
    return PublicKey(raw).format(compressed=False)


def bad_points(raw: bytes) -> Iterator[bytes]:
    """33 bytes each that are no point, or not as a point is written."""
    off = next(
        n.to_bytes(32)
        for n in range(1, 99)
        if pow(n**3 + 7, (FIELD - 1) // 2, FIELD) != 1
    )
    yield from (bytes(33), b"\x02" + bytes(32), b"\x03" + b"\xff" * 32)
    yield from (b"\x02" + off, b"\x02" + FIELD.to_bytes(32))
    yield from (bytes([prefix]) + raw[1:] for prefix in (0, 1, 4, 5, 6, 7, 0x82))


@pytest.mark.parametrize("at", PLACES)
def test_nothing_but_a_point_stands_for_a_point(at: int) -> None:
    """Infinity has no bytes; off the curve, x >= p and other prefixes are refused."""
    for bad in bad_points(HOME.proof[at : at + 33]):
        with pytest.raises(ValueError, match="not a compressed point"):
            remainder([with_part(HOME, at, bad)], lambda _: 1)
        assert not holds([PAIR, with_part(HOME, at, bad)])


@pytest.mark.parametrize("place", [0, 1])
def test_nothing_but_a_point_stands_for_a_commitment(place: int) -> None:
    made = list(PAIR.statement.commitments)
    raw = made[place]
    long = uncompressed(raw)
    for bad in (*bad_points(raw), b"", raw[:32], raw + b"\x00", long):
        made[place] = bad
        other = replace(PAIR.statement, commitments=tuple(made))
        assert not holds([replace(PAIR, statement=other)])


@pytest.mark.parametrize("at", PLACES)
def test_a_library_takes_65_bytes_and_hybrids_and_we_do_not(at: int) -> None:
    raw = HOME.proof[at : at + 33]
    whole = uncompressed(raw)
    for other in (whole, bytes([6 + whole[64] % 2]) + whole[1:]):
        assert PublicKey(other).format() == raw
        longer = HOME.proof[:at] + other + HOME.proof[at + 33 :]
        with pytest.raises(BadProof, match="bytes, not"):
            remainder([replace(HOME, proof=longer)], lambda _: 1)


@pytest.mark.parametrize("at", PLACES)
def test_a_point_of_the_other_sign_or_of_another_place_is_refused(at: int) -> None:
    raw = HOME.proof[at : at + 33]
    assert not holds([with_part(HOME, at, bytes([raw[0] ^ 1]) + raw[1:])])
    for other in PLACES:
        part = HOME.proof[other : other + 33]
        if part != raw:
            assert not holds([with_part(HOME, at, part)])
    for letter in (b"G", b"H"):
        assert not holds([with_part(HOME, at, group().encode(points(letter, 1)[0]))])


def test_a_commitment_of_the_other_sign_is_a_negative_usage_and_refused() -> None:
    made = PAIR.statement.commitments
    turned = (bytes([made[0][0] ^ 1]) + made[0][1:], made[1])
    other = replace(PAIR.statement, commitments=turned)
    assert not holds([replace(PAIR, statement=other)])


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_scalar_is_written_in_one_way(place: int) -> None:
    at = len(HOME.proof) - SCALARS + 32 * place
    for scalar in (ORDER, ORDER + 1, ORDER + 5, 2**256 - 1):
        with pytest.raises(BadProof, match="not below the group's order"):
            remainder([with_part(HOME, at, scalar.to_bytes(32))], lambda _: 1)
    for scalar in (0, 1, ORDER - 1):
        assert not holds([with_part(HOME, at, scalar.to_bytes(32))])


def test_a_proof_cut_short_drawn_out_or_of_another_count_is_refused() -> None:
    for wrong in (
        b"", HOME.proof[:-1], HOME.proof[1:], HOME.proof + b"\x00",
        b"\x00" + HOME.proof, HOME.proof * 2, HOME.proof[:-96], PAIR.proof,
        bytes(len(HOME.proof)), b"\xff" * len(HOME.proof),
    ):  # fmt: skip
        assert not holds([replace(HOME, proof=wrong)])
        assert failing([HOME, replace(HOME, proof=wrong), PAIR]) == [1]


@pytest.mark.parametrize("count", [1, 3, 48])
def test_a_day_without_usage_is_proved_like_any_other(count: int) -> None:
    claim = claimed([0] * count)
    assert holds([claim])
    assert len(claim.proof) == len(claimed([65_535] * count).proof)
    assert len(set(claim.statement.commitments)) == count


def test_a_commitment_given_twice_is_no_statement() -> None:
    """One usage would count twice, and who sees both knows they are equal."""
    made = PAIR.statement.commitments
    with pytest.raises(BadProof, match="given twice"):
        Statement(CONTEXT, 16, (*made, made[0]))


def test_a_point_given_twice_is_refused() -> None:
    for one in PLACES:
        for other in PLACES:
            if one != other:
                part = HOME.proof[one : one + 33]
                assert not holds([with_part(HOME, other, part)])


class Said(Statement):
    """What a cheat proves by, while its transcript is another statement's."""

    heard: ClassVar[Statement]

    def transcript(self) -> Transcript:
        return self.heard.transcript()


@pytest.mark.parametrize("hidden", [0, 1, 9, 65_535])
def test_nothing_hides_in_the_padding(hidden: int) -> None:
    """Three values are padded to four: a fourth of the prover's own does not fit in."""
    values, openings = stated([1, 2, 3, hidden])
    honest = replace(values, commitments=values.commitments[:3])

    class Padded(Said):
        heard = honest

    four = Padded(CONTEXT, 16, values.commitments)
    assert holds([Claim(four, prove(four, openings))])
    assert not holds([Claim(honest, prove(four, openings))])
    unblinded = [*openings[:3], Opening(Secret(hidden), Secret(0))]
    assert holds([Claim(honest, prove(four, unblinded))]) is (hidden == 0)


def test_an_excess_does_not_hide_in_the_padding_either() -> None:
    lie, openings = stated([1, 2, 65_536 + 3])
    fourth = opening(1, 4)

    class Padded(Said):
        heard = lie

    four = Padded(CONTEXT, 16, (*lie.commitments, commit(*_pair(fourth))))
    for low in (3, 65_535):
        tried = [*openings[:2], replace(openings[2], value=Secret(low)), fourth]
        assert not holds([Claim(lie, prove(four, tried))])


def _pair(one: Opening) -> tuple[Secret, Secret]:
    return one.value, one.blinding


def test_a_proof_of_another_base_or_blinding_is_refused() -> None:
    statement, openings = stated([12])
    other = [Opening(openings[0].value, openings[0].blinding.plus(Secret(1)))]
    assert not holds([Claim(statement, prove(statement, other))])
    of = group()
    base = of.encode(bases().value)
    assert not holds([Claim(Statement(CONTEXT, 16, (base,)), HOME.proof)])


def test_randomness_that_repeats_would_show_what_changed_and_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A restored snapshot draws the same bytes again, for another usage of the day."""

    def difference() -> bytes:
        of, firsts = group(), []
        for value in (12, 13):
            statement, openings = stated([value])
            firsts.append(of.decode(prove(statement, openings, bytes(32))[:33]))
        found = of.add([firsts[1], of.negate(firsts[0])])
        assert found is not None
        return of.encode(found)

    of = group()
    lowest = of.add([points(b"G", 1)[0], points(b"H", 1)[0]])
    assert lowest is not None
    assert difference() != of.encode(lowest)

    def of_fresh_alone(*given: object) -> Iterator[Secret]:
        for counter in range(99):
            key = bytes(given[2])  # type: ignore[call-overload]
            drawn = hmac.digest(key, counter.to_bytes(8), hashlib.sha512)
            yield Secret.of_bytes(drawn)

    monkeypatch.setattr(rangeprover, "_nonces", of_fresh_alone)
    assert difference() == of.encode(lowest)
