"""Notices over the API: what a member says of himself, and what an operator looks after."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from meterseal_aggregator.notices import outbox
from meterseal_aggregator.notices.model import Kind, State, Way
from tests.support.webhouse import LATER, WebHouse, a_house, pretty

HOOK = "https://ada.example/hook"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[WebHouse]:
    async with a_house(tmp_path) as opened:
        yield opened


async def say(house: WebHouse, who: str, body: object, of: str = "ada") -> Any:
    path = f"/v1/members/{house.members[of]}/notice-preferences"
    return await house.ask("PUT", path, who, json=body)


def wish(*addresses: dict[str, object], language: str = "sw") -> dict[str, object]:
    return {"language": language, "addresses": list(addresses)}


async def test_a_member_says_how_he_is_told_and_reads_it_again(house: WebHouse) -> None:
    sms: dict[str, object] = {
        "way": "sms", "address": "+254700000007", "kinds": ["bill-issued"],
    }  # fmt: skip
    answer = await say(house, "ada", wish(sms))
    assert answer.status_code == 200, pretty(answer)
    path = f"/v1/members/{house.members['ada']}/notice-preferences"
    assert await house.get(path, "ada") == answer.json()
    assert answer.json() == {"language": "sw", "addresses": [{**sms, "secret": None}]}
    await say(house, "operator", wish(language="hi"))
    assert await house.get(path, "operator") == {"language": "hi", "addresses": []}
    acts = (await house.get("/v1/acts", "operator"))["items"]
    assert [act["act"] for act in acts].count("notice-preferences") == 1


async def test_nobody_else_is_told_where_a_member_is_reached(house: WebHouse) -> None:
    await say(house, "ada", wish({"way": "email", "address": "ada@home.example"}))
    path = f"/v1/members/{house.members['ada']}/notice-preferences"
    for who in ("bo", "cleo", "auditor", "metrics"):
        assert (await house.ask("GET", path, who)).status_code == 403
        assert (await say(house, who, wish())).status_code == 403


async def test_a_webhooks_secret_is_shown_once(house: WebHouse) -> None:
    hook: dict[str, object] = {"way": "webhook", "address": HOOK}
    first = (await say(house, "ada", wish(hook))).json()["addresses"][0]
    again = (await say(house, "ada", wish(hook))).json()["addresses"][0]
    assert first["secret"].startswith("whsec_")
    assert again["secret"] is None
    path = f"/v1/members/{house.members['ada']}/notice-preferences"
    assert (await house.get(path, "ada"))["addresses"][0]["secret"] is None
    other = {**hook, "address": "https://b.example/hook"}
    moved = (await say(house, "ada", wish(other))).json()["addresses"][0]
    assert moved["secret"] not in (None, first["secret"])


@pytest.mark.parametrize(
    "body",
    [
        wish({"way": "email", "address": "nobody"}),
        wish({"way": "sms", "address": "0700"}),
        wish({"way": "webhook", "address": "ftp://x"}),
        wish({"way": "file", "address": "/etc/passwd"}),
        wish({"way": "email", "address": "a@b.example", "kinds": []}),
        wish({"way": "email", "address": "a@b.example", "kinds": ["all"]}),
        wish({"way": "email", "address": "a@b.example"}, {"way": "email", "address": "c@d.example"}),
        wish(language="tlh"),
        {},
        {**wish(), "x": 1},
    ],
)  # fmt: skip
async def test_a_wish_that_cannot_be_is_a_problem_that_repeats_nothing(
    house: WebHouse, body: dict[str, object]
) -> None:
    answer = await say(house, "ada", body)
    assert answer.status_code == 422, pretty(answer)
    for one in ("nobody", "0700", "passwd", "a@b"):
        assert one not in answer.text


async def test_an_operator_sees_what_was_given_up_and_has_it_tried_again(
    house: WebHouse,
) -> None:
    async with house.db.transaction() as tx:
        drafts = [
            outbox.Draft(
                house.members["ada"], Way.EMAIL, Kind.DISPUTE_DECIDED, n, LATER
            )
            for n in ("1", "2")
        ]
        assert await outbox.put(tx, drafts) == 2
        assert await outbox.put(tx, drafts) == 0
        first, _ = await outbox.take_due(tx, now=LATER, limit=9)
        ending = outbox.Ending(first.id, State.GIVEN_UP, "no such user")
        await outbox.settle(tx, [ending], now=LATER)
    (row,) = (await house.get("/v1/notices?state=given-up", "operator"))["items"]
    assert (row["about"], row["error"], row["attempts"]) == ("1", "no such user", 1)
    assert len((await house.get("/v1/notices", "operator"))["items"]) == 2
    path = f"/v1/notices/{row['id']}/retry"
    assert (await house.post(path, "operator", {})).status_code == 200
    assert (await house.post(path, "operator", {})).status_code == 404
    assert (await house.get("/v1/notices?state=given-up", "operator"))["items"] == []
    assert (await house.ask("GET", "/v1/notices", "ada")).status_code == 403
