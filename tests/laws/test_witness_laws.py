"""Whatever is asked in whatever order, a witness stands for one history that only grows."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from meterseal_proto.checkpoint import parse_body, parse_note
from meterseal_proto.merkle import consistency_proof, root_of
from meterseal_trustee.model import Witnessed
from meterseal_trustee.witness import compare
from tests.support.witnessing import SmallLog

LOG = SmallLog()
HISTORIES = (LOG, LOG.forked(3), LOG.forked(11), LOG.forked(0))
SIZES = st.integers(0, len(LOG.leaves))
HASHES = st.sampled_from([*LOG.leaves, bytes(32), root_of(LOG.leaves[:4])])


@given(st.data())
def test_cosigned_roots_are_of_one_history_in_the_order_of_its_growth(
    data: st.DataObject,
) -> None:
    last, cosigned = None, []
    for _ in range(data.draw(st.integers(1, 12))):
        history = data.draw(st.sampled_from(HISTORIES))
        old, size = data.draw(SIZES), data.draw(SIZES)
        if data.draw(st.booleans()):
            old = last.size if last else 0
        request = history.request(min(old, size), size)
        if data.draw(st.booleans()):
            request = replace(request, proof=tuple(data.draw(st.lists(HASHES))))
        head = parse_body(parse_note(request.note).body)
        if compare(last, head, request) is None:
            last = Witnessed(head.origin, head.size, head.root, request.note, 1)
            cosigned.append(head)
    sizes = [head.size for head in cosigned]
    assert sizes == sorted(sizes)
    assert any(
        all(head.root == root_of(history.leaves[: head.size]) for head in cosigned)
        for history in HISTORIES
    )


@given(SIZES, SIZES)
def test_honest_growth_is_always_cosigned(one: int, other: int) -> None:
    old, size = sorted((one, other))
    last = parse_body(parse_note(LOG.note(old)).body)
    known = Witnessed(last.origin, last.size, last.root, LOG.note(old), 1)
    head = parse_body(parse_note(LOG.note(size)).body)
    proof = consistency_proof(LOG.leaves[:size], old) if 0 < old < size else ()
    assert LOG.request(old, size).proof == proof
    assert compare(known, head, LOG.request(old, size)) is None
