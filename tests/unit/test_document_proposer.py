"""A model may propose; whatever it answers, a text that does not say so stays undecided."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from meterseal_aggregator.httpclient import Bounds
from meterseal_aggregator.market.documents.proposer import (
    MAX_SENT,
    Endpoint,
    Proposer,
)
from tests.support.oddserver import Act, answering, http

KEY = "sk-not-a-real-one"
SHORT = Bounds(within_s=0.3, most_bytes=10_000)


@dataclass
class Model:
    """An OpenAI-compatible server that says `content`, and remembers what it was sent."""

    content: object
    heard: list[bytes] = field(default_factory=list)

    async def __call__(self, request: bytes, writer: asyncio.StreamWriter) -> None:
        """Answer a request."""
        self.heard.append(request)
        body = {
            "choices": [{"message": {"role": "assistant", "content": self.content}}]
        }
        writer.write(http("200 OK", json.dumps(body).encode()))


@asynccontextmanager
async def asking(answer: bytes | Act) -> AsyncIterator[Proposer]:
    async with answering(answer) as url:
        proposer = Proposer(Endpoint(f"{url}/v1/", "a-model", KEY), SHORT)
        yield proposer
        await proposer.close()


async def said(content: object) -> int | None:
    async with asking(Model(content)) as proposer:
        return await proposer.propose("text")


@pytest.mark.parametrize(
    ("content", "wh"),
    [
        ('{"monthly_kwh": "512.5"}', 512_500),
        ('{"monthly_kwh": 512.5}', 512_500),
        ('{"monthly_kwh": 512}', 512_000),
        ('{"monthly_kwh": null}', None),
        ('{"monthly_kwh": true}', None),
        ('{"monthly_kwh": -5}', None),
        ('{"monthly_kwh": 1e3}', None),
        ('{"monthly_kwh": NaN}', None),
        ('{"monthly_kwh": Infinity}', None),
        ('{"monthly_kwh": 0.3333}', None),
        ('{"monthly_kwh": "about 500"}', None),
        ('{"monthly_kwh": [500]}', None),
        ('{"monthly_wh": 500}', None),
        ('["monthly_kwh"]', None),
        ("500", None),
        ("", None),
        ("{" * 900, None),
        ("[" * 900, None),
        ('{"monthly_kwh": 500}' + " " * 1_000, None),
        (None, None),
        (500, None),
        (["500"], None),
    ],
)
async def test_a_model_names_a_plain_decimal_or_nothing(
    content: object, wh: int | None
) -> None:
    assert await said(content) == wh


@pytest.mark.parametrize(
    "answer",
    [
        http("401 Unauthorized", b'{"error": "no such key"}'),
        http("429 Too Many Requests", b""),
        http("500 Internal Server Error", b""),
        http("302 Found", b"", "location: http://127.0.0.1/"),
        http("200 OK", b""),
        http("200 OK", b"not json"),
        http("200 OK", b"[" * 9_000),
        http("200 OK", b"\xff\xfe"),
        http("200 OK", b"[]"),
        http("200 OK", b'{"choices": []}'),
        http("200 OK", b'{"choices": {"0": 1}}'),
        http("200 OK", b'{"choices": [{"message": "500"}]}'),
        http("200 OK", b"1" * 9_999),
        http("200 OK", b"x" * 20_000),
        b"no http",
        b"",
    ],
)
async def test_whatever_goes_wrong_there_is_no_proposal(answer: bytes) -> None:
    async with asking(answer) as proposer:
        assert await proposer.propose("text") is None


async def test_a_slow_model_is_not_waited_for() -> None:
    async def drip(_request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with asking(drip) as proposer, asyncio.timeout(10):
        assert await proposer.propose("text") is None


async def test_nobody_there_is_no_proposal() -> None:
    proposer = Proposer(Endpoint("http://127.0.0.1:1", "m", KEY), SHORT)
    assert await proposer.propose("text") is None
    await proposer.close()


async def test_what_leaves_the_house_is_the_beginning_of_the_text() -> None:
    model = Model('{"monthly_kwh": null}')
    async with asking(model) as proposer:
        await proposer.propose("a" * MAX_SENT + "b" * 100)
    (request,) = model.heard
    head, _, body = request.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
    assert b"authorization: bearer " + KEY.encode() in head.lower()
    sent = json.loads(body)
    assert sent["model"] == "a-model"
    assert [one["role"] for one in sent["messages"]] == ["system", "user"]
    assert sent["messages"][1]["content"] == "a" * MAX_SENT


def test_a_key_is_never_shown() -> None:
    assert KEY not in repr(Endpoint("https://x.example", "m", KEY))
