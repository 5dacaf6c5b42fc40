"""The Merkle tree agrees with the vectors and refuses what is not a proof."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from meterseal_proto import merkle

VECTORS = Path(__file__).parents[2] / "proto" / "vectors"

# The roots every RFC 6962 implementation tests itself with, sizes 1, 2, 3 and 8.
KNOWN_ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


def load() -> Any:  # JSON of our own vectors: its shape is what these tests check
    return json.loads((VECTORS / "merkle.json").read_text())


def leaves() -> list[bytes]:
    return [merkle.leaf_hash(bytes.fromhex(entry)) for entry in load()["entries"]]


def test_the_vectors_are_what_the_independent_script_makes() -> None:
    script = VECTORS / "make_merkle.py"
    made = subprocess.run(
        [sys.executable, str(script)], capture_output=True, check=True, text=True
    )
    assert made.stdout == (VECTORS / "merkle.json").read_text()


def test_leaf_hashes_and_roots_equal_the_vectors() -> None:
    vectors = load()
    assert [leaf.hex() for leaf in leaves()] == vectors["leaf_hashes"]
    for size, root in enumerate(vectors["roots"]):
        assert merkle.root_of(leaves()[:size]).hex() == root


@pytest.mark.parametrize(("size", "root"), sorted(KNOWN_ROOTS.items()))
def test_the_reference_tree_has_its_published_roots(size: int, root: str) -> None:
    assert merkle.root_of(leaves()[:size]).hex() == root


def test_inclusion_proofs_equal_the_vectors_and_verify() -> None:
    for case in load()["inclusion"]:
        index, size = case["index"], case["size"]
        tree = leaves()[:size]
        proof = merkle.inclusion_proof(tree, index)
        assert [step.hex() for step in proof] == case["proof"]
        assert merkle.verify_inclusion(
            tree[index], index, size, proof, merkle.root_of(tree)
        )


def test_consistency_proofs_equal_the_vectors_and_verify() -> None:
    for case in load()["consistency"]:
        first, second = case["first"], case["second"]
        tree = leaves()[:second]
        proof = merkle.consistency_proof(tree, first)
        assert [step.hex() for step in proof] == case["proof"]
        roots = merkle.root_of(tree[:first]), merkle.root_of(tree)
        assert merkle.verify_consistency(first, second, *roots, proof)


def test_every_tree_extends_the_empty_one_by_the_empty_proof_only() -> None:
    tree = leaves()
    root = merkle.root_of(tree)
    assert merkle.verify_consistency(0, 8, merkle.EMPTY_ROOT, root, [])
    assert not merkle.verify_consistency(0, 8, tree[0], root, [])
    assert not merkle.verify_consistency(0, 8, merkle.EMPTY_ROOT, root, [tree[0]])
    assert merkle.verify_consistency(0, 0, merkle.EMPTY_ROOT, merkle.EMPTY_ROOT, [])
    assert not merkle.verify_consistency(0, 0, merkle.EMPTY_ROOT, root, [])


@pytest.mark.parametrize(("index", "size"), [(-1, 8), (8, 8), (0, 0), (0, 2**63)])
def test_an_index_outside_the_tree_is_not_included(index: int, size: int) -> None:
    tree = leaves()
    proof = merkle.inclusion_proof(tree, 0)
    root = merkle.root_of(tree)
    assert not merkle.verify_inclusion(tree[0], index, size, proof, root)


def test_a_proof_with_a_hash_of_another_length_is_refused() -> None:
    tree = leaves()
    root, proof = merkle.root_of(tree), merkle.inclusion_proof(tree, 3)
    for bad in (b"", proof[0][:-1], proof[0] + b"\x00"):
        assert not merkle.verify_inclusion(tree[3], 3, 8, [bad, *proof[1:]], root)
        assert not merkle.verify_inclusion(bad, 3, 8, proof, root)
        assert not merkle.verify_consistency(3, 8, bad, root, proof)


def test_a_proof_longer_or_shorter_than_the_tree_is_refused() -> None:
    tree = leaves()
    root, proof = merkle.root_of(tree), merkle.inclusion_proof(tree, 3)
    assert not merkle.verify_inclusion(tree[3], 3, 8, proof[:-1], root)
    assert not merkle.verify_inclusion(tree[3], 3, 8, [*proof, root], root)
    old = merkle.root_of(tree[:5])
    grown = merkle.consistency_proof(tree, 5)
    assert not merkle.verify_consistency(5, 8, old, root, grown[:-1])
    assert not merkle.verify_consistency(5, 8, old, root, [*grown, root])
    assert not merkle.verify_consistency(5, 8, old, root, [])
    assert not merkle.verify_consistency(8, 5, root, old, [])


def test_a_proof_for_another_size_is_refused_even_where_the_hashes_fit() -> None:
    tree = leaves()
    root, proof = merkle.root_of(tree[:2]), merkle.inclusion_proof(tree[:2], 0)
    assert merkle.verify_inclusion(tree[0], 0, 2, proof, root)
    for size in (1, 3, 4, 8):
        assert not merkle.verify_inclusion(tree[0], 0, size, proof, root)


def test_hashes_of_another_length_do_not_make_a_root_that_counts() -> None:
    leaf, long = leaves()[0], bytes(33)
    root = merkle.node_hash(leaf, long)
    assert not merkle.verify_inclusion(leaf, 0, 2, [long], root)
    assert not merkle.verify_inclusion(long, 1, 2, [leaf], root)
