"""A real server on loopback, and a client of server-sent events as the HTML standard has it."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import uvicorn
from fastapi import FastAPI

from meterseal_aggregator.app.webserver import WebBounds, WebServer
from meterseal_aggregator.identity import events
from meterseal_aggregator.identity.events import Told
from tests.support.webhouse import LATER, WebHouse

WITHIN_S = 20.0
"""What must happen happens in this time, however slow the machine."""


@dataclass
class Server:
    """A running server: where it is, and how it is told to stop."""

    port: int
    uvicorn: WebServer
    ended: asyncio.Task[None]


@dataclass(frozen=True)
class Heard:
    """An event as a browser would hand it on."""

    id: int
    kind: str
    data: Any


@dataclass
class Ear:
    """One open stream; `last` is what a browser would send as Last-Event-ID."""

    answer: httpx2.Response
    last: str = ""
    comments: int = 0
    retry_ms: int = 0
    _lines: AsyncIterator[str] | None = field(default=None, repr=False)

    async def next(self) -> Heard | None:
        """Return the next event that has data; None at the stream's end."""
        if self._lines is None:
            self._lines = self.answer.aiter_lines()
        fields: dict[str, str] = {}
        async with asyncio.timeout(WITHIN_S):
            async for line in self._lines:
                if line:
                    name, _, value = line.partition(":")
                    fields[name] = value.removeprefix(" ")
                    continue
                self.comments += "" in fields
                self.last = fields.get("id", self.last)
                self.retry_ms = int(fields.get("retry", self.retry_ms))
                if "data" in fields:
                    data = json.loads(fields["data"])
                    return Heard(int(self.last), fields["event"], data)
                if "id" in fields:
                    return Heard(int(self.last), "", None)
                fields = {}
        return None


@asynccontextmanager
async def serving(
    app: FastAPI, bounds: WebBounds | None = None
) -> AsyncIterator[Server]:
    """Serve the app as the aggregator does; stops hard at the end."""
    config = uvicorn.Config(
        app, http="h11", ws="none", lifespan="off", log_config=None, access_log=False,
        timeout_graceful_shutdown=10,
    )  # fmt: skip
    server = WebServer(config, bounds or WebBounds())
    with socket.create_server(("127.0.0.1", 0)) as listening:
        accepting = asyncio.create_task(server.accept(listening))
        running = asyncio.create_task(server.serve([]))
        try:
            yield Server(listening.getsockname()[1], server, running)
        finally:
            server.should_exit = True
            app.state.site.listeners.close()
            await asyncio.wait_for(running, WITHIN_S)
            accepting.cancel()
            await asyncio.gather(accepting, return_exceptions=True)


@asynccontextmanager
async def an_ear(
    server: Server, token: str, query: str = "", last: str | None = None
) -> AsyncIterator[Ear]:
    """Open a stream; its answer is read as it comes."""
    headers = {"Authorization": f"Bearer {token}"}
    if last is not None:
        headers["Last-Event-ID"] = last
    url = f"http://127.0.0.1:{server.port}/v1/me/events{query}"
    async with (
        httpx2.AsyncClient(timeout=WITHIN_S) as client,
        client.stream("GET", url, headers=headers) as answer,
    ):
        yield Ear(answer)


async def tell(house: WebHouse, who: str, *numbers: int) -> None:
    """Tell a member of orders with these numbers, in one transaction."""
    told = [Told(house.members[who], "order", {"id": number}) for number in numbers]
    async with house.db.transaction() as tx:
        await events.tell(tx, told, now=LATER)


async def hear(ear: Ear, count: int) -> list[int]:
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
