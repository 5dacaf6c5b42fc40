"""Laws of the tiles: however the log grows, they are one tree, and it only grows."""

from hypothesis import given
from hypothesis import strategies as st

from meterseal_aggregator.translog import tree
from meterseal_proto import merkle

LEAVES = [merkle.leaf_hash(b"%d" % i) for i in range(2_000)]
STEPS = st.lists(
    st.one_of(st.integers(1, 300), st.sampled_from([1, 255, 256, 257, 512])),
    min_size=1,
    max_size=5,
)


def grown(steps: list[int]) -> tuple[int, dict[tree.Key, bytes]]:
    """Grow a tree step by step from its edges alone."""
    size, tiles = 0, dict[tree.Key, bytes]()
    for step in steps:
        edge = {key: tiles[key] for key in tree.edge_keys(size)}
        growth = tree.grow(size, edge, LEAVES[size : size + step])
        for tile in growth.tiles:
            assert tile.hashes.startswith(tiles.get((tile.level, tile.index), b""))
            tiles[tile.level, tile.index] = tile.hashes
        size = growth.size
        assert growth.root == merkle.root_of(LEAVES[:size])
    return size, tiles


@given(STEPS)
def test_tiles_do_not_depend_on_the_steps_the_log_grew_by(steps: list[int]) -> None:
    size, tiles = grown(steps)
    assert tiles == grown([size])[1]


@given(STEPS, st.data())
def test_proofs_from_the_named_tiles_verify(
    steps: list[int], data: st.DataObject
) -> None:
    size, tiles = grown(steps)
    index = data.draw(st.integers(0, size - 1))
    ranges = merkle.inclusion_ranges(index, size)
    needed = {key: tiles[key] for key in tree.tiles_for(ranges)}
    proof, root = tree.prove(ranges, needed), merkle.root_of(LEAVES[:size])
    assert merkle.verify_inclusion(LEAVES[index], index, size, proof, root)


@given(STEPS, st.data())
def test_every_earlier_size_is_proved_and_rooted_from_the_latest_tiles(
    steps: list[int], data: st.DataObject
) -> None:
    size, tiles = grown(steps)
    first = data.draw(st.integers(1, size))
    ranges = merkle.consistency_ranges(first, size)
    needed = {key: tiles[key] for key in tree.tiles_for(ranges)}
    old = tree.root(first, tiles)
    assert old == merkle.root_of(LEAVES[:first])
    new = merkle.root_of(LEAVES[:size])
    assert merkle.verify_consistency(first, size, old, new, tree.prove(ranges, needed))
