"""A member withdraws and deposits over the API: his own, to his own account, once a key."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from deploy.unsigned import read_unsigned
from meterseal_aggregator.app.retiring import retire_on_chain
from meterseal_aggregator.identity import store as identity
from meterseal_aggregator.identity.model import MemberId, Role
from meterseal_aggregator.ledger import check as ledger_check
from meterseal_aggregator.stacks.calls import token
from meterseal_aggregator.stacks.wallet.handover import ChainDoor
from meterseal_aggregator.stacks.withdrawals import check
from meterseal_aggregator.stacks.withdrawals.duty import Gathering, run_once
from meterseal_aggregator.stacks.withdrawals.follow import Follow
from meterseal_aggregator.stacks.withdrawals.model import Moment, Teller
from meterseal_aggregator.web.limits import Rate
from meterseal_proto.c32 import Principal
from meterseal_proto.wallet import Challenge
from tests.support.energychain import AT, CHAIN, ORACLE, EnergyChain, heard_of
from tests.support.enrolling import GENESIS, SLOT
from tests.support.fakechain import DEPLOYER, FakeChain
from tests.support.fakenode import FakeNode
from tests.support.webhouse import EXPORT, LATER, WebHouse, a_lived_in_house, pretty

KEY = DEPLOYER
ME = Principal(KEY.address(CHAIN))
WITHDRAWALS, DEPOSITS = "/v1/me/withdrawals", "/v1/me/deposits"
TELLER = Teller(AT, ORACLE.text())
Json = Any  # an answer's body


@dataclass
class Bank:
    """The lived-in house, whose Ada has 400 Wh, and the contract in memory."""

    house: WebHouse
    chain: EnergyChain
    heard: int = 0

    @property
    def body(self) -> dict[str, object]:
        point = self.house.registry.point
        where = {"meter_point": point, "register": EXPORT}
        return where | {"wh": 250, "way": "direct"}

    async def post(
        self, path: str, key: str | None, body: object, who: str = "ada"
    ) -> httpx2.Response:
        headers = {} if key is None else {"Idempotency-Key": key}
        return await self.house.ask("POST", path, who, json=body, headers=headers)

    async def asked(self, key: str = "k1", **change: object) -> Json:
        answer = await self.post(WITHDRAWALS, key, self.body | change)
        assert answer.status_code == 201, pretty(answer)
        return answer.json()

    async def see(self, number: int) -> Json:
        return await self.house.get(f"{WITHDRAWALS}/{number}", "ada")

    async def come_through(self) -> None:
        moment, gathering = Moment(LATER, LATER), Gathering(after_s=0)
        follow = Follow(retire_on_chain, lambda: LATER)
        while await run_once(
            self.house.db, TELLER, gathering, moment
        ) + await self.chain.run(self.house.db):
            for told in self.chain.told[self.heard :]:
                async with self.house.db.transaction() as tx:
                    await follow(tx, told)
                self.heard += 1
            async with self.house.db.transaction() as tx:
                await heard_of(tx, self.heard)

    async def link(self, who: str = "ada") -> None:
        asked = {"principal": ME.text()}
        told = (await self.house.post("/v1/me/wallet-challenges", who, asked)).json()
        challenge = Challenge(
            bytes.fromhex(told["network"]), told["member"], ME,
            bytes.fromhex(told["nonce"]), told["expires"],
        )  # fmt: skip
        signature = challenge.sign(KEY.secret, told["chain_id"]).hex()
        body = {"nonce": told["nonce"], "signature": signature}
        answer = await self.house.post("/v1/me/wallets", who, body)
        assert answer.status_code == 201, pretty(answer)


@pytest.fixture
async def bank(tmp_path: Path) -> AsyncIterator[Bank]:
    async with a_lived_in_house(tmp_path) as house:
        door = ChainDoor(FakeNode(FakeChain()), AT, CHAIN, 100_000)
        house.app.state.site = replace(
            house.app.state.site,
            chain=door,
            teller=lambda: TELLER,
            wallets=Rate(3_600.0, 60),
        )
        found = Bank(house, EnergyChain(GENESIS.network))
        await found.link()
        yield found
        async with house.db.reading() as tx:
            bad = await ledger_check.findings(tx) + await check.findings(tx, None)
        assert all(one.ok for one in bad), bad


def problem(answer: httpx2.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["type"].rpartition(":")[2]


async def test_whole_slots_leave_under_one_key_once(bank: Bank) -> None:
    made = await bank.asked()
    assert (made["state"], made["wh"], made["way"]) == ("leaving", 200, "direct")
    assert made["owner"] == ME.text()
    assert [part["start"] for part in made["parts"]] == [SLOT, SLOT + 900]
    assert await bank.asked() == made
    balances = await bank.house.get(
        f"/v1/members/{bank.house.members['ada']}/balances", "ada"
    )
    assert balances["items"][0]["held"] == 200
    other = await bank.post(WITHDRAWALS, "k1", bank.body | {"wh": 300})
    assert problem(other) == (409, "key-used")
    await bank.come_through()
    done = await bank.see(made["id"])
    assert (done["state"], done["paid_wh"]) == ("arrived", 200)
    assert all(part["txid"] and part["mint_id"] for part in done["parts"])
    listed = await bank.house.get(WITHDRAWALS, "ada")
    assert [row["state"] for row in listed["items"]] == ["arrived"]
    assert (await bank.house.get(f"{WITHDRAWALS}?after=1", "ada"))["items"] == []


async def test_a_claim_is_shown_when_its_epoch_is_posted_and_fits_the_handout(
    bank: Bank,
) -> None:
    made = await bank.asked(way="epoch")
    assert (made["state"], made["claim"]) == ("leaving", None)
    await bank.come_through()
    told = await bank.see(made["id"])
    assert told["state"] == "claimable"
    claim = told["claim"]
    path = f"/v1/me/calls/{claim['function']}"
    answer = await bank.house.post(path, "ada", {"arguments": claim["arguments"]})
    assert answer.status_code == 200, pretty(answer)
    handed = read_unsigned(bytes.fromhex(answer.json()["unsigned"])).call
    of = claim["arguments"]["of"]
    slot = token.Slot(**of["slot"])
    wanted = token.Claim(of["epoch"], of["index"], ME, slot, of["amount"])
    assert handed == token.claim(AT, wanted, ()).payload
    bank.chain.claim(wanted, (), "c" * 64)
    async with bank.house.db.transaction() as tx:
        await Follow(retire_on_chain, lambda: LATER)(tx, bank.chain.told[-1])
    assert ((done := await bank.see(made["id"]))["state"], done["claim"]) == (
        "arrived",
        None,
    )


async def test_what_the_contract_refused_is_said_with_its_error(bank: Bank) -> None:
    bank.chain.uncertified.add(ME)
    made = await bank.asked()
    await bank.come_through()
    told = await bank.see(made["id"])
    assert told["state"] == "refused"
    assert {part["error"] for part in told["parts"]} == {308}


async def test_a_deposits_name_is_given_once_a_key_and_counts_what_came(
    bank: Bank,
) -> None:
    await bank.asked()
    await bank.come_through()
    made = (await bank.post(DEPOSITS, "d1", None)).json()
    assert (await bank.post(DEPOSITS, "d1", None)).json() == made
    assert (await bank.post(DEPOSITS, "d2", None)).json()["name"] != made["name"]
    bank.chain.retire(ME, 120, bytes.fromhex(made["name"]), "e" * 64)
    async with bank.house.db.transaction() as tx:
        await Follow(retire_on_chain, lambda: LATER)(tx, bank.chain.told[-1])
    items = (await bank.house.get(DEPOSITS, "ada"))["items"]
    assert [row["wh"] for row in items] == [120, 0]
    assert (await bank.house.get(DEPOSITS, "bo"))["items"] == []


async def test_nobody_sees_or_takes_what_is_anothers(bank: Bank) -> None:
    made = await bank.asked()
    for who, status in (
        ("bo", 404),
        ("cleo", 404),
        ("operator", 403),
        ("auditor", 403),
    ):
        answer = await bank.house.ask("GET", f"{WITHDRAWALS}/{made['id']}", who)
        assert answer.status_code == status, who
    for who in ("operator", "auditor", "metrics"):
        for path in (WITHDRAWALS, DEPOSITS):
            assert (await bank.post(path, "k", bank.body, who)).status_code == 403
    assert problem(await bank.post(WITHDRAWALS, "k", bank.body, "bo")) == (
        409,
        "no-wallet",
    )
    stolen = bank.body | {"owner": "ST000000000000000000002AMW42H"}
    assert problem(await bank.post(WITHDRAWALS, "k", stolen)) == (409, "no-wallet")


async def test_a_stranger_with_a_wallet_gets_nothing_of_adas_meter_point(
    bank: Bank,
) -> None:
    async with bank.house.db.transaction() as tx:
        await tx.rows("UPDATE wallets SET to_at = from_at")
        new = identity.NewToken(
            Role.MEMBER, "t", LATER, LATER + 60, MemberId(bank.house.members["bo"])
        )
        bank.house.tokens["bo"] = await identity.make_token(tx, new)
    await bank.link("bo")
    answer = await bank.post(WITHDRAWALS, "k", bank.body, "bo")
    assert problem(answer) == (409, "nothing")


@pytest.mark.parametrize(
    "wrong",
    [
        {"wh": 0}, {"wh": -5}, {"wh": "250"}, {"wh": 1 << 63}, {"wh": 2.5},
        {"register": "1-0:2.8.0.0.0"}, {"register": ""}, {"meter_point": 0},
        {"way": "both"}, {"owner": "SX"}, {"more": 1},
    ],
)  # fmt: skip
async def test_a_wrong_wish_is_refused_and_moves_nothing(
    bank: Bank, wrong: dict[str, object]
) -> None:
    answer = await bank.post(WITHDRAWALS, "k", bank.body | wrong)
    assert answer.status_code == 422, pretty(answer)
    assert (await bank.house.get(WITHDRAWALS, "ada"))["items"] == []


@pytest.mark.parametrize("key", [None, "", "x" * 65, "two words", "a/b"])
async def test_every_wish_has_a_key_of_its_own(bank: Bank, key: str | None) -> None:
    for path in (WITHDRAWALS, DEPOSITS):
        assert (await bank.post(path, key, bank.body)).status_code == 422


async def test_without_a_chain_there_is_nowhere_to_go(bank: Bank) -> None:
    site = bank.house.app.state.site
    bank.house.app.state.site = replace(site, teller=lambda: None)
    for path in (WITHDRAWALS, DEPOSITS):
        answer = await bank.post(path, "k", bank.body)
        assert problem(answer)[1] == "no-chain", pretty(answer)
