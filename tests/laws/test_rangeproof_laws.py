"""Laws of range proofs: all that is in range is proved, nothing else, in any company."""

import hashlib
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from meterseal_proto.commitment import commit
from meterseal_proto.curve import ORDER
from meterseal_proto.rangechecker import Claim, failing, holds
from meterseal_proto.rangeproof import Statement, parse, proof_bytes
from meterseal_proto.rangeprover import Opening, prove
from meterseal_proto.secret import Secret

FEW = settings(max_examples=25, deadline=None)
"""A proof takes tens of milliseconds."""
BITS = st.sampled_from((16, 32))
BLINDINGS = st.integers(1, ORDER - 1)


@st.composite
def days(draw: st.DrawFn) -> tuple[Statement, list[Opening]]:
    """A statement of one to five values of one width, the ends of the range among them."""
    bits = draw(BITS)
    top = (1 << bits) - 1
    values = st.one_of(st.sampled_from((0, 1, top)), st.integers(0, top))
    pairs = draw(
        st.lists(st.tuples(values, BLINDINGS), min_size=1, max_size=5, unique=True)
    )
    openings = [Opening(Secret(value), Secret(blinding)) for value, blinding in pairs]
    made = tuple(commit(one.value, one.blinding) for one in openings)
    return Statement(draw(st.binary(max_size=40)), bits, made), openings


@FEW
@given(days())
def test_what_is_in_range_is_proved_in_so_many_bytes(
    day: tuple[Statement, list[Opening]],
) -> None:
    statement, openings = day
    proof = prove(statement, openings)
    assert holds([Claim(statement, proof)])
    assert len(proof) == proof_bytes(statement.bits, len(openings))
    assert parse(proof, statement).to_bytes() == proof


@FEW
@given(days(), st.data())
def test_one_value_out_of_range_spoils_the_proof_whichever_it_is(
    day: tuple[Statement, list[Opening]], data: st.DataObject
) -> None:
    statement, openings = day
    place = data.draw(st.integers(0, len(openings) - 1))
    times = data.draw(st.integers(1, (ORDER >> statement.bits) - 1))
    beyond = openings[place].value.plus(Secret(times << statement.bits))
    made = list(statement.commitments)
    made[place] = commit(beyond, openings[place].blinding)
    lie = replace(statement, commitments=tuple(made))
    assert not holds([Claim(lie, prove(lie, openings))])


POOL: list[Claim] = []


def pool() -> list[Claim]:
    """A few proofs of different sizes, made once."""
    for count, bits in ((1, 16), (2, 16), (3, 32), (1, 32), (5, 16)):
        if len(POOL) < 5:
            openings = [Opening(Secret(n), Secret(bits + n)) for n in range(count)]
            made = tuple(commit(one.value, one.blinding) for one in openings)
            statement = Statement(hashlib.sha256(made[0]).digest(), bits, made)
            POOL.append(Claim(statement, prove(statement, openings)))
    return POOL


@FEW
@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=8))
def test_in_any_company_exactly_the_wrong_ones_are_named(
    chosen: list[tuple[int, bool]],
) -> None:
    claims = []
    for which, wrong in chosen:
        claim = pool()[which]
        if wrong:
            claim = replace(claim, statement=replace(claim.statement, context=b"other"))
        claims.append(claim)
    assert failing(claims) == [at for at, (_, wrong) in enumerate(chosen) if wrong]
