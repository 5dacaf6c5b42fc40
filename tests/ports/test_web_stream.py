"""The live stream of a member over a real server: complete, in order, and his own."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from meterseal_aggregator.web import listeners as watching
from meterseal_aggregator.web import stream
from meterseal_aggregator.web.listeners import Listeners
from tests.support.listening import WITHIN_S, Server, an_ear, hear, serving, tell
from tests.support.webhouse import WebHouse, a_house, pretty


@pytest.fixture
async def house(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[WebHouse]:
    monkeypatch.setattr(watching, "WATCH_S", 0.05)
    async with a_house(tmp_path) as opened:
        yield opened


@pytest.fixture
async def server(house: WebHouse) -> AsyncIterator[Server]:
    async with serving(house.app) as running:
        yield running


async def test_a_stream_is_one_as_the_html_standard_has_it(
    house: WebHouse, server: Server
) -> None:
    await tell(house, "ada", 1)
    async with an_ear(server, house.tokens["ada"], "?after=0") as ear:
        assert ear.answer.status_code == 200
        kind = ear.answer.headers["content-type"].partition(";")[0]
        assert kind == "text/event-stream"
        assert ear.answer.headers["cache-control"] == "no-store"
        raw = ear.answer.aiter_bytes()
        got = b""
        while b"data" not in got:
            got += await anext(raw)
    head, _, rest = got.partition(b"\n\n")
    assert head == b"retry: 3000\nid: 0"
    assert rest == b'id: 1\nevent: order\ndata: {"id":1}\n\n'


async def test_each_hears_his_own_as_it_happens_and_nobody_elses(
    house: WebHouse, server: Server
) -> None:
    async with (
        an_ear(server, house.tokens["ada"]) as ada,
        an_ear(server, house.tokens["bo"]) as bo,
    ):
        for ear in (ada, bo):
            assert await ear.next() is not None
        for number in range(5):
            await tell(house, "ada", number)
            await tell(house, "bo", 100 + number)
        assert await hear(ada, 5) == [0, 1, 2, 3, 4]
        assert await hear(bo, 5) == [100, 101, 102, 103, 104]
    page = await house.get("/v1/me/event-log?limit=3", "bo")
    assert [one["body"] for one in page["items"]] == [{"id": 100 + n} for n in range(3)]
    rest = await house.get(f"/v1/me/event-log?after={page['next']}", "bo")
    assert [one["body"]["id"] for one in rest["items"]] == [103, 104]
    assert (await house.get("/v1/me/event-log", "cleo"))["items"] == []


async def test_who_says_nothing_hears_from_now_on_and_knows_his_place(
    house: WebHouse, server: Server
) -> None:
    await tell(house, "ada", 1, 2)
    async with an_ear(server, house.tokens["ada"]) as ear:
        start = await ear.next()
        assert start is not None
        assert (start.id, start.data, ear.retry_ms) == (2, None, 3_000)
        await tell(house, "ada", 3)
        assert await hear(ear, 1) == [3]


async def test_a_stream_goes_on_after_a_restart_without_loss_or_double(
    house: WebHouse,
) -> None:
    heard: list[int] = []
    last: str | None = "0"
    for round_ in range(4):
        house.app.state.site = replace(house.app.state.site, listeners=Listeners())
        await tell(house, "ada", *range(round_ * 100, round_ * 100 + 50))
        async with (
            serving(house.app) as server,
            an_ear(server, house.tokens["ada"], last=last) as ear,
        ):
            telling = range(round_ * 100 + 50, round_ * 100 + 100)
            told = asyncio.create_task(tell(house, "ada", *telling))
            # Leave in the middle: what was read counts, the rest comes again.
            heard += await hear(ear, 60 if round_ < 3 else 160)
            await told
            last = ear.last
    assert heard == list(range(340))


async def test_the_header_says_more_than_the_address(
    house: WebHouse, server: Server
) -> None:
    # A browser that comes back asks for the address it began with.
    await tell(house, "ada", 1, 2, 3)
    token = house.tokens["ada"]
    async with an_ear(server, token, "?after=0", last="2") as ear:
        assert await hear(ear, 1) == [3]


async def test_a_place_of_a_time_that_was_restored_away_still_hears_what_comes(
    house: WebHouse, server: Server
) -> None:
    await tell(house, "ada", 1)
    async with an_ear(server, house.tokens["ada"], last="500") as ear:
        start = await ear.next()
        assert start is not None
        assert start.id == 1
        await tell(house, "ada", 2)
        assert await hear(ear, 1) == [2]


@pytest.mark.parametrize("last", ["-1", "1e3", "x", "9" * 19])
async def test_what_is_no_place_is_refused(
    house: WebHouse, server: Server, last: str
) -> None:
    async with an_ear(server, house.tokens["ada"], last=last) as ear:
        assert ear.answer.status_code == 422
        assert ear.answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("who", ["operator", "auditor", "metrics"])
async def test_only_members_have_a_stream(house: WebHouse, who: str) -> None:
    for path in ("/v1/me/events", "/v1/me/event-log"):
        answer = await house.ask("GET", path, who)
        assert answer.status_code == 403, pretty(answer)


async def test_while_all_is_quiet_a_comment_comes_now_and_then(
    house: WebHouse, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT_S", 0.05)
    async with an_ear(server, house.tokens["ada"]) as ear:
        lines = ear.answer.aiter_lines()
        comments = 0
        async with asyncio.timeout(WITHIN_S):
            async for line in lines:
                comments += line.startswith(":")
                if comments == 3:
                    break
