"""Idle and slow connections of strangers hold up nobody else; real sockets on loopback."""

import asyncio
import contextlib
import resource
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import mqtt5
import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from meterseal_aggregator.app.descriptors import RESERVE, share
from meterseal_aggregator.app.webserver import WebBounds, WebServer
from meterseal_aggregator.web.limits import Places
from tests.support.certificates import Authority

STRANGER, NEIGHBOUR = "127.0.0.1", "127.0.0.2"
SLOW_S = 1.0
BOUNDS = WebBounds(connections=6, from_one=4, head_s=SLOW_S, stall_s=SLOW_S)
PATIENT = replace(BOUNDS, head_s=60.0)
GET = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
SERVE = "import sys; from meterseal_aggregator.cli import main; sys.exit(main())"


@contextlib.contextmanager
def _program(folder: Path, descriptors: int) -> Iterator[tuple[int, int, int]]:
    """Serve with a low soft limit; gives its pid and its web and MQTT port."""
    config = folder / "aggregator.toml"
    config.write_text(
        f'network = "street"\ndata_dir = "{folder / "data"}"\ndemo = true\n'
        "[web]\nport = 0\n[mqtt]\nport = 0\n"
    )
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({descriptors}, {hard}))"
    process = subprocess.Popen(
        [sys.executable, "-c", f"{limit}; {SERVE}", "serve", "--config", str(config)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        words = process.stdout.readline().split()
        web, mqtt = (int(words[at].rpartition(":")[2]) for at in (1, 3))
        yield process.pid, web, mqtt
    finally:
        process.kill()
        process.communicate(timeout=60)


def _ask(port: int, source: str) -> bytes:
    address = ("127.0.0.1", port)
    with socket.create_connection(address, 30, (source, 0)) as wire:
        wire.sendall(GET)
        return wire.recv(4096)


@pytest.fixture
def many_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 2_048)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_files")
def test_600_idle_connections_of_one_address_hold_up_nobody_else(
    tmp_path: Path,
) -> None:
    with contextlib.ExitStack() as idle, _program(tmp_path, 512) as (pid, web, mqtt):
        for _ in range(600):
            opened = socket.create_connection(("127.0.0.1", web), 30, (STRANGER, 0))
            idle.enter_context(opened)
        assert _ask(web, NEIGHBOUR).startswith(b"HTTP/1.1 200")
        with socket.create_connection(("127.0.0.1", mqtt), 30) as agent:
            agent.sendall(mqtt5.ConnectPacket("home-1", clean_start=True).write())
            assert agent.recv(1) == b"\x20"
        limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
        (files,) = (
            line.split() for line in limits if line.startswith("Max open files")
        )
        assert int(files[3]) == min(int(files[4]), 1 << 16)


@asynccontextmanager
async def _server(
    tls: Path | None = None, bounds: WebBounds = BOUNDS
) -> AsyncIterator[tuple[str, int]]:
    """Serve an app that answers "yes" to everything, a megabyte of it at /much."""

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        body = b"y" * (16 << 20 if scope["path"] == "/much" else 3)
        start = {"type": "http.response.start", "status": 200, "headers": []}
        await send(start)
        for at in range(0, len(body), 1 << 16):
            more = at + (1 << 16) < len(body)
            part = body[at : at + (1 << 16)]
            await send({"type": "http.response.body", "body": part, "more_body": more})

    config = uvicorn.Config(
        app, http="h11", ws="none", lifespan="off", log_config=None, access_log=False,
        ssl_certfile=tls and tls.with_suffix(".pem"),
        ssl_keyfile=tls and tls.with_suffix(".key"),
    )  # fmt: skip
    server = WebServer(config, bounds)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        accepting = asyncio.create_task(server.accept(listening))
        try:
            yield listening.getsockname()[:2]
        finally:
            accepting.cancel()
            await asyncio.gather(accepting, return_exceptions=True)
            for connection in list(server.server_state.connections):
                connection.transport.abort()
            await asyncio.sleep(0)


async def _is_answered(where: tuple[str, int]) -> bool:
    reader, writer = await asyncio.open_connection(*where)
    with contextlib.suppress(ConnectionError):
        writer.write(GET)
        said = await reader.readline()
        writer.close()
        return said.startswith(b"HTTP/1.1 200")
    return False


async def _ended(reader: asyncio.StreamReader) -> bytes:
    """Read to the end, which must come."""
    got = b""
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(20 * SLOW_S):
            while part := await reader.read(1 << 16):
                got += part
    return got


async def test_a_connection_that_says_nothing_is_closed() -> None:
    async with _server() as where:
        reader, writer = await asyncio.open_connection(*where)
        assert await _ended(reader) == b""
        writer.close()


@pytest.mark.parametrize("first", [b"", GET], ids=["first", "second"])
async def test_a_head_that_comes_byte_by_byte_is_not_waited_for(first: bytes) -> None:
    async with _server() as where:
        reader, writer = await asyncio.open_connection(*where)
        writer.write(first)
        reading = asyncio.create_task(_ended(reader))
        for byte in b"GET / HTTP/1.1\r\nX-Slow: " + b"a" * 100:
            if reading.done():
                break
            writer.write(bytes([byte]))
            await asyncio.sleep(SLOW_S / 10)
        assert reading.done()
        assert (await reading).count(b"HTTP/1.1 200") == bool(first)
        writer.close()


async def test_the_rest_of_a_body_nobody_wants_is_not_waited_for() -> None:
    async with _server() as where:
        reader, writer = await asyncio.open_connection(*where)
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 999\r\n\r\n")
        reading = asyncio.create_task(_ended(reader))
        for _ in range(100):
            if reading.done():
                break
            writer.write(b"x")
            await asyncio.sleep(SLOW_S / 10)
        assert (await reading).startswith(b"HTTP/1.1 200")
        writer.close()


async def test_with_tls_a_handshake_never_begun_gives_its_place_back(
    tmp_path: Path,
) -> None:
    authority = Authority(tmp_path)
    authority.issue("server", "server", server=True)
    async with _server(tmp_path / "server") as where:
        idle = [await asyncio.open_connection(*where) for _ in range(BOUNDS.from_one)]
        for reader, writer in idle:
            assert await _ended(reader) == b""
            writer.close()
        for _ in range(2 * BOUNDS.connections):
            tls = authority.stranger()
            reader, writer = await asyncio.open_connection(*where, ssl=tls)
            writer.write(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            assert (await _ended(reader)).startswith(b"HTTP/1.1 200")
            writer.close()


async def test_a_peer_that_does_not_read_is_cut_off() -> None:
    async with _server() as where:
        loop = asyncio.get_running_loop()
        with socket.socket() as wire:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            wire.setblocking(False)
            await loop.sock_connect(wire, where)
            await loop.sock_sendall(wire, GET.replace(b"healthz", b"much"))
            await asyncio.sleep(3 * SLOW_S)
            got = 0
            with contextlib.suppress(ConnectionError):
                while part := await loop.sock_recv(wire, 1 << 20):
                    got += len(part)
            assert got < 16 << 20


async def test_surplus_connections_are_closed_at_once_and_leaving_makes_room() -> None:
    async with _server(bounds=PATIENT) as where, contextlib.AsyncExitStack() as held:
        writers = []
        for _ in range(BOUNDS.from_one):
            _, writer = await asyncio.open_connection(*where)
            held.callback(writer.close)
            writers.append(writer)
        # Long before those that were let in have to say something.
        reader, writer = await asyncio.open_connection(*where)
        assert await _ended(reader) == b""
        writer.close()
        other = await asyncio.open_connection(*where, local_addr=(NEIGHBOUR, 0))
        other[1].write(GET)
        assert (await other[0].readline()).startswith(b"HTTP/1.1 200")
        other[1].close()
        for writer in writers:
            writer.close()
            await writer.wait_closed()
        async with asyncio.timeout(20 * SLOW_S):
            while not await _is_answered(where):
                pass


def test_places_are_few_for_one_line_and_few_altogether() -> None:
    places = Places(total=3, from_one=2)
    assert [places.take("2001:db8::1"), places.take("2001:db8::2")] == [True, True]
    assert not places.take("2001:db8::3")
    assert places.take("::ffff:192.0.2.1")
    assert not places.take("192.0.2.2")
    places.give_back("2001:db8::1")
    assert places.take("192.0.2.1")
    assert not places.take("192.0.2.1")


@pytest.mark.parametrize("descriptors", [66, 256, 1_024, 65_536])
def test_doors_together_leave_the_database_its_descriptors(descriptors: int) -> None:
    shares = share(descriptors)
    assert 0 < shares.web <= shares.agents
    assert shares.web + shares.agents + RESERVE <= max(descriptors, RESERVE + 2)
