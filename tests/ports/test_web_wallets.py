"""A member links his own account to his name, and nobody else's."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from meterseal_aggregator.identity import wallets
from meterseal_aggregator.stacks.transaction import AccountKey
from meterseal_aggregator.web.limits import Rate
from meterseal_proto.binding import Binding
from meterseal_proto.c32 import TESTNET_MULTI, Address, Principal, single
from meterseal_proto.curve import ORDER
from meterseal_proto.keys import Algorithm, SealKey
from meterseal_proto.wallet import LIFETIME_S
from tests.support.enrolling import GENESIS
from tests.support.village import (
    KEY,
    ME,
    OTHER,
    RETIRE,
    RETIRED,
    Json,
    Village,
    a_village,
    challenge_of,
    problem,
    signed,
)
from tests.support.webhouse import LATER


@pytest.fixture
async def village(tmp_path: Path) -> AsyncIterator[Village]:
    async with a_village(tmp_path) as found:
        yield found


async def test_who_signs_the_challenge_is_linked_until_he_ends_it(
    village: Village,
) -> None:
    told = await village.challenge()
    asked = challenge_of(told)
    assert told["message"] == asked.message().hex()
    assert told["domain"] == asked.domain(told["chain_id"]).hex()
    assert (asked.network, asked.expires) == (GENESIS.network, LATER + LIFETIME_S)
    assert asked.member == village.house.members["ada"]
    answer = await village.link("ada", told, signed(told))
    wallet = answer.json()
    assert wallet == {
        "id": wallet["id"], "principal": ME.text(), "from_at": LATER, "to_at": None,
    }  # fmt: skip
    async with village.house.db.reading() as tx:
        assert await wallets.holder(tx, Principal(ME)) == village.house.members["ada"]
    village.now += 60
    gone = await village.house.ask("DELETE", f"/v1/me/wallets/{wallet['id']}", "ada")
    assert gone.status_code == 204
    page = await village.house.get("/v1/me/wallets", "ada")
    assert page == {"items": [wallet | {"to_at": LATER + 60}], "next": None}
    async with village.house.db.reading() as tx:
        assert await wallets.holder(tx, Principal(ME)) is None
    again = await village.house.ask("DELETE", f"/v1/me/wallets/{wallet['id']}", "ada")
    assert problem(again) == (404, "not-found")


async def test_a_challenge_is_answered_once(village: Village) -> None:
    told = await village.challenge()
    signature = signed(told)
    wallet = (await village.link("ada", told, signature)).json()
    again = await village.link("ada", told, signature)
    assert problem(again) == (409, "challenge-answered")
    await village.house.ask("DELETE", f"/v1/me/wallets/{wallet['id']}", "ada")
    replayed = await village.link("ada", told, signature)
    assert problem(replayed) == (409, "challenge-answered")


async def test_a_challenge_expires(village: Village) -> None:
    told = await village.challenge()
    village.now = told["expires"] + 1
    late = await village.link("ada", told, signed(told))
    assert problem(late) == (410, "challenge-expired")
    village.now -= 1
    assert (await village.link("ada", told, signed(told))).status_code == 201


async def test_another_members_challenge_is_none_of_mine(village: Village) -> None:
    told = await village.challenge("bo")
    taken = await village.link("ada", told, signed(told))
    assert problem(taken) == (404, "no-such-challenge")
    mine = await village.challenge("ada")
    as_bo = signed(mine, member=village.house.members["bo"])
    assert problem(await village.link("ada", mine, as_bo)) == (403, "signature-refused")


def high(signature: bytes) -> bytes:
    """The same consent with the other s."""
    s = ORDER - int.from_bytes(signature[32:64])
    return signature[:32] + s.to_bytes(32) + bytes((1 - signature[64],))


def binding(told: Json) -> bytes:
    """A seal key's consent to something else, by the account's own key."""
    wish = Binding(GENESIS.network, bytes(16), Principal(ME), 1)
    return wish.sign(SealKey(Algorithm.SECP256K1, KEY.secret), told["chain_id"])


@pytest.mark.parametrize(
    "forge",
    [
        lambda t: signed(t, OTHER), lambda t: signed(t, network=bytes(32)),
        lambda t: signed(t, nonce=bytes(32)), lambda t: signed(t, expires=t["expires"] + 1),
        lambda t: challenge_of(t).sign(KEY.secret, 0x80000005),
        lambda t: challenge_of(t).sign(KEY.secret, 1),
        lambda t: high(signed(t)),
        lambda t: signed(t)[:64] + bytes((1 - signed(t)[64],)),
        lambda t: signed(t)[:64] + b"\x1b",
        lambda t: signed(t)[64:] + signed(t)[:64],
        binding, lambda _: bytes(65), lambda _: b"\xff" * 65,
    ],
    ids=[
        "key", "network", "nonce", "time", "chain", "mainnet", "high-s", "recid", "27",
        "vrs", "binding", "zeros", "ones",
    ],
)  # fmt: skip
async def test_what_was_not_signed_so_links_nothing(
    village: Village, forge: Any
) -> None:
    told = await village.challenge()
    answer = await village.link("ada", told, forge(told))
    assert problem(answer) == (403, "signature-refused")
    assert (await village.house.get("/v1/me/wallets", "ada"))["items"] == []
    assert (await village.link("ada", told, signed(told))).status_code == 201


MAINNET = single(KEY.public, mainnet=True).text()


@pytest.mark.parametrize(
    ("principal", "name"),
    [
        (MAINNET, "not-an-account"), (f"{ME.text()}.purse", "not-an-account"),
        (Address(TESTNET_MULTI, ME.hash).text(), "not-an-account"),
        (ME.text()[:-1] + "0", "bad-request"), ("", "bad-request"),
        (ME.text().lower(), "bad-request"), ("S" * 91, "bad-request"),
    ],
)  # fmt: skip
async def test_no_challenge_is_given_for_what_nobody_here_can_sign(
    village: Village, principal: str, name: str
) -> None:
    body = {"principal": principal}
    answer = await village.post("ada", "/v1/me/wallet-challenges", body)
    assert problem(answer) == (422, name)


async def test_an_account_is_one_members_at_a_time(village: Village) -> None:
    wallet = await village.linked("ada")
    for who in ("bo", "ada"):
        told = await village.challenge(who)
        taken = await village.link(who, told, signed(told))
        assert problem(taken) == (409, "wallet-linked")
    theft = await village.house.ask("DELETE", f"/v1/me/wallets/{wallet['id']}", "bo")
    assert problem(theft) == (404, "not-found")
    await village.house.ask("DELETE", f"/v1/me/wallets/{wallet['id']}", "ada")
    await village.linked("bo")
    assert len((await village.house.get("/v1/me/wallets", "ada"))["items"]) == 1


async def test_a_member_may_have_several_and_pages_through_them(
    village: Village,
) -> None:
    for n in range(1, 4):
        await village.linked("ada", AccountKey(bytes((n,)) * 32))
    first = await village.house.get("/v1/me/wallets?limit=2", "ada")
    rest = await village.house.get(f"/v1/me/wallets?after={first['next']}", "ada")
    assert (len(first["items"]), len(rest["items"]), rest["next"]) == (2, 1, None)


async def test_challenges_that_wait_are_few_and_forgotten(village: Village) -> None:
    for _ in range(wallets.MAX_OPEN):
        await village.challenge()
    body = {"principal": ME.text()}
    more = await village.post("ada", "/v1/me/wallet-challenges", body)
    assert problem(more) == (429, "too-many-challenges")
    await village.challenge("bo")
    village.now += LIFETIME_S + 1
    await village.challenge()
    async with village.house.db.reading() as tx:
        ((left,),) = await tx.rows("SELECT count(*) FROM wallet_challenges")
    assert left == 2


async def test_a_member_who_asks_too_often_waits(village: Village) -> None:
    site = village.house.app.state.site
    village.house.app.state.site = replace(site, wallets=Rate(3_600.0, 2))
    for _ in range(2):
        await village.challenge()
    body = {"arguments": RETIRED}
    for path in (RETIRE, "/v1/me/wallet-challenges", "/v1/me/wallets"):
        sent = body if path == RETIRE else {"principal": ME.text()}
        if path == "/v1/me/wallets":
            sent = {"nonce": "00" * 32, "signature": "00" * 65}
        answer = await village.post("ada", path, sent)
        assert problem(answer) == (429, "too-many-requests")
    await village.challenge("bo")


async def test_a_registrar_sees_whose_accounts_they_are_and_no_neighbour_does(
    village: Village,
) -> None:
    wallet = await village.linked("ada")
    path = f"/v1/members/{village.house.members['ada']}/wallets"
    for who in ("operator", "ada"):
        assert (await village.house.get(path, who))["items"] == [wallet]
    for who in ("bo", "auditor", "metrics"):
        refused = await village.house.ask("GET", path, who)
        assert problem(refused) == (403, "not-yours")


@pytest.mark.parametrize("who", ["operator", "auditor", "metrics"])
async def test_only_a_member_has_wallets(village: Village, who: str) -> None:
    asked = [
        await village.house.ask("GET", "/v1/me/wallets", who),
        await village.house.ask("GET", "/v1/me/calls", who),
        await village.house.ask("DELETE", "/v1/me/wallets/1", who),
        await village.post(who, RETIRE, {"arguments": RETIRED}),
        await village.post(who, "/v1/me/wallet-challenges", {"principal": ME.text()}),
    ]
    assert [problem(answer) for answer in asked] == [(403, "not-yours")] * 5


async def test_the_schema_itself_keeps_links_and_challenges(village: Village) -> None:
    await village.linked()
    for deed in (
        "DELETE FROM wallets",
        "UPDATE wallets SET member_id = 2",
        "UPDATE wallets SET principal = 'ST' || principal",
        "UPDATE wallet_challenges SET answered_at = NULL",
        "DELETE FROM wallet_challenges",
    ):
        with pytest.raises(Exception, match=r"never deleted|only end|once|stays known"):
            async with village.house.db.transaction() as tx:
                await tx.rows(deed)
