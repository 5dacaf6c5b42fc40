"""The enrolment call on a real socket: plain text stays on this machine."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from meterseal_agent.commissioning.post import EnrolmentRefused, poster


class Server:
    """Answers every request with `answer` and keeps the request lines in `asked`."""

    def __init__(self, answer: str) -> None:
        self.answer = answer
        self.asked: list[bytes] = []
        self.url = ""

    async def serve(
        self, reader: asyncio.StreamReader, out: asyncio.StreamWriter
    ) -> None:
        """Answer one request."""
        self.asked.append(await reader.readline())
        out.write(f"HTTP/1.1 {self.answer}\r\nContent-Length: 2\r\n\r\n{{}}".encode())
        await out.drain()
        out.close()
        await out.wait_closed()


@asynccontextmanager
async def serving(answer: str) -> AsyncIterator[Server]:
    made = Server(answer)
    async with await asyncio.start_server(made.serve, "127.0.0.1", 0) as server:
        made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield made


async def test_a_plain_call_to_this_machine_never_goes_through_a_proxy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serving("201 Created") as desk, serving("201 Created") as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        post = poster(desk.url, None)
        assert await asyncio.to_thread(post, "/v1/enrolments", b"{}") == b"{}"
    assert (len(desk.asked), proxy.asked) == (1, [])


async def test_a_redirect_is_refused_and_not_followed() -> None:
    async with (
        serving("201 Created") as other,
        serving(f"302 Found\r\nLocation: {other.url}/") as desk,
    ):
        post = poster(desk.url, None)
        with pytest.raises(EnrolmentRefused, match="302"):
            await asyncio.to_thread(post, "/v1/enrolments", b"{}")
    assert (len(desk.asked), other.asked) == (1, [])
