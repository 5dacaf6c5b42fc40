"""Laws of the tree: what is in it is provable, what is not is not, and it only grows."""

from hypothesis import given
from hypothesis import strategies as st

from meterseal_proto import merkle

SIZES = st.integers(min_value=1, max_value=300)


def tree_of(size: int, *, seed: int = 0) -> list[bytes]:
    return [merkle.leaf_hash(b"%d/%d" % (seed, i)) for i in range(size)]


def recursive_root(leaves: list[bytes]) -> bytes:
    """RFC 9162 2.1.1 as it is written, for comparison with the iterative one."""
    if len(leaves) <= 1:
        return leaves[0] if leaves else merkle.EMPTY_ROOT
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return merkle.node_hash(
        recursive_root(leaves[:split]), recursive_root(leaves[split:])
    )


@given(st.integers(min_value=0, max_value=300))
def test_the_iterative_root_is_the_recursive_root(size: int) -> None:
    assert merkle.root_of(tree_of(size)) == recursive_root(tree_of(size))


@given(SIZES, st.data())
def test_every_leaf_is_provable_at_its_index_and_at_no_other(
    size: int, data: st.DataObject
) -> None:
    index = data.draw(st.integers(min_value=0, max_value=size - 1))
    other = data.draw(st.integers(min_value=0, max_value=size - 1))
    tree = tree_of(size)
    proof, root = merkle.inclusion_proof(tree, index), merkle.root_of(tree)
    verdict = merkle.verify_inclusion(tree[index], other, size, proof, root)
    assert verdict == (other == index)


@given(SIZES, st.data())
def test_a_flipped_bit_anywhere_in_an_inclusion_proof_is_refused(
    size: int, data: st.DataObject
) -> None:
    index = data.draw(st.integers(min_value=0, max_value=size - 1))
    tree = tree_of(size)
    parts = [tree[index], merkle.root_of(tree), *merkle.inclusion_proof(tree, index)]
    part = data.draw(st.integers(min_value=0, max_value=len(parts) - 1))
    bit = data.draw(st.integers(min_value=0, max_value=255))
    parts[part] = flip(parts[part], bit)
    leaf, root, *proof = parts
    assert not merkle.verify_inclusion(leaf, index, size, proof, root)


@given(SIZES, st.data())
def test_a_tree_proves_every_smaller_tree_and_no_other_history(
    size: int, data: st.DataObject
) -> None:
    first = data.draw(st.integers(min_value=1, max_value=size))
    tree, forged = tree_of(size), tree_of(size, seed=1)
    proof, root = merkle.consistency_proof(tree, first), merkle.root_of(tree)
    old = merkle.root_of(tree[:first])
    assert merkle.verify_consistency(first, size, old, root, proof)
    other = merkle.root_of(forged[:first])
    assert not merkle.verify_consistency(first, size, other, root, proof)
    own = merkle.consistency_proof(forged, first)
    assert not merkle.verify_consistency(first, size, old, root, own) or first == size


@given(SIZES, st.data())
def test_a_flipped_bit_anywhere_in_a_consistency_proof_is_refused(
    size: int, data: st.DataObject
) -> None:
    first = data.draw(st.integers(min_value=1, max_value=size))
    tree = tree_of(size)
    roots = [merkle.root_of(tree[:first]), merkle.root_of(tree)]
    parts = [*roots, *merkle.consistency_proof(tree, first)]
    part = data.draw(st.integers(min_value=0, max_value=len(parts) - 1))
    bit = data.draw(st.integers(min_value=0, max_value=255))
    parts[part] = flip(parts[part], bit)
    old, root, *proof = parts
    assert not merkle.verify_consistency(first, size, old, root, proof)


def flip(value: bytes, bit: int) -> bytes:
    """Give the 32 bytes with one bit turned over."""
    return (int.from_bytes(value) ^ 1 << bit).to_bytes(32)
