"""A member opens his bill on the chain over the API: his own, knowingly, and is shown what to sign."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from meterseal_aggregator.billing.chain import store
from meterseal_aggregator.billing.chain.follow import Follow
from meterseal_aggregator.billing.chain.model import ChainTariff, Till
from meterseal_aggregator.billing.chain.totals import on_totals
from meterseal_aggregator.billing.model import BillRow
from meterseal_aggregator.identity import store as identity
from meterseal_aggregator.identity import wallets
from meterseal_aggregator.identity.model import MemberId, Role
from meterseal_aggregator.intake.port import Counters
from meterseal_aggregator.stacks.events.bills import BillIssued, BillPaid
from meterseal_aggregator.stacks.mirror.indexer import Settled
from meterseal_aggregator.stacks.transaction import AccountKey
from meterseal_aggregator.stacks.wallet.membercalls import made
from meterseal_aggregator.web.shapes import Site
from meterseal_aggregator.web.site import build
from meterseal_proto.c32 import Principal
from meterseal_proto.chainproof import opening
from meterseal_proto.chaintariff import chain_tariff_hash
from tests.support.devices import BEGAN_AT, GENESIS
from tests.support.energychain import AT, CHAIN, ORACLE
from tests.support.enrolling import TERMS
from tests.support.privatebills import STX, PrivateHome, a_home

NOW = BEGAN_AT + 100_000
KEY = AccountKey(bytes([7]) * 32)
ME = Principal(KEY.address(CHAIN))
TILL = Till(GENESIS, AT, ORACLE, ORACLE.text(), {}, 14 * 86_400)
PATH = "/v1/me/chain-bills"
Json = Any  # an answer's body


@dataclass
class Desk:
    """A private home's bill behind the API."""

    home: PrivateHome
    row: BillRow
    app: FastAPI
    tokens: dict[str, str] = field(default_factory=dict)

    async def ask(
        self, method: str, path: str, who: str = "ada", **rest: Any
    ) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self.tokens[who]}"}
        transport = httpx2.ASGITransport(app=self.app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://127.0.0.1"
        ) as client:
            return await client.request(method, path, headers=headers, **rest)

    def body(self, **change: object) -> dict[str, object]:
        whole = self.home.opening
        found = opening(whole.value.reveal(), whole.blinding)
        fields: dict[str, object] = {
            "number": self.row.number, "usage": found.value, "z": found.z.hex(),
            "a": "", "for_ever": True,
        }  # fmt: skip
        return fields | change

    async def open(self, who: str = "ada", **change: object) -> httpx2.Response:
        return await self.ask("POST", PATH, who, json=self.body(**change))

    async def tell(self, *events: BillIssued | BillPaid) -> None:
        follow = Follow(TILL, lambda: NOW)
        for n, one in enumerate(events):
            at = Settled(n + 1, "b" * 64, f"{n:064x}", 0, one)
            async with self.home.desk.database.transaction() as tx:
                await follow(tx, at)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with a_home(tmp_path) as home:
        row = await home.issue(await home.opened())
        site = Site(
            database=home.desk.database,
            terms=TERMS,
            now=lambda: NOW,
            real_now=lambda: NOW,
            uplink=Counters(),
            intake=home.desk.intake.tally,
            duties={},
            till=lambda: TILL,
        )
        desk = Desk(home, row, build(site))
        await _people(desk)
        yield desk


async def _people(desk: Desk) -> None:
    home = desk.home
    whole = on_totals(home.tariff, BEGAN_AT)
    terms = TILL.terms(STX)
    name = chain_tariff_hash(whole, terms)
    async with home.desk.database.transaction() as tx:
        known = ChainTariff(
            name, home.tariff.hash(), whole.document(), ORACLE.text(), terms.due,
            BEGAN_AT, posted=False,
        )  # fmt: skip
        await store.add_tariff(tx, known)
        await store.tariff_stands(tx, name)
        eve = await identity.add_member(tx, "Eve", now=1)
        for who, member in (("ada", home.member), ("eve", eve)):
            new = identity.NewToken(Role.MEMBER, "test", 1, NOW + 60, MemberId(member))
            desk.tokens[who] = await identity.make_token(tx, new)
        new = identity.NewToken(Role.OPERATOR, "test", 1, NOW + 60)
        desk.tokens["operator"] = await identity.make_token(tx, new)
        asker = wallets.Asker(MemberId(home.member), GENESIS.network, CHAIN.chain_id)
        asked = await wallets.issue(tx, asker, ME, now=NOW)
        signed = asked.sign(KEY.secret, CHAIN.chain_id)
        await wallets.link(tx, asker, wallets.Answer(asked.nonce, signed), now=NOW)


async def test_a_bill_is_opened_once_and_its_member_is_shown_what_to_sign(
    desk: Desk,
) -> None:
    answer = await desk.open()
    assert answer.status_code == 201, answer.text
    shown: Json = answer.json()
    assert (shown["state"], shown["on_chain"]) == ("days-waiting", None)
    assert [call["function"] for call in shown["calls"]] == ["billing.let-provider"]
    assert (await desk.open()).json() == shown
    async with desk.home.desk.database.reading() as tx:
        bill = await store.of_bill(tx, desk.row.id)
    assert bill is not None
    issued = BillIssued(
        3, ME, ORACLE, bill.meter, bill.begin, bill.end, bill.usage, bill.asked, NOW
    )
    await desk.tell(issued, BillPaid(3, ME, 5, bill.asked - 5))
    (one,) = (await desk.ask("GET", PATH)).json()["items"]
    assert (one["state"], one["on_chain"], one["paid_micro"]) == ("open", 3, 5)
    assert one["left_micro"] == bill.asked - 5
    (call,) = one["calls"]
    signed = made(AT, ME, call["function"], call["arguments"])
    (moves,) = signed.conditions
    assert moves.amount == bill.asked - 5
    assert (await desk.ask("GET", PATH, "eve")).json()["items"] == []


async def test_nobody_opens_another_members_bill_nor_without_saying_for_ever(
    desk: Desk,
) -> None:
    assert (await desk.open("eve")).json()["type"].endswith("no-wallet")
    stranger = await desk.open("eve", payer=ME.text())
    assert (stranger.status_code, stranger.json()["type"]) == (
        409,
        stranger.json()["type"],
    )
    assert stranger.json()["type"].endswith("no-such-bill")
    for wrong in ({"for_ever": False}, {"z": "00"}, {"usage": -1}, {"usage": 1 << 49}):
        assert (await desk.open(**wrong)).status_code == 422
    lied = await desk.open(usage=1)
    assert lied.json()["type"].endswith("opening-wrong")
    assert (
        await desk.ask("POST", PATH, "operator", json=desk.body())
    ).status_code == 403
    assert await desk.home.desk.count("chain_bills") == 0


async def test_an_operator_quotes_a_bill_only_while_it_asks_for_something(
    desk: Desk,
) -> None:
    path = f"/v1/bills/{desk.row.number}/quotes"
    body = {"asset": "STX", "price_micro": 5, "until": NOW + 60}
    assert (await desk.ask("POST", path, json=body)).status_code == 403
    early = await desk.ask("POST", path, "operator", json=body)
    assert early.json()["type"].endswith("bill-state")
    unknown = await desk.ask(
        "POST", "/v1/bills/2026-99999999/quotes", "operator", json=body
    )
    assert unknown.status_code == 404
