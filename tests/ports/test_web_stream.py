"""The live stream of a member over a real server: complete, in order, his own, and bounded."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from meterseal_aggregator.app.webserver import WebBounds
from meterseal_aggregator.identity import events
from meterseal_aggregator.identity import store as identity
from meterseal_aggregator.identity.events import Told
from meterseal_aggregator.storage.database import Database, Transaction
from meterseal_aggregator.web import listeners as watching
from meterseal_aggregator.web import stream
from meterseal_aggregator.web.listeners import OF_ONE_MEMBER, Listeners
from tests.support.listening import WITHIN_S, Ear, Server, an_ear, serving
from tests.support.webhouse import LATER, WebHouse, a_house, pretty


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


async def _tell(house: WebHouse, who: str, *numbers: int) -> None:
    told = [Told(house.members[who], "order", {"id": number}) for number in numbers]
    async with house.db.transaction() as tx:
        await events.tell(tx, told, now=LATER)


async def _hear(ear: Ear, count: int) -> list[int]:
    """Return the numbers of the next events, each after the one before."""
    heard: list[int] = []
    places: list[int] = []
    while len(heard) < count:
        event = await ear.next()
        assert event is not None
        if event.data is not None:
            assert event.kind == "order"
            heard.append(event.data["id"])
            places.append(event.id)
    assert places == sorted(set(places))
    return heard


async def test_a_stream_is_one_as_the_html_standard_has_it(
    house: WebHouse, server: Server
) -> None:
    await _tell(house, "ada", 1)
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
            await _tell(house, "ada", number)
            await _tell(house, "bo", 100 + number)
        assert await _hear(ada, 5) == [0, 1, 2, 3, 4]
        assert await _hear(bo, 5) == [100, 101, 102, 103, 104]
    page = await house.get("/v1/me/event-log?limit=3", "bo")
    assert [one["body"] for one in page["items"]] == [{"id": 100 + n} for n in range(3)]
    rest = await house.get(f"/v1/me/event-log?after={page['next']}", "bo")
    assert [one["body"]["id"] for one in rest["items"]] == [103, 104]
    assert (await house.get("/v1/me/event-log", "cleo"))["items"] == []


async def test_who_says_nothing_hears_from_now_on_and_knows_his_place(
    house: WebHouse, server: Server
) -> None:
    await _tell(house, "ada", 1, 2)
    async with an_ear(server, house.tokens["ada"]) as ear:
        start = await ear.next()
        assert start is not None
        assert (start.id, start.data, ear.retry_ms) == (2, None, 3_000)
        await _tell(house, "ada", 3)
        assert await _hear(ear, 1) == [3]


async def test_a_stream_goes_on_after_a_restart_without_loss_or_double(
    house: WebHouse,
) -> None:
    heard: list[int] = []
    last: str | None = "0"
    for round_ in range(4):
        house.app.state.site = replace(house.app.state.site, listeners=Listeners())
        await _tell(house, "ada", *range(round_ * 100, round_ * 100 + 50))
        async with (
            serving(house.app) as server,
            an_ear(server, house.tokens["ada"], last=last) as ear,
        ):
            telling = range(round_ * 100 + 50, round_ * 100 + 100)
            told = asyncio.create_task(_tell(house, "ada", *telling))
            # Leave in the middle: what was read counts, the rest comes again.
            heard += await _hear(ear, 60 if round_ < 3 else 160)
            await told
            last = ear.last
    assert heard == list(range(340))


async def test_the_header_says_more_than_the_address(
    house: WebHouse, server: Server
) -> None:
    # A browser that comes back asks for the address it began with.
    await _tell(house, "ada", 1, 2, 3)
    token = house.tokens["ada"]
    async with an_ear(server, token, "?after=0", last="2") as ear:
        assert await _hear(ear, 1) == [3]


async def test_a_place_of_a_time_that_was_restored_away_still_hears_what_comes(
    house: WebHouse, server: Server
) -> None:
    await _tell(house, "ada", 1)
    async with an_ear(server, house.tokens["ada"], last="500") as ear:
        start = await ear.next()
        assert start is not None
        assert start.id == 1
        await _tell(house, "ada", 2)
        assert await _hear(ear, 1) == [2]


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


async def test_a_member_has_few_streams_and_leaving_makes_room(
    house: WebHouse, server: Server
) -> None:
    ada = house.tokens["ada"]
    async with AsyncExitStack() as held:
        for _ in range(OF_ONE_MEMBER):
            ear = await held.enter_async_context(an_ear(server, ada))
            assert ear.answer.status_code == 200
        async with an_ear(server, ada) as surplus:
            assert surplus.answer.status_code == 429
            problem = json.loads(await surplus.answer.aread())
            assert problem["type"] == "urn:meterseal:problem:too-many"
        async with an_ear(server, house.tokens["bo"]) as other:
            assert other.answer.status_code == 200
    await _opens(server, ada)


async def test_a_process_has_a_limit_for_all_together(house: WebHouse) -> None:
    site = house.app.state.site
    house.app.state.site = replace(site, listeners=Listeners(total=2))
    async with serving(house.app) as server:
        async with (
            an_ear(server, house.tokens["ada"]) as first,
            an_ear(server, house.tokens["bo"]) as second,
            an_ear(server, house.tokens["cleo"]) as third,
        ):
            statuses = [ear.answer.status_code for ear in (first, second, third)]
        assert statuses == [200, 200, 429]
        await _opens(server, house.tokens["cleo"])


async def _opens(server: Server, token: str) -> None:
    """Wait until the server has seen who left."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            async with an_ear(server, token) as ear:
                if ear.answer.status_code == 200:
                    return
            await asyncio.sleep(0.02)


async def test_a_revoked_token_ends_its_streams_and_no_others(
    house: WebHouse, server: Server
) -> None:
    async with (
        an_ear(server, house.tokens["ada"]) as ada,
        an_ear(server, house.tokens["bo"]) as bo,
    ):
        assert await ada.next() is not None
        assert await bo.next() is not None
        async with house.db.transaction() as tx:
            mine = await identity.caller(tx, house.tokens["ada"], now=LATER)
            assert mine is not None
            assert await identity.revoke_token(tx, mine.token, now=LATER)
        assert await ada.next() is None
        await _tell(house, "bo", 1)
        assert await _hear(bo, 1) == [1]


async def test_a_token_that_expires_ends_its_streams(house: WebHouse) -> None:
    clock = [float(LATER)]
    site = replace(house.app.state.site, real_now=lambda: clock[0])
    house.app.state.site = site
    async with (
        serving(house.app) as server,
        an_ear(server, house.tokens["ada"]) as ear,
    ):
        assert await ear.next() is not None
        clock[0] = LATER + 60
        assert await ear.next() is None


async def test_stopping_ends_every_stream_at_once(house: WebHouse) -> None:
    async with AsyncExitStack() as held, serving(house.app) as server:
        ears = [
            await held.enter_async_context(an_ear(server, house.tokens[who]))
            for who in ("ada", "ada", "bo", "cleo")
        ]
        for ear in ears:
            assert await ear.next() is not None
        began = asyncio.get_running_loop().time()
        server.uvicorn.should_exit = True
        house.app.state.site.listeners.close()
        async with asyncio.timeout(WITHIN_S):
            await asyncio.shield(server.ended)
        # Uvicorn waits ten seconds here for what does not end by itself.
        assert asyncio.get_running_loop().time() - began < 5
        assert [await ear.next() for ear in ears] == [None] * 4


async def test_nobody_begins_to_listen_to_who_is_about_to_stop(
    house: WebHouse,
) -> None:
    house.app.state.site.listeners.close()
    answer = await house.ask("GET", "/v1/me/events", "ada")
    assert answer.status_code == 503
    assert "Retry-After" in answer.headers


class Counting:
    """A database that counts what is asked of it in reading."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.statements = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    def reading(self) -> Any:
        return _Counted(self, self._database.reading())


class _Counted:
    def __init__(self, counting: Counting, inner: Any) -> None:
        self._counting, self._inner = counting, inner

    async def __aenter__(self) -> Transaction:
        tx: Transaction = await self._inner.__aenter__()
        self._tx = tx
        return tx

    async def __aexit__(self, *why: Any) -> Any:
        self._counting.statements += self._tx.statements
        return await self._inner.__aexit__(*why)


async def test_who_listens_to_silence_costs_no_statement_of_his_own(
    house: WebHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT_S", 0.01)
    looks = [0]
    told_since = events.told_since

    async def counted(tx: Transaction, after: int) -> dict[int, int]:
        looks[0] += 1
        return await told_since(tx, after)

    monkeypatch.setattr(events, "told_since", counted)
    counting = Counting(house.db)
    site = replace(house.app.state.site, database=counting)
    house.app.state.site = site
    async with AsyncExitStack() as held, serving(house.app) as server:
        ears = [
            await held.enter_async_context(an_ear(server, house.tokens[who]))
            for who in ("ada", "bo", "cleo")
            for _ in range(OF_ONE_MEMBER)
        ]
        for ear in ears:
            assert await ear.next() is not None
        await _looked(looks, 2)
        before = counting.statements - 2 * looks[0]
        await _looked(looks, 10)
        quiet = counting.statements - 2 * looks[0] - before
        assert abs(quiet) <= 2, "a look may be under way"
        await _tell(house, "ada", 1)
        for ear in ears[:OF_ONE_MEMBER]:
            assert await _hear(ear, 1) == [1]
        await _looked(looks, 3)
        woken = counting.statements - 2 * looks[0] - before
        assert OF_ONE_MEMBER - 2 <= woken <= OF_ONE_MEMBER + 2


async def _looked(looks: list[int], more: int) -> None:
    wanted = looks[0] + more
    async with asyncio.timeout(WITHIN_S):
        while looks[0] < wanted:
            await asyncio.sleep(0.005)


async def test_who_does_not_read_is_cut_off_and_not_kept_in_memory(
    house: WebHouse,
) -> None:
    big = "x" * 1_900
    async with house.db.transaction() as tx:
        told = [Told(house.members["ada"], "order", {"text": big})] * 5_000
        await events.tell(tx, told, now=LATER)
    async with serving(house.app, WebBounds(stall_s=0.5)) as server:
        with socket.socket() as wire:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            wire.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(wire, ("127.0.0.1", server.port))
            head = (
                "GET /v1/me/events?after=0 HTTP/1.1\r\nHost: a\r\n"
                f"Authorization: Bearer {house.tokens['ada']}\r\n\r\n"
            )
            await loop.sock_sendall(wire, head.encode())
            async with asyncio.timeout(WITHIN_S):
                while not server.uvicorn.server_state.connections:
                    await asyncio.sleep(0.01)
                while server.uvicorn.server_state.connections:
                    await asyncio.sleep(0.01)
            # Its place is free again: nothing waits for it.
            async with AsyncExitStack() as held:
                for _ in range(OF_ONE_MEMBER):
                    ear = await held.enter_async_context(
                        an_ear(server, house.tokens["ada"])
                    )
                    assert ear.answer.status_code == 200


async def test_a_watch_that_falls_ends_the_streams_it_watched(
    house: WebHouse, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    told_since = events.told_since

    async def falls(_tx: Transaction, _after: int) -> dict[int, int]:
        raise ZeroDivisionError

    async with an_ear(server, house.tokens["ada"]) as ear:
        assert await ear.next() is not None
        monkeypatch.setattr(events, "told_since", falls)
        assert await ear.next() is None
    monkeypatch.setattr(events, "told_since", told_since)
    await _tell(house, "ada", 1)
    async with an_ear(server, house.tokens["ada"], last=ear.last) as again:
        assert await _hear(again, 1) == [1]
