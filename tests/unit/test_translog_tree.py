"""Tiles are those of C2SP tlog-tiles, and have one name each."""

import pytest

from meterseal_aggregator.translog import tree
from meterseal_aggregator.translog.paths import Resource, parse_path
from meterseal_proto import merkle

LEAVES = [merkle.leaf_hash(b"%d" % i) for i in range(70_000)]


def test_seventy_thousand_leaves_make_the_tiles_of_the_documents_example() -> None:
    growth = tree.grow(0, {}, LEAVES)
    widths = {(t.level, t.index): len(t.hashes) // 32 for t in growth.tiles}
    level_0 = [width for (level, _), width in sorted(widths.items()) if level == 0]
    assert level_0 == [256] * 273 + [112]
    assert [widths[1, 0], widths[1, 1], widths[2, 0]] == [256, 17, 1]
    assert len(widths) == 274 + 2 + 1
    assert growth.root == merkle.root_of(LEAVES)


def test_a_tree_of_256_has_a_full_tile_and_a_tile_of_one_above_it() -> None:
    growth = tree.grow(0, {}, LEAVES[:256])
    assert [(t.level, len(t.hashes) // 32) for t in growth.tiles] == [(0, 256), (1, 1)]
    assert growth.tiles[1].hashes == growth.root


def test_an_edge_that_is_too_short_is_not_grown() -> None:
    (tile,) = tree.grow(0, {}, LEAVES[:5]).tiles
    with pytest.raises(tree.MissingTile):
        tree.grow(6, {(0, 0): tile.hashes}, LEAVES[6:7])
    with pytest.raises(tree.MissingTile):
        tree.prove([(0, 4)], {})


def test_growing_by_nothing_keeps_the_root() -> None:
    (tile,) = tree.grow(0, {}, LEAVES[:5]).tiles
    same = tree.grow(5, {(0, 0): tile.hashes}, [])
    assert (same.tiles, same.root) == ((), merkle.root_of(LEAVES[:5]))
    assert tree.grow(0, {}, []).root == merkle.EMPTY_ROOT


@pytest.mark.parametrize(
    ("path", "resource"),
    [
        ("tile/0/000", Resource(0, 0)),
        ("tile/7/999.p/1", Resource(7, 999, 1)),
        ("tile/0/x001/x234/067", Resource(0, 1_234_067)),
        ("tile/entries/x001/000.p/255", Resource(None, 1_000, 255)),
    ],
)
def test_a_resource_has_one_name(path: str, resource: Resource) -> None:
    assert parse_path(path) == resource
    assert resource.path == path


@pytest.mark.parametrize(
    "path",
    [
        "", "tile", "tile/0", "tile/0/0", "tile/0/0000", "tile/00/000", "tile/8/000",
        "tile/64/000", "tile/0/x000/001", "tile/0/001/002", "tile/0/000.p/0",
        "tile/0/000.p/256", "tile/0/000.p/01", "tile/0/000.p/1/", "/tile/0/000",
        "tile/0/000\n", "tile/0/\u0660\u0660\u0660", "tile/-1/000", "tile/entries/",
        "tile/entries/x999/x999/x999/x999/x999/999", "tile/0/../000",
    ],
)  # fmt: skip
def test_every_other_path_is_nobodys_name(path: str) -> None:
    assert parse_path(path) is None
