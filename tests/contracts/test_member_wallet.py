"""A member's way to the chain: linked over the API, handed calls, signed by his own key."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from deploy.demo_wallet import DemoWallet, DevnetNode
from meterseal_aggregator.stacks.calls import registry
from meterseal_aggregator.stacks.node.http import HttpNode
from meterseal_aggregator.stacks.wallet.handover import ChainDoor
from meterseal_proto.binding import Binding
from meterseal_proto.c32 import Principal
from meterseal_proto.keys import RootSecret
from tests.support.enrolling import GENESIS
from tests.support.signing import ADMIN, TEST, Signers, signers
from tests.support.webhouse import WebHouse, a_house, pretty

KEY = RootSecret(bytes(32)).seal_key()
METER = b"\x07" * 16


@dataclass
class Home:
    """A member with a wallet, the API, and a devnet behind it."""

    house: WebHouse
    walk: Signers
    wallet: DemoWallet

    async def post(self, path: str, body: object) -> Any:  # Any: JSON
        answer = await self.house.post(path, "ada", body)
        assert answer.status_code in {200, 201}, pretty(answer)
        return answer.json()

    async def does(self, function: str, **arguments: object) -> str:
        """Be handed a call, sign it, send it; answers what became of it."""
        told = await self.post(f"/v1/me/calls/{function}", {"arguments": arguments})
        txid = self.wallet.send(told)
        self.walk.devnet.mine()
        return str(self.walk.ask(f"/extended/v1/tx/0x{txid}")["tx_status"])


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    with signers(tmp_path) as walk:
        devnet = walk.devnet
        line = DevnetNode(devnet.url)
        wallet = DemoWallet(line)
        line.fund(wallet.address)
        devnet.mine()
        node = HttpNode(devnet.url, TEST)
        try:
            async with a_house(tmp_path) as house:
                site = house.app.state.site
                door = ChainDoor(node, walk.at, TEST, 1_000_000)
                house.app.state.site = replace(site, chain=door)
                yield Home(house, walk, wallet)
        finally:
            await node.close()


async def test_a_member_links_his_wallet_and_acts_with_it(home: Home) -> None:
    asked = {"principal": home.wallet.text}
    told = await home.post("/v1/me/wallet-challenges", asked)
    linked = await home.post("/v1/me/wallets", home.wallet.answer(told))
    assert linked["principal"] == home.wallet.text
    profile, me = "33" * 32, Principal(home.wallet.address)
    assert await home.does("user-registry.register-consumer", profile=profile) == (
        "success"
    )
    again = await home.does("user-registry.register-consumer", profile=profile)
    assert again == "abort_by_response"
    walk, at = home.walk, home.walk.at
    walk.does(ADMIN, registry.set_network(at, GENESIS.network))
    walk.does(ADMIN, registry.verify_user(at, me, verified=True))
    wish = {"meter": METER.hex(), "key": KEY.public.raw.hex(), "from_seq": 1}
    asks = "user-registry.request-meter"
    assert await home.does(asks, **wish, p256=False) == "success"
    signed = Binding(GENESIS.network, METER, me, 1).sign(KEY, GENESIS.chain_id)
    walk.does(ADMIN, registry.bind_meter(at, METER, me, signed))
    assert await home.does("reputation.stake", amount=5_000_000) == "success"
    assert await home.does("reputation.request-unstake", amount=5_000_000) == "success"
    # Earlier than the contract lets it the stake stays, and only the fee is gone.
    assert await home.does("reputation.unstake", amount=5_000_000) == (
        "abort_by_response"
    )


async def test_calls_under_way_have_nonces_of_their_own(home: Home) -> None:
    told = await home.post("/v1/me/wallet-challenges", {"principal": home.wallet.text})
    await home.post("/v1/me/wallets", home.wallet.answer(told))
    path, body = "/v1/me/calls/reputation.stake", {"arguments": {"amount": 1_000}}
    first = await home.post(path, body)
    txids = [home.wallet.send(first)]
    for more in (1, 2):
        given = await home.post(path, {**body, "nonce": first["nonce"] + more})
        txids.append(home.wallet.send(given))
    home.walk.devnet.mine()
    done = [home.walk.ask(f"/extended/v1/tx/0x{one}")["tx_status"] for one in txids]
    assert done == ["success"] * 3
