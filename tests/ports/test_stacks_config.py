"""The aggregator anchors where `[stacks]` says, and in its file where nothing does."""

from pathlib import Path

import pytest

from meterseal_aggregator.app.chain import proving, publishing, read_key
from meterseal_aggregator.app.drive import drive
from meterseal_aggregator.app.duties import anchor, sequence
from meterseal_aggregator.app.house import open_house
from meterseal_aggregator.config import Config, ConfigError, load
from meterseal_aggregator.stacks.anchors import store
from meterseal_aggregator.stacks.anchors.file import FilePublisher
from meterseal_aggregator.translog import store as log_store
from meterseal_proto.errors import Unavailable
from tests.support.fakechain import DEPLOYER, ORACLE, FakeChain
from tests.support.fakenode import FakeNode
from tests.support.nodeserver import served

HERE = ORACLE.address.text()
OTHER = "ST000000000000000000002AMW42H"
MAIN = "SP000000000000000000002Q6VF78"


def key_file(folder: Path, text: str = "", mode: int = 0o600) -> Path:
    path = folder / "oracle.key"
    path.write_text(text or DEPLOYER.secret.hex() + "01\n")
    path.chmod(mode)
    return path


def configured(folder: Path, *urls: str) -> Config:
    stacks = {"nodes": urls, "contracts": HERE, "key_file": key_file(folder)}
    return Config.model_validate(
        {"data_dir": folder / "data", "stacks": {**stacks, "depth": 2}}
    )


async def test_without_a_chain_the_file_publisher_stays(tmp_path: Path) -> None:
    config = Config(data_dir=tmp_path / "data")
    async with (
        open_house(config, upgrade=True) as house,
        publishing(house) as publisher,
    ):
        assert isinstance(publisher, FilePublisher)
    assert proving(config.stacks) == frozenset()


@pytest.mark.parametrize("nodes", [1, 2])
async def test_the_duty_anchors_each_checkpoint_by_the_configured_nodes(
    tmp_path: Path, nodes: int
) -> None:
    chain = FakeChain()
    async with served(FakeNode(chain)) as one, served(FakeNode(chain)) as other:
        config = configured(tmp_path, *(one.url, other.url)[:nodes])
        assert proving(config.stacks) == frozenset({"stacks"})
        async with open_house(config, upgrade=True) as house:
            async with house.database.transaction() as tx:
                await log_store.append(tx, [b"\x03\x01entry"] * 3)
            await sequence(house)
            done = 0
            for _ in range(8):
                done += await anchor(house)
                await drive(house)
                chain.mine()
            assert done == 1
            async with house.database.reading() as tx:
                row = await store.last(tx, "stacks")
    assert row is not None
    assert row.reference is not None
    assert list(chain.state.roots) == [row.root]
    assert row.reference.startswith("stacks:")


@pytest.mark.parametrize(
    ("text", "mode", "says"),
    [
        ("", 0o640, "chmod 600"),
        ("zz", 0o600, "64 hex"),
        ("0" * 64, 0o600, "64 hex"),
        ("f" * 64, 0o600, "64 hex"),
        ("11" * 32 + "02", 0o600, "64 hex"),
        ("11" * 200, 0o600, "64 hex"),
    ],
)
def test_a_key_file_of_no_use_is_named_and_its_content_is_not(
    tmp_path: Path, text: str, mode: int, says: str
) -> None:
    path = key_file(tmp_path, text, mode)
    with pytest.raises(Unavailable, match=says) as caught:
        read_key(path)
    assert path.read_text().strip() not in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_key_is_read_and_a_missing_one_is_named(tmp_path: Path) -> None:
    assert read_key(key_file(tmp_path)) == DEPLOYER
    assert DEPLOYER.secret.hex() not in repr(read_key(key_file(tmp_path)))
    with pytest.raises(Unavailable, match="absent"):
        read_key(tmp_path / "absent")


STACKS = '[stacks]\nkey_file = "/k"\n'
HERE_LINE = f'contracts = "{HERE}"\n'
LOCAL = 'nodes = ["http://127.0.0.1:20443"]\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[stacks]\n" + HERE_LINE + LOCAL, "key_file"),
        (STACKS + LOCAL, "contracts"),
        (STACKS + HERE_LINE, "nodes"),
        (STACKS + HERE_LINE + "nodes = []\n", "nodes"),
        (STACKS + HERE_LINE + 'nodes = ["http://node.example"]\n', "https://"),
        (STACKS + HERE_LINE + 'nodes = ["node.example"]\n', "https://"),
        (STACKS + HERE_LINE + 'nodes = ["https://me:x@node.example"]\n', "without"),
        (STACKS + HERE_LINE + 'nodes = ["https://a.b", "https://a.b"]\n', "same"),
        (STACKS + HERE_LINE + 'nodes = ["https://a.b:99999"]\n', "[Pp]ort"),
        (STACKS + HERE_LINE + 'nodes = ["https://a.b:0"]\n', "port"),
        (STACKS + LOCAL + 'contracts = "nobody"\n', "address"),
        (STACKS + LOCAL + f'contracts = "{MAIN}"\n', "another chain_id"),
        (STACKS + LOCAL + HERE_LINE + "fee_cap = 0\n", "fee_cap"),
        (STACKS + LOCAL + HERE_LINE + "depth = 0\n", "depth"),
        (STACKS + LOCAL + HERE_LINE + "depth = 10001\n", "depth"),
        (STACKS + LOCAL + HERE_LINE + "colour = 1\n", "colour"),
        (f'registry = "{OTHER}.user-registry"\n' + STACKS + LOCAL + HERE_LINE, HERE),
        ("chain_id = 1\n" + STACKS + LOCAL + HERE_LINE, "another chain_id"),
        ("chain_id = 1\n" + STACKS + LOCAL + f'contracts = "{MAIN}"\n', "two nodes"),
    ],
)
def test_a_chain_that_cannot_be_one_is_named(
    tmp_path: Path, text: str, says: str
) -> None:
    path = tmp_path / "aggregator.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=says):
        load(path)


def test_nodes_and_contracts_are_read(tmp_path: Path) -> None:
    path = tmp_path / "aggregator.toml"
    path.write_text(f'registry = "{HERE}.user-registry"\n{STACKS}{LOCAL}{HERE_LINE}')
    found = load(path).stacks
    assert found is not None
    assert (found.contracts, found.depth) == (HERE, 7)
