"""The page's server alone: its limits hold for whoever connects, and however slowly."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

import pytest

from meterseal_agent.resident import wire
from meterseal_agent.resident.address import Address
from meterseal_agent.resident.wire import Request, Response, Server
from meterseal_agent.run.resident import listener
from meterseal_proto.errors import Unavailable

HUGE = b"x" * (16 << 20)
"""More than any socket's buffers."""
ASKED = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def hello(request: Request) -> Response:
    return Response(HTTPStatus.OK, (), request.target.encode())


async def huge(_request: Request) -> Response:
    return Response(HTTPStatus.OK, (), HUGE)


async def breaks(_request: Request) -> Response:
    raise KeyError("a bug")


async def hangs(_request: Request) -> Response:
    await asyncio.Event().wait()
    raise AssertionError("nobody sets it")


@asynccontextmanager
async def serving(handler: wire.Handler) -> AsyncIterator[tuple[Server, int]]:
    server = Server(handler, None)
    with contextlib.closing(listener(Address("127.0.0.1", 0, tls=False))) as found:
        task = asyncio.create_task(server.serve(found))
        try:
            yield server, found.getsockname()[1]
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def ask(port: int, sent: bytes = ASKED) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    try:
        async with asyncio.timeout(10):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def let_go(server: Server) -> None:
    async with asyncio.timeout(10):
        while server.inside:
            await asyncio.sleep(0.01)


async def test_one_connection_asks_once_and_ends() -> None:
    async with serving(hello) as (server, port):
        answer = await ask(port, b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n" + ASKED)
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"Connection: close" in answer
        assert answer.endswith(b"\r\n\r\n/a")
        await let_go(server)


async def test_who_takes_an_answer_gets_all_of_it() -> None:
    async with serving(huge) as (server, port):
        assert (await ask(port)).endswith(HUGE)
        await let_go(server)


async def test_who_does_not_take_his_answer_is_cut_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wire, "TAKE_S", 0.2)
    monkeypatch.setattr(wire, "TLS_S", 0.2)
    async with serving(huge) as (server, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=64)
        writer.write(ASKED)
        assert (await reader.readexactly(12)).endswith(b"200")
        await let_go(server)
        writer.close()


async def test_many_devices_together_take_so_many_connections_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wire, "MAX_CONNECTIONS", 3)
    async with serving(hello) as (server, port):
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        async with asyncio.timeout(10):
            while server.inside < 3:
                await asyncio.sleep(0.01)
        assert await ask(port) == b""
        for _, writer in held:
            writer.close()
        await let_go(server)
        assert (await ask(port)).startswith(b"HTTP/1.1 200")


async def test_a_bug_ends_one_connection_and_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving(breaks) as (server, port):
        assert await ask(port) == b""
        await let_go(server)
    (record,) = [one for one in caplog.records if one.levelno >= logging.ERROR]
    assert record.getMessage() == "resident_page_failed"


async def test_a_page_that_never_comes_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wire, "WORK_S", 0.2)
    async with serving(hangs) as (server, port):
        assert await ask(port) == b""
        await let_go(server)


async def test_it_ends_with_whatever_is_open() -> None:
    async with serving(hangs) as (server, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(ASKED)
        async with asyncio.timeout(10):
            while not server.inside:
                await asyncio.sleep(0.01)
    assert await reader.read() == b""
    assert not server.inside
    writer.close()


async def test_an_address_that_is_taken_or_not_ours_is_a_sentence() -> None:
    async with serving(hello) as (_, port):
        with pytest.raises(Unavailable, match=r"cannot be at http://127\.0\.0\.1"):
            listener(Address("127.0.0.1", port, tls=False))
    with pytest.raises(Unavailable, match=r"https://192\.168\.254\.253:8443/"):
        listener(Address("192.168.254.253"))
