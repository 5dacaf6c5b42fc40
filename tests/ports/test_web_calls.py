"""A member is handed calls for his own account: bytes, words, and no more than that."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.unsigned import read_unsigned
from meterseal_aggregator.stacks.transaction import AccountKey
from meterseal_aggregator.stacks.wallet.membercalls import CALLS
from tests.support.fakechain import CHAIN
from tests.support.fakenode import Trouble
from tests.support.village import (
    AT,
    ME,
    OTHER,
    RETIRE,
    RETIRED,
    THEIRS,
    Json,
    Village,
    a_village,
    problem,
)
from tests.support.webhouse import pretty


@pytest.fixture
async def village(tmp_path: Path) -> AsyncIterator[Village]:
    async with a_village(tmp_path) as found:
        yield found


async def test_a_call_is_handed_out_for_the_members_own_account(
    village: Village,
) -> None:
    await village.linked()
    answer = await village.post("ada", RETIRE, {"arguments": RETIRED})
    assert answer.status_code == 200, pretty(answer)
    told = answer.json()
    found = read_unsigned(bytes.fromhex(told["unsigned"]))
    assert (found.signer, found.transaction.network) == (ME.hash, CHAIN)
    assert (found.transaction.nonce, found.transaction.fee) == (
        told["nonce"],
        told["fee"],
    )
    assert found.call.function == told["request"]["functionName"] == "retire"
    assert told["words"] == [
        f"call {AT.address.text()}.energy-token.retire", "amount: 5",
        "beneficiary: 0x" + "33" * 32, "from: 900", "to: 1800",
        f"you may send exactly 5 energy of {AT.address.text()}.energy-token",
    ]  # fmt: skip
    assert 0 < told["fee"] <= 10_000


async def test_whose_tokens_move_is_not_asked(village: Village) -> None:
    await village.linked()
    path = "/v1/me/calls/energy-token.transfer"
    arguments = {"amount": 7, "recipient": THEIRS.text(), "memo": None}
    told = (await village.post("ada", path, {"arguments": arguments})).json()
    assert f"sender: {ME.text()}" in told["words"]
    stolen = arguments | {"sender": THEIRS.text()}
    answer = await village.post("ada", path, {"arguments": stolen})
    assert problem(answer) == (422, "bad-request")


async def test_the_account_is_said_where_there_are_several(village: Village) -> None:
    body: dict[str, Json] = {"arguments": RETIRED}
    assert problem(await village.post("ada", RETIRE, body)) == (409, "no-wallet")
    await village.linked("ada")
    await village.linked("ada", AccountKey(b"\x63" * 32))
    assert problem(await village.post("ada", RETIRE, body)) == (409, "no-wallet")
    chosen = await village.post("ada", RETIRE, body | {"principal": ME.text()})
    assert chosen.json()["principal"] == ME.text()
    await village.linked("bo", OTHER)
    foreign = await village.post("ada", RETIRE, body | {"principal": THEIRS.text()})
    assert problem(foreign) == (409, "no-wallet")


async def test_a_nonce_of_ones_own_stays_within_what_may_wait(village: Village) -> None:
    await village.linked()
    body: dict[str, Json] = {"arguments": RETIRED}
    told = (await village.post("ada", RETIRE, body | {"nonce": 19})).json()
    assert told["nonce"] == 19
    far = await village.post("ada", RETIRE, body | {"nonce": 20})
    assert problem(far) == (409, "not-handed-out")
    for wrong in (-1, True, "0", 1.0, 1 << 60):
        answer = await village.post("ada", RETIRE, body | {"nonce": wrong})
        assert problem(answer) == (422, "bad-request")


async def test_a_dear_chain_and_a_silent_node_are_said_to_be_so(
    village: Village,
) -> None:
    await village.linked()
    site = village.house.app.state.site
    village.house.app.state.site = replace(site, chain=replace(site.chain, fee_cap=10))
    answer = await village.post("ada", RETIRE, {"arguments": RETIRED})
    assert problem(answer) == (409, "not-handed-out")
    village.node.script = iter([Trouble.ERROR])
    answer = await village.post("ada", RETIRE, {"arguments": RETIRED})
    assert problem(answer) == (503, "unavailable")
    village.house.app.state.site = replace(site, chain=None)
    answer = await village.post("ada", RETIRE, {"arguments": RETIRED})
    assert problem(answer) == (409, "no-chain")


WRONG: Mapping[str, Json] = {
    "amount": {**RETIRED, "amount": -1},
    "beneficiary": {**RETIRED, "beneficiary": "33" * 31},
    "start": {k: v for k, v in RETIRED.items() if k != "start"},
    "end": {**RETIRED, "end": "1800"},
    "arguments": {**RETIRED, "also": 1},
}


@pytest.mark.parametrize("where", WRONG)
async def test_a_wrong_argument_is_named(village: Village, where: str) -> None:
    await village.linked()
    answer = await village.post("ada", RETIRE, {"arguments": WRONG[where]})
    assert problem(answer) == (422, "bad-request")
    assert answer.json()["faults"][0]["where"] == where


@pytest.mark.parametrize(
    "function", ["energy-token.mint", "roles.grant", "energy-token.post-epoch", "a.b"]
)
async def test_what_members_do_not_call_is_not_handed_out(
    village: Village, function: str
) -> None:
    await village.linked()
    answer = await village.post("ada", f"/v1/me/calls/{function}", {"arguments": {}})
    assert problem(answer) == (404, "not-found")


async def test_the_list_and_the_page_say_what_to_write(village: Village) -> None:
    listed = await village.house.get("/v1/me/calls", "ada")
    assert {one["function"] for one in listed["items"]} == set(CALLS)
    retire = next(o for o in listed["items"] if o["function"] == "energy-token.retire")
    assert retire["arguments"].keys() == RETIRED.keys()
    page = json.dumps(village.house.app.openapi())
    assert ME.text() in page
    assert '"beneficiary": "3333' in page
