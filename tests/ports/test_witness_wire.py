"""Whatever a witness answers, the aggregator keeps a true cosignature or none, and goes on."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from meterseal_aggregator.app.witnesses import WitnessClient
from meterseal_aggregator.storage.database import Database
from meterseal_aggregator.translog.witnessing import Asked, Witness, ask_all
from meterseal_proto.checkpoint import parse_note
from meterseal_proto.cosignature import cosign
from meterseal_proto.witness import (
    MAX_ANSWER_BYTES,
    SIZE_TYPE,
    parse_add_checkpoint,
)
from tests.support.translog import NOW, append, head, open_log, sequence
from tests.support.witnessing import FIRST, WITNESSES, cosigner

Act = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_log(tmp_path / "log.db") as database:
        await append(database, 5)
        await sequence(database)
        yield database


@asynccontextmanager
async def answering(act: Act) -> AsyncIterator[Witness]:
    """A witness on loopback that reads a request whole and then does `act`."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await reader.readuntil(b"\r\n\r\n"):
                lines = request.decode().lower().split("\r\n")
                length = next(x for x in lines if x.startswith("content-length:"))
                await act(await reader.readexactly(int(length.split()[1])), writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = WitnessClient(f"http://127.0.0.1:{port}")
    try:
        yield Witness(cosigner(), client.post)
    finally:
        server.close()
        await server.wait_closed()


def reply(
    status: str, body: bytes, kind: str = "text/plain; charset=utf-8", more: str = ""
) -> bytes:
    head = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\n{more}"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def always(answer: bytes) -> Act:
    async def act(_body: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)

    return act


def right(body: bytes) -> bytes:
    note = parse_note(parse_add_checkpoint(body).note)
    return cosign(note.body, FIRST, WITNESSES[FIRST], NOW).line().encode()


ANSWERS = {
    "nothing": (reply("200 OK", b""), False),
    "no lines": (reply("200 OK", b"fine\n"), False),
    "no text": (reply("200 OK", b"\xff\xfe"), False),
    "too long": (reply("200 OK", b"x" * (MAX_ANSWER_BYTES + 1)), False),
    "packed": (
        reply("200 OK", gzip.compress(b"fine"), more="content-encoding: gzip\r\n"),
        False,
    ),
    "no HTTP": (b"hello\r\n\r\n", False),
    "moved": (reply("302 Found", b"", more="location: http://127.0.0.1:1/\r\n"), False),
    "busy": (reply("429 Too Many Requests", b"later"), False),
    "broken": (reply("500 Internal Server Error", b"oh"), False),
    "unknown": (reply("404 Not Found", b""), False),
    "no size": (reply("409 Conflict", b"many\n", SIZE_TYPE), False),
    "always another size": (reply("409 Conflict", b"3\n", SIZE_TYPE), False),
    "a size beyond ours": (reply("409 Conflict", b"6\n", SIZE_TYPE), True),
    "another root": (reply("409 Conflict", b"no"), True),
    "no extension": (reply("422 Unprocessable Entity", b"no"), True),
}


@pytest.mark.parametrize("name", ANSWERS)
async def test_what_is_no_cosignature_is_not_kept(db: Database, name: str) -> None:
    answer, contradicts = ANSWERS[name]
    async with answering(always(answer)) as witness:
        asked = await ask_all(db, [witness])
    assert asked.kept == 0
    assert [one.contradicts for one in asked.troubles] == [contradicts]
    async with db.reading() as tx:
        assert await tx.rows("SELECT count(*) FROM cosignatures") == [(0,)]


async def test_a_witness_that_starts_anywhere_is_given_the_proof_it_needs(
    db: Database,
) -> None:
    sent = []

    async def act(body: bytes, writer: asyncio.StreamWriter) -> None:
        sent.append(parse_add_checkpoint(body))
        if len(sent) == 1:
            writer.write(reply("409 Conflict", b"3\n", SIZE_TYPE))
        else:
            writer.write(reply("200 OK", right(body)))

    async with answering(act) as witness:
        assert await ask_all(db, [witness]) == Asked(1, ())
    assert [one.old for one in sent] == [0, 3]
    assert [len(one.proof) for one in sent] == [0, 4]
    assert {one.note for one in sent} == {(await head(db)).note}


async def test_a_cosignature_of_another_checkpoint_is_not_kept(db: Database) -> None:
    old = (await head(db)).note
    await append(db, 1)
    await sequence(db)

    async def act(_body: bytes, writer: asyncio.StreamWriter) -> None:
        line = cosign(parse_note(old).body, FIRST, WITNESSES[FIRST], NOW).line()
        writer.write(reply("200 OK", line.encode()))

    async with answering(act) as witness:
        asked = await ask_all(db, [witness])
    assert (asked.kept, len(asked.troubles)) == (0, 1)
