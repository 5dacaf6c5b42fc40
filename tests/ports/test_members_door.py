"""Members are shown the chain of `[stacks]`, through nodes and without any key of ours."""

from pathlib import Path

from meterseal_aggregator.app.chain import members_door
from meterseal_aggregator.app.house import open_house
from meterseal_aggregator.config import Config
from meterseal_aggregator.stacks.calls import token
from meterseal_aggregator.stacks.wallet.handover import hand_over
from meterseal_proto.c32 import Principal
from tests.support.fakechain import DEPLOYER, ORACLE, FakeChain
from tests.support.fakenode import FakeNode
from tests.support.nodeserver import served


async def test_without_stacks_there_is_no_door(tmp_path: Path) -> None:
    async with (
        open_house(Config(data_dir=tmp_path / "data"), upgrade=True) as house,
        members_door(house) as door,
    ):
        assert door is None


async def test_a_door_is_of_the_configured_nodes_and_needs_no_key(
    tmp_path: Path,
) -> None:
    chain = FakeChain()
    async with served(FakeNode(chain)) as one, served(FakeNode(chain)) as other:
        stacks = {
            "nodes": (one.url, other.url), "contracts": ORACLE.address.text(),
            "key_file": tmp_path / "nowhere.key", "fee_cap": 50_000,
        }  # fmt: skip
        config = Config.model_validate(
            {"data_dir": tmp_path / "data", "stacks": stacks}
        )
        async with (
            open_house(config, upgrade=True) as house,
            members_door(house) as door,
        ):
            assert door is not None
            assert (door.fee_cap, door.contracts.address) == (50_000, ORACLE.address)
            account = DEPLOYER.address(door.network)
            call = token.retire(door.contracts, 5, bytes(32), 0, 900)
            found = await hand_over(door, call, account)
            assert found.nonce == await door.node.nonce(Principal(account))
            assert len(found.given.unsigned) <= found.fee <= door.fee_cap
