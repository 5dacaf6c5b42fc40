"""The aggregator's log and a real trustee program, over C2SP tlog-witness and mutual TLS."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest

from meterseal_aggregator.app.witnesses import WitnessClient
from meterseal_aggregator.httpclient import Answer
from meterseal_aggregator.storage.database import Database
from meterseal_aggregator.translog import publish, store
from meterseal_aggregator.translog.witnessing import (
    Asked,
    Trouble,
    Witness,
    ask_all,
)
from meterseal_proto.checkpoint import NoteKey, open_note, parse_note
from meterseal_proto.cosignature import CosignerKey, cosigned_at
from meterseal_proto.errors import Unavailable
from meterseal_proto.witness import (
    MAX_REQUEST_BYTES,
    PATH,
    SIZE_TYPE,
    AddCheckpoint,
    parse_answer,
)
from tests.support.translog import KEY, append, head, open_log, sequence
from tests.support.trustee_programs import LATER, run
from tests.support.witness_rig import WitnessProgram
from tests.support.witnessing import SmallLog

LOG = SmallLog(KEY.origin, KEY.key)
"""A log in memory under the very key of the aggregator's."""
KILLS = 4


@pytest.fixture
def trustee(tmp_path: Path) -> Iterator[WitnessProgram]:
    started = WitnessProgram.start(tmp_path / "trustee", KEY.vkey)
    yield started
    assert "Traceback" not in started.program.stop(kill=True)


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_log(tmp_path / "log.db") as database:
        yield database


async def grow(db: Database, count: int) -> int:
    await append(db, count)
    return (await sequence(db)).size


async def served(db: Database) -> str:
    async with db.reading() as tx:
        note = await publish.checkpoint(tx)
    assert note is not None
    return note


def is_cosigned(note: str, key: CosignerKey) -> bool:
    open_note(note, KEY.vkey)
    return any(one.key_id == key.key_id for one in parse_note(note).signatures)


async def refused(db: Database, trustee: WitnessProgram) -> Trouble:
    asked = await ask_all(db, [trustee.witness])
    assert asked.kept == 0
    (trouble,) = asked.troubles
    return trouble


async def test_every_new_checkpoint_is_cosigned_and_served_so(
    db: Database, trustee: WitnessProgram
) -> None:
    witnesses = [trustee.witness]
    assert await ask_all(db, witnesses) == Asked(0, ())
    await sequence(db)  # the empty log's head: there is nothing to witness
    assert await ask_all(db, witnesses) == Asked(0, ())
    for count in (1, 6, 300, 1):
        await grow(db, count)
        assert not is_cosigned(await served(db), trustee.key)
        assert await ask_all(db, witnesses) == Asked(1, ())
        assert await ask_all(db, witnesses) == Asked(0, ())
        note = parse_note(await served(db))
        assert LATER <= cosigned_at(note, trustee.key) < LATER + 3_600


async def test_an_answer_that_was_lost_is_asked_for_again(
    db: Database, trustee: WitnessProgram
) -> None:
    """The witness is ahead of what we know of it, so it tells its size."""

    async def lost(body: bytes) -> Answer:
        await trustee.client.post(body)
        raise Unavailable("the line broke")

    for _ in range(2):
        await grow(db, 5)
        asked = await ask_all(db, [Witness(trustee.key, lost)])
        assert [one.contradicts for one in asked.troubles] == [False]
    assert await ask_all(db, [trustee.witness]) == Asked(1, ())
    assert is_cosigned(await served(db), trustee.key)
    await grow(db, 5)
    assert await ask_all(db, [trustee.witness]) == Asked(1, ())


async def test_a_log_restored_from_an_older_copy_is_told_so(
    tmp_path: Path, trustee: WitnessProgram
) -> None:
    path, copy = tmp_path / "log.db", tmp_path / "copy.db"
    async with open_log(path) as db:
        await grow(db, 5)
        await ask_all(db, [trustee.witness])
    with closing(sqlite3.connect(path)) as whole, closing(sqlite3.connect(copy)) as to:
        whole.backup(to)
    async with open_log(path) as db:
        await grow(db, 5)
        assert await ask_all(db, [trustee.witness]) == Asked(1, ())
    async with open_log(copy) as db:
        await grow(db, 2)
        trouble = await refused(db, trustee)
        assert trouble.contradicts
        assert "10 entries and our log has 7" in trouble.text
        # It grows past what the witness knows, and is another history still.
        async with db.transaction() as tx:
            await store.append(tx, [b"\x03\x01another"] * 9)
        await sequence(db)
        trouble = await refused(db, trustee)
        assert trouble.contradicts
        assert "422" in trouble.text
        assert not is_cosigned(await served(db), trustee.key)
    audited = run(trustee.program.config, "audit")
    assert "holds: the witnessed log showed one history" in audited.stdout


async def test_two_roots_of_one_size_are_refused_and_the_trustee_tells_everybody(
    tmp_path: Path, trustee: WitnessProgram
) -> None:
    async with open_log(tmp_path / "one.db") as one:
        await grow(one, 5)
        assert await ask_all(one, [trustee.witness]) == Asked(1, ())
    async with open_log(tmp_path / "two.db") as two:
        await append(two, 4)
        async with two.transaction() as tx:
            await store.append(tx, [b"\x03\x01another"])
        await sequence(two)
        trouble = await refused(two, trustee)
    assert trouble.contradicts
    assert "409" in trouble.text
    audited = run(trustee.program.config, "audit")
    assert audited.returncode == 1
    assert "signed two roots at size 5: tell everybody" in audited.stdout


async def test_a_witness_that_is_down_holds_nobody_up(
    db: Database, trustee: WitnessProgram
) -> None:
    gone = WitnessClient("https://127.0.0.1:1", trustee.tls)
    other = CosignerKey("witness.example/w9", bytes(32))
    await grow(db, 5)
    asked = await ask_all(db, [Witness(other, gone.post), trustee.witness])
    assert asked.kept == 1
    assert [(t.witness, t.contradicts) for t in asked.troubles] == [(other.name, False)]


async def test_another_key_than_the_pinned_one_is_not_kept(
    db: Database, trustee: WitnessProgram
) -> None:
    await grow(db, 5)
    pinned = CosignerKey(trustee.key.name, bytes(range(32)))
    asked = await ask_all(db, [Witness(pinned, trustee.client.post)])
    assert asked.kept == 0
    assert "did not cosign" in asked.troubles[0].text
    assert await served(db) == (await head(db)).note


async def test_killed_between_keeping_and_answering_it_goes_on_from_there(
    db: Database, trustee: WitnessProgram
) -> None:
    """The power fails at some moment of each round; no round is lost, none goes back."""
    for number in range(KILLS):
        size = await grow(db, 3)
        asking = asyncio.create_task(ask_all(db, [trustee.witness]))
        while not asking.done() and (number % 2 or _kept(trustee) < size):
            await asyncio.sleep(0.001)
        await asyncio.to_thread(trustee.restart)
        first = await asking
        second = await ask_all(db, [trustee.witness])
        assert first.kept + second.kept == 1, (first, second)
        assert _kept(trustee) == size
        assert is_cosigned(await served(db), trustee.key)
    assert run(trustee.program.config, "audit").returncode == 0


def _kept(trustee: WitnessProgram) -> int:
    """Return the size that is durable at the witness."""
    path = f"file:{trustee.database}?mode=ro"
    with closing(sqlite3.connect(path, uri=True)) as reader:
        (found,) = reader.execute("SELECT max(size) FROM witnessed").fetchone()
    return int(found or 0)


async def test_the_answers_are_to_the_letter_those_of_the_specification(
    trustee: WitnessProgram,
) -> None:
    fork, stranger = LOG.forked(3), SmallLog(KEY.origin)
    elsewhere = replace(LOG, origin="street.example/other")
    async with httpx2.AsyncClient(
        verify=trustee.tls, trust_env=False, timeout=60.0
    ) as client:

        async def post(request: AddCheckpoint | bytes) -> httpx2.Response:
            body = request if isinstance(request, bytes) else request.encode()
            return await client.post(trustee.program.url + PATH, content=body)

        first = await post(LOG.request(0, 7))
        assert (first.status_code, first.text[0], first.text[-1]) == (
            200,
            "\u2014",
            "\n",
        )
        assert parse_answer(first.content, LOG.note(7), trustee.key)
        stale = await post(LOG.request(0, 20))
        assert (stale.status_code, stale.content) == (409, b"7\n")
        assert stale.headers["content-type"] == SIZE_TYPE
        for request, status, name in (
            (LOG.request(7, 6), 400, "bad-request"),
            (b"old 7\n", 400, "bad-request"),
            (b"old 07\n\n" + LOG.note(7).encode(), 400, "bad-request"),
            (b"", 400, "bad-request"),
            (stranger.request(7, 20), 403, "not-signed"),
            (elsewhere.request(0, 20), 404, "unknown-log"),
            (fork.request(7, 7), 409, "other-root"),
            (fork.request(7, 20), 422, "bad-proof"),
            (replace(LOG.request(7, 20), proof=()), 422, "bad-proof"),
        ):
            no = await post(request)
            told = (no.status_code, no.headers["content-type"], no.json()["type"])
            problem = "application/problem+json"
            assert told == (status, problem, f"urn:meterseal:problem:{name}")
        again = await post(LOG.request(7, 20))
        assert again.status_code == 200
        assert (await client.get(trustee.program.url + PATH)).status_code == 405
        known = (await client.get(trustee.program.url + "/v1/trustee")).json()
        assert known["witness"] == trustee.key.vkey


async def test_bodies_without_end_are_refused_and_nothing_else_suffers(
    trustee: WitnessProgram,
) -> None:

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(1_000):
            yield b"x" * 65_536

    async with httpx2.AsyncClient(
        verify=trustee.tls, trust_env=False, timeout=60.0
    ) as client:
        huge = await client.post(
            trustee.program.url + PATH, content=b"o" * (MAX_REQUEST_BYTES + 1)
        )
        assert huge.status_code == 400
        try:
            cut = await client.post(trustee.program.url + PATH, content=endless())
            assert cut.status_code == 400
        except httpx2.TransportError:
            pass  # it hung up before all of it was sent
        began = time.perf_counter()
        answer = await client.post(
            trustee.program.url + PATH, content=LOG.request(0, 7).encode()
        )
        assert answer.status_code == 200
        assert time.perf_counter() - began < 5


async def test_of_many_requests_at_once_one_wins_and_the_others_are_told_the_size(
    trustee: WitnessProgram,
) -> None:
    limits = httpx2.Limits(max_connections=10)
    async with httpx2.AsyncClient(
        verify=trustee.tls, trust_env=False, limits=limits, timeout=60.0
    ) as client:
        bodies = [LOG.request(0, size).encode() for size in range(1, 21)]
        found = await asyncio.gather(
            *(client.post(trustee.program.url + PATH, content=body) for body in bodies)
        )
    won = [place + 1 for place, one in enumerate(found) if one.status_code == 200]
    assert len(won) == 1
    others = [one for one in found if one.status_code != 200]
    assert {(one.status_code, one.text) for one in others} == {(409, f"{won[0]}\n")}


async def test_a_trustee_without_a_log_follows_none(tmp_path: Path) -> None:
    started = WitnessProgram.start(tmp_path / "other", "")
    try:
        async with open_log(tmp_path / "log.db") as db:
            await grow(db, 5)
            asked = await ask_all(db, [started.witness])
        assert "404" in asked.troubles[0].text
    finally:
        started.program.stop(kill=True)


def test_the_log_of_these_tests_is_one_log() -> None:
    assert LOG.public == NoteKey(KEY.origin, KEY.key.public_key().public_bytes_raw())
