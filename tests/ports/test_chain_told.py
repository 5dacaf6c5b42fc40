"""An operator is told what we do on the chain: by the command, the API and the audit."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from meterseal_aggregator.app.audit import audit
from meterseal_aggregator.app.chain import chain_side, means
from meterseal_aggregator.app.chainreport import report
from meterseal_aggregator.app.drive import drive
from meterseal_aggregator.app.house import House, open_house
from meterseal_aggregator.config import Config
from meterseal_aggregator.stacks.outbox import deeds
from meterseal_aggregator.stacks.outbox.accounts import ChainRole
from meterseal_aggregator.stacks.outbox.deeds import State, Wish
from meterseal_aggregator.stacks.transaction import AccountKey, ContractCall
from meterseal_proto.clarity import UInt
from tests.support.fakechain import CHAIN, DEPLOYER, DIARY, ORACLE, FakeChain
from tests.support.fakenode import FakeNode
from tests.support.nodeserver import served
from tests.support.webhouse import WebHouse, a_house

OTHER = AccountKey(b"\x07" * 32)
OTHERS = OTHER.address(CHAIN).text()
OURS = ORACLE.address.text()


def key_file(folder: Path, key: AccountKey) -> Path:
    path = folder / f"{key.public.hex()[:8]}.key"
    path.write_text(key.secret.hex())
    path.chmod(0o600)
    return path


@asynccontextmanager
async def opened(folder: Path, url: str, **more: object) -> AsyncIterator[House]:
    oracle = key_file(folder, DEPLOYER)
    stacks = {"nodes": [url], "contracts": OURS, "key_file": oracle, "depth": 2}
    given = {"data_dir": folder / "data", "stacks": stacks | more}
    async with open_house(Config.model_validate(given), upgrade=True) as house:
        yield house


async def want(house: House, account: str, name: str) -> None:
    call = ContractCall(DIARY, "note", (UInt(len(name)),))
    async with house.database.transaction() as tx:
        await deeds.want(tx, Wish(account, name, call), now=int(house.real_now()))


async def state(house: House, name: str) -> State:
    async with house.database.reading() as tx:
        known = await deeds.outcome(tx, name)
    assert known is not None
    return known.state


async def test_two_roles_of_one_key_are_one_account_and_each_key_is_driven(
    tmp_path: Path,
) -> None:
    chain = FakeChain()
    registrar, certifier = key_file(tmp_path, OTHER), key_file(tmp_path, DEPLOYER)
    keys = {"registrar": registrar, "certifier": certifier}
    async with (
        served(FakeNode(chain)) as node,
        opened(tmp_path, node.url, keys=keys) as house,
    ):
        async with chain_side(house) as side:
            assert side is not None
            assert [one.address for one in side.signers] == [OURS, OTHERS]
            assert side.accounts[ChainRole.REGISTRAR].address == OTHERS
            assert side.roles(side.signers[0]) == ["oracle", "certifier"]
        await want(house, OURS, "ours 1")
        await want(house, OTHERS, "others 22")
        for _ in range(4):
            await drive(house)
            chain.mine()
        assert sorted(chain.state.notes) == [6, 9]
        lines = await report(house)
        table = [line.split() for line in lines[1:4]]
        assert table[1] == [OURS, "oracle,certifier", "1000000.000000", "1", *"0010"]
        assert table[2] == [OTHERS, "registrar", "1000000.000000", "1", *"0010"]
        assert not any("wrong:" in line for line in lines)


async def test_deeds_whose_key_is_gone_are_named_until_it_is_a_former_key(
    tmp_path: Path,
) -> None:
    chain = FakeChain()
    async with served(FakeNode(chain)) as node:
        async with opened(tmp_path, node.url) as house:
            await want(house, OTHERS, "left behind")
            await drive(house)
            told = "\n".join(await report(house))
            assert f"1 open: the key of {OTHERS} is not configured" in told
            assert "former_keys" in told
            (fault,) = [one for one in await audit(house) if not one.ok]
            assert OTHERS in fault.detail
            assert "former_keys" in fault.detail
        former = [key_file(tmp_path, OTHER)]
        async with opened(tmp_path, node.url, former_keys=former) as house:
            for _ in range(4):
                await drive(house)
                chain.mine()
            assert await state(house, "left behind") is State.CONFIRMED
            assert all(one.ok for one in await audit(house))
            assert "former" in "\n".join(await report(house))


async def test_without_a_node_the_report_still_says_what_is_under_way(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path, "http://127.0.0.1:9") as house:
        await want(house, OURS, "note 1")
        lines = await report(house)
    assert lines[0].startswith("no node answers")
    assert lines[2].split()[:4] == [OURS, "oracle", "?", "?"]
    assert lines[3].startswith("note 1 (diary.note): wanted, 0 tries, wanted 0 min ago")


async def test_the_oracles_key_is_named_in_one_place(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="key_file"):
        async with opened(tmp_path, "http://127.0.0.1:9", keys={"oracle": "/k"}):
            pass
    assert means(Config(data_dir=tmp_path)).addresses == frozenset()


@pytest.fixture
async def web(tmp_path: Path) -> AsyncIterator[WebHouse]:
    async with a_house(tmp_path) as house:
        yield house


async def test_operators_page_through_deeds_and_nobody_else_does(web: WebHouse) -> None:
    call = ContractCall(DIARY, "note", (UInt(1),))
    async with web.db.transaction() as tx:
        for number in range(3):
            await deeds.want(tx, Wish(OURS, f"note {number}", call), now=5)
    found = await web.get("/v1/chain/deeds?limit=2", "operator")
    assert [one["name"] for one in found["items"]] == ["note 0", "note 1"]
    assert found["items"][0]["calls"] == "diary.note"
    assert found["items"][0]["wrong"].startswith(f"the key of {OURS} is not configured")
    rest = await web.get(f"/v1/chain/deeds?after={found['next']}", "operator")
    assert [one["name"] for one in rest["items"]] == ["note 2"]
    assert rest["next"] is None
    none = await web.get("/v1/chain/deeds?state=failed", "operator")
    assert none["items"] == []
    for who in ("ada", "auditor", "metrics"):
        answer = await web.ask("GET", "/v1/chain/deeds", who)
        assert answer.status_code in (403, 404)
    answer = await web.ask("GET", "/v1/chain/deeds?state=odd", "operator")
    assert answer.status_code in (400, 422)
