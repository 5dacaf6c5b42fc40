"""The API with members who have wallets, a clock to turn, and a node behind it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx2

from meterseal_aggregator.identity import store as identity
from meterseal_aggregator.identity.model import MemberId, Role
from meterseal_aggregator.stacks.calls.deployment import Deployment
from meterseal_aggregator.stacks.transaction import AccountKey
from meterseal_aggregator.stacks.wallet.handover import ChainDoor
from meterseal_aggregator.web.limits import Rate
from meterseal_proto.c32 import Address, Principal
from meterseal_proto.wallet import Challenge
from tests.support.fakechain import CHAIN, FakeChain
from tests.support.fakenode import FakeNode
from tests.support.webhouse import LATER, WebHouse, a_house, pretty

KEY, OTHER = AccountKey(b"\x61" * 32), AccountKey(b"\x62" * 32)
ME, THEIRS = KEY.address(CHAIN), OTHER.address(CHAIN)
AT = Deployment(Address.parse("ST1PQHQKV0RJXZFY1DGX8MNSNYVE3VGZJSRTPGZGM"))
RETIRE = "/v1/me/calls/energy-token.retire"
RETIRED = {"amount": 5, "beneficiary": "33" * 32, "start": 900, "end": 1_800}
Json = Any  # an answer's body


@dataclass
class Village:
    """The house, the time its API sees, and a node behind it."""

    house: WebHouse
    node: FakeNode
    now: int = LATER
    made: dict[str, Json] = field(default_factory=dict)

    async def post(self, who: str | None, path: str, body: object) -> httpx2.Response:
        return await self.house.post(path, who, body)

    async def challenge(self, who: str = "ada", account: Address = ME) -> Json:
        body = {"principal": account.text()}
        answer = await self.post(who, "/v1/me/wallet-challenges", body)
        assert answer.status_code == 201, pretty(answer)
        return answer.json()

    async def link(self, who: str, told: Json, signature: bytes) -> httpx2.Response:
        body = {"nonce": told["nonce"], "signature": signature.hex()}
        return await self.post(who, "/v1/me/wallets", body)

    async def linked(self, who: str = "ada", key: AccountKey = KEY) -> Json:
        told = await self.challenge(who, key.address(CHAIN))
        answer = await self.link(who, told, signed(told, key))
        assert answer.status_code == 201, pretty(answer)
        return answer.json()


def challenge_of(told: Json) -> Challenge:
    """The challenge as a wallet reads it from the answer."""
    principal = Principal.parse(told["principal"])
    nonce = bytes.fromhex(told["nonce"])
    network = bytes.fromhex(told["network"])
    return Challenge(network, told["member"], principal, nonce, told["expires"])


def signed(told: Json, key: AccountKey = KEY, **change: Any) -> bytes:
    asked = replace(challenge_of(told), **change)
    return asked.sign(key.secret, told["chain_id"])


@asynccontextmanager
async def a_village(folder: Path) -> AsyncIterator[Village]:
    """Open the house with a node behind it, and members' tokens that live for a day."""
    async with a_house(folder) as house:
        found = Village(house, FakeNode(FakeChain()))
        async with house.db.transaction() as tx:
            for name in ("ada", "bo"):
                member = MemberId(house.members[name])
                long = identity.NewToken(
                    Role.MEMBER, "t", LATER, LATER + 90_000, member
                )
                house.tokens[name] = await identity.make_token(tx, long)
        door = ChainDoor(found.node, AT, CHAIN, 10_000)
        house.app.state.site = replace(
            house.app.state.site,
            real_now=lambda: found.now,
            chain=door,
            wallets=Rate(3_600.0, 60),
        )
        yield found


def problem(answer: httpx2.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["type"].rpartition(":")[2]
