"""Whatever another program answers, we hold no more of it and wait no longer than we said."""

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from meterseal_aggregator.httpclient import Answer, Bounds, HttpClient
from meterseal_proto.errors import Unavailable
from tests.support.oddserver import Act, answering, http

MOST = 1_000
BOUNDS = Bounds(within_s=5, most_bytes=MOST)
SHORT = Bounds(within_s=0.2, most_bytes=MOST)


@asynccontextmanager
async def asking(
    answer: bytes | Act, bounds: Bounds = BOUNDS
) -> AsyncIterator[tuple[HttpClient, str]]:
    client = HttpClient(bounds)
    async with answering(answer) as url:
        yield client, url
        await client.close()


async def why_not(answer: bytes | Act, bounds: Bounds = BOUNDS) -> str:
    async with asking(answer, bounds) as (client, url):
        async with asyncio.timeout(10):
            with pytest.raises(Unavailable) as caught:
                await client.get(url)
    return str(caught.value)


async def test_an_answer_is_given_whole_whatever_its_status() -> None:
    kind = "content-type: Text/HTML ; charset=utf-8"
    async with asking(http("404 Not Found", b"x" * MOST, kind)) as (client, url):
        found = await client.get(url)
    assert found == Answer(404, "text/html", b"x" * MOST)
    async with asking(http("200 OK", b"")) as (client, url):
        assert await client.get(url) == Answer(200, "", b"")


async def test_an_answer_may_not_be_longer_than_said() -> None:
    told = await why_not(http("200 OK", b"x" * (MOST + 1)))
    assert told == f"an answer of more than {MOST} bytes"


async def test_an_answer_without_end_is_cut_off() -> None:
    written = 0

    async def flood(_request: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n")
        while not writer.is_closing():
            writer.write(bytes(65_536))
            await writer.drain()
            written += 65_536

    assert "more than" in await why_not(flood)
    assert written < 1_000_000_000


async def test_who_answers_nothing_holds_up_nobody() -> None:
    async def hang(_request: bytes, writer: asyncio.StreamWriter) -> None:
        await writer.wait_closed()

    assert await why_not(hang, SHORT) == "no answer within 0.2 s"


async def test_who_drips_an_answer_holds_up_nobody() -> None:
    """The library's own limit begins anew with every byte."""

    async def drip(_request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.05)

    assert await why_not(drip, SHORT) == "no answer within 0.2 s"


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 There", "308 There"])
async def test_a_redirect_is_no_answer_and_is_not_followed(status: str) -> None:
    asked = 0

    async def elsewhere(_request: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        writer.write(http(status, b"", "location: /"))

    assert status[:3] in await why_not(elsewhere)
    assert asked == 1


async def test_half_an_answer_is_none() -> None:
    for cut in (
        b"",
        b"no HTTP at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-le",
        b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab",
    ):
        assert await why_not(cut)


async def test_an_answer_is_never_unpacked() -> None:
    """A kilobyte that unpacks to a megabyte would be in memory before it is counted."""
    packed = gzip.compress(bytes(100_000))
    assert len(packed) < MOST
    reply = http("200 OK", packed, "content-encoding: gzip")
    async with asking(reply) as (client, url):
        assert (await client.get(url)).body == packed


async def test_a_question_says_what_it_is_and_asks_for_nothing_packed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    requests = []

    async def keep(request: bytes, writer: asyncio.StreamWriter) -> None:
        requests.append(request.lower())
        writer.write(http("200 OK", b""))

    async with asking(keep) as (client, url):
        await client.post(url + "/path", b"Body", "application/x-kind")
    (request,) = requests
    assert request.startswith(b"post /path http/1.1\r\n")
    assert request.endswith(b"\r\n\r\nbody")
    assert b"content-type: application/x-kind\r\n" in request
    assert b"accept-encoding: identity\r\n" in request


async def test_nobody_there_and_no_address_are_told_apart_from_answers() -> None:
    async with answering(b"") as url:
        pass
    client = HttpClient(BOUNDS, ssl.create_default_context())
    for where in (url, "http://[", "nowhere"):
        with pytest.raises(Unavailable):
            await client.get(where)
    await client.close()


async def test_a_pinned_client_connects_there_and_asks_by_name() -> None:
    heard: list[bytes] = []

    async def note(request: bytes, writer: asyncio.StreamWriter) -> None:
        heard.append(request)
        writer.write(http("200 OK", b""))
        await writer.drain()

    async with answering(note) as url:
        client = HttpClient(BOUNDS, pinned="127.0.0.1")
        # A name that is nobody's (RFC 2606 2): it is never looked up.
        there = url.replace("127.0.0.1", "hook.invalid")
        answer = await client.post(
            f"{there}/x", b"{}", "application/json", {"a-b": "c"}
        )
        await client.close()
    assert answer.status == 200
    head = heard[0].lower()
    assert f"host: {there.removeprefix('http://')}".encode() in head
    assert b"a-b: c" in head
    assert b"content-type: application/json" in head
