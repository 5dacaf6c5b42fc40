"""Live streams are bounded: places, tokens, statements, memory, and the time to stop."""

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
from tests.support.listening import WITHIN_S, Server, an_ear, hear, serving, tell
from tests.support.webhouse import LATER, WebHouse, a_house


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
        await tell(house, "bo", 1)
        assert await hear(bo, 1) == [1]


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


LOOK = 2
"""Statements of a look for everybody: who was told something, and whose token still holds."""
OWN = 1
"""Statements of a stream that reads what its member was told."""


class Counting:
    """A database that notes of each reading how many statements it took, and may fall."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.readings: list[int] = []
        self.falls = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    def reading(self) -> Any:
        if self.falls:
            raise ZeroDivisionError
        return _Counted(self, self._database.reading())


class _Counted:
    def __init__(self, counting: Counting, inner: Any) -> None:
        self._counting, self._inner = counting, inner

    async def __aenter__(self) -> Transaction:
        tx: Transaction = await self._inner.__aenter__()
        self._tx = tx
        return tx

    async def __aexit__(self, *why: Any) -> Any:
        self._counting.readings.append(self._tx.statements)
        return await self._inner.__aexit__(*why)


def counted(house: WebHouse) -> Counting:
    """Let the house read from a database that counts."""
    counting = Counting(house.db)
    house.app.state.site = replace(house.app.state.site, database=counting)
    return counting


async def test_who_listens_to_silence_costs_no_statement_of_his_own(
    house: WebHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT_S", 0.01)
    counting = counted(house)
    async with AsyncExitStack() as held, serving(house.app) as server:
        ears = [
            await held.enter_async_context(an_ear(server, house.tokens[who]))
            for who in ("ada", "bo", "cleo")
            for _ in range(OF_ONE_MEMBER)
        ]
        for ear in ears:
            assert await ear.next() is not None
        await _read(counting, 2)
        quiet = len(counting.readings)
        await _read(counting, 10)
        assert set(counting.readings[quiet:]) == {LOOK}
        await tell(house, "ada", 1)
        for ear in ears[:OF_ONE_MEMBER]:
            assert await hear(ear, 1) == [1]
        await _read(counting, 3)
        assert counting.readings[quiet:].count(OWN) == OF_ONE_MEMBER
        assert set(counting.readings[quiet:]) == {LOOK, OWN}


async def _read(counting: Counting, more: int) -> None:
    wanted = len(counting.readings) + more
    async with asyncio.timeout(WITHIN_S):
        while len(counting.readings) < wanted:
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


async def test_a_watch_that_falls_ends_the_streams_it_watched(house: WebHouse) -> None:
    counting = counted(house)
    async with serving(house.app) as server:
        async with an_ear(server, house.tokens["ada"]) as ear:
            assert await ear.next() is not None
            counting.falls = True
            assert await ear.next() is None
        counting.falls = False
        await tell(house, "ada", 1)
        async with an_ear(server, house.tokens["ada"], last=ear.last) as again:
            assert await hear(again, 1) == [1]
