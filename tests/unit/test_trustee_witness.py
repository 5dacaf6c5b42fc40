"""A trustee cosigns what extends the last checkpoint, once it is written down, and no more."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from meterseal_proto.checkpoint import Checkpoint, parse_note, sign_note
from meterseal_proto.cosignature import cosigned_at
from meterseal_proto.merkle import MAX_SIZE
from meterseal_proto.witness import AddCheckpoint
from meterseal_trustee import store
from meterseal_trustee.database import Database
from meterseal_trustee.witness import (
    MAX_CONTRADICTIONS,
    MAX_UNPROVED,
    Cosigner,
    Doubt,
    NotCosigned,
    Witness,
)
from tests.support.witnessing import WITNESSES, SmallLog

LOG = SmallLog()
COSIGNER = Cosigner("meterseal/trustee-0", WITNESSES["witness.example/w1"], LOG.public)
NOON = 1_800_000_000
FORK = LOG.forked(3)


@asynccontextmanager
async def open_witness(
    path: Path, cosigner: Cosigner = COSIGNER, now: float = NOON
) -> AsyncIterator[Witness]:
    database = await Database.open(path)
    try:
        yield Witness(cosigner, database, lambda: now)
    finally:
        await database.close()


@pytest.fixture
async def witness(tmp_path: Path) -> AsyncIterator[Witness]:
    async with open_witness(tmp_path / "trustee.sqlite") as opened:
        yield opened


async def added(witness: Witness, request: AddCheckpoint) -> int:
    """Add; returns when it was cosigned, as a stranger with the key verifies."""
    line = await witness.add(request)
    note = parse_note(request.note + line.line())
    return cosigned_at(note, witness.cosigner.public)


async def doubted(witness: Witness, request: AddCheckpoint) -> NotCosigned:
    with pytest.raises(NotCosigned) as caught:
        await witness.add(request)
    return caught.value


async def size_of(witness: Witness) -> int:
    async with witness.database.transaction() as tx:
        last = await store.witnessed(tx, LOG.origin)
    return last.size if last else 0


@pytest.mark.parametrize(
    "sizes", [(1,), (7, 8, 20), (4, 16, 17, 32), (0, 5), (8, 8, 9)]
)
async def test_a_log_that_only_grows_is_cosigned(
    witness: Witness, sizes: tuple[int, ...]
) -> None:
    old = 0
    for size in sizes:
        assert await added(witness, LOG.request(old, size)) == NOON
        old = size
        assert await size_of(witness) == size


async def test_a_checkpoint_behind_the_last_is_not_cosigned(witness: Witness) -> None:
    await added(witness, LOG.request(0, 20))
    for old, size in ((0, 7), (7, 7), (7, 20), (0, 20), (19, 32)):
        no = await doubted(witness, LOG.request(old, size))
        assert (no.doubt, no.size) == (Doubt.OTHER_SIZE, 20)
    no = await doubted(witness, LOG.request(20, 7))
    assert no.doubt is Doubt.BAD_REQUEST
    assert await size_of(witness) == 20


async def test_another_history_is_not_cosigned_and_is_kept_as_proof(
    witness: Witness,
) -> None:
    await added(witness, LOG.request(0, 7))
    same = await doubted(witness, FORK.request(7, 7))
    assert same.doubt is Doubt.OTHER_ROOT
    longer = await doubted(witness, FORK.request(7, 20))
    assert longer.doubt is Doubt.BAD_PROOF
    async with witness.database.transaction() as tx:
        kept = await store.contradictions(tx)
    assert [(one.size, standing) for one, standing in kept] == [
        (7, LOG.note(7)),
        (20, LOG.note(7)),
    ]
    for one, standing in kept:
        for text in (one.note, standing):
            parse_note(text).check(LOG.public)
    assert await size_of(witness) == 7
    await added(witness, LOG.request(7, 20))


async def test_a_log_that_lies_without_end_fills_no_disk(witness: Witness) -> None:
    await added(witness, LOG.request(0, 7))
    for n in range(MAX_CONTRADICTIONS + 4):
        head = Checkpoint(LOG.origin, 7, bytes([n]) * 32)
        request = AddCheckpoint(7, (), sign_note(head, LOG.key))
        assert (await doubted(witness, request)).doubt is Doubt.OTHER_ROOT
    async with witness.database.transaction() as tx:
        assert await store.contradictions_of(tx, LOG.origin) == MAX_CONTRADICTIONS


async def test_what_proves_nothing_takes_no_room_from_what_does(
    witness: Witness,
) -> None:
    await added(witness, LOG.request(0, 7))
    for n in range(MAX_UNPROVED + 4):
        head = Checkpoint(LOG.origin, 8 + n, bytes([n]) * 32)
        request = AddCheckpoint(7, (), sign_note(head, LOG.key))
        assert (await doubted(witness, request)).doubt is Doubt.BAD_PROOF
    assert (await doubted(witness, FORK.request(7, 7))).doubt is Doubt.OTHER_ROOT
    async with witness.database.transaction() as tx:
        kept = await store.contradictions(tx)
    sizes = sorted(one.size for one, _ in kept)
    assert (len(sizes), sizes[0]) == (MAX_UNPROVED + 1, 7)


async def test_a_proof_that_does_not_hold_is_not_cosigned(witness: Witness) -> None:
    await added(witness, LOG.request(0, 7))
    good = LOG.request(7, 20)
    proof = good.proof
    wrong = [
        (), proof[:-1], (*proof, bytes(32)), proof[::-1],
        (bytes(32), *proof[1:]), (*proof[:-1], bytes(32)), (bytes(32),) * 63,
    ]  # fmt: skip
    for one in wrong:
        no = await doubted(witness, replace(good, proof=one))
        assert no.doubt is Doubt.BAD_PROOF, one
    assert await size_of(witness) == 7
    await added(witness, good)


async def test_a_first_checkpoint_comes_without_a_proof(witness: Witness) -> None:
    no = await doubted(witness, replace(LOG.request(0, 7), proof=(bytes(32),)))
    assert no.doubt is Doubt.BAD_PROOF
    assert await size_of(witness) == 0


async def test_an_empty_log_has_the_empty_root(witness: Witness) -> None:
    odd = sign_note(Checkpoint(LOG.origin, 0, bytes(32)), LOG.key)
    no = await doubted(witness, AddCheckpoint(0, (), odd))
    assert no.doubt is Doubt.OTHER_ROOT


async def test_another_log_is_not_followed(witness: Witness) -> None:
    other = replace(LOG, origin="street.example/other")
    assert (await doubted(witness, other.request(0, 7))).doubt is Doubt.UNKNOWN_LOG
    stranger = Ed25519PrivateKey.from_private_bytes(b"s" * 32)
    forged = replace(LOG, key=stranger).request(0, 7)
    assert (await doubted(witness, forged)).doubt is Doubt.NOT_SIGNED


async def test_a_line_under_the_logs_name_that_is_not_its_own_spoils_the_note(
    witness: Witness,
) -> None:
    good = LOG.request(0, 7)
    wrong = LOG.note(8).splitlines(keepends=True)[-1]
    no = await doubted(witness, replace(good, note=good.note + wrong))
    assert no.doubt is Doubt.NOT_SIGNED


async def test_lines_of_keys_it_does_not_know_are_passed_over(witness: Witness) -> None:
    good = LOG.request(0, 7)
    other = replace(LOG, key=Ed25519PrivateKey.from_private_bytes(b"s" * 32))
    line = other.note(7).splitlines(keepends=True)[-1]
    assert await added(witness, replace(good, note=good.note + line)) == NOON


@pytest.mark.parametrize(
    "note",
    ["", LOG.note(7).rstrip(), LOG.note(7).replace("\n7\n", "\n07\n"),
     LOG.note(7).replace("\n\n", "\nextension\n\n")],
)  # fmt: skip
async def test_what_is_no_checkpoint_is_no_request(witness: Witness, note: str) -> None:
    assert (await doubted(witness, AddCheckpoint(0, (), note))).doubt in (
        Doubt.BAD_REQUEST,
    )


async def test_without_a_log_nothing_is_cosigned(tmp_path: Path) -> None:
    nobodys = replace(COSIGNER, log=None)
    async with open_witness(tmp_path / "t.sqlite", nobodys) as witness:
        no = await doubted(witness, LOG.request(0, 7))
    assert no.doubt is Doubt.UNKNOWN_LOG


async def test_of_two_requests_at_once_only_one_goes_from_the_same_size(
    witness: Witness,
) -> None:
    await added(witness, LOG.request(0, 7))
    asked = [LOG.request(7, size) for size in (20, 9, 32, 8, 20)]
    found = await asyncio.gather(
        *(witness.add(one) for one in asked), return_exceptions=True
    )
    cosigned = [one for one in found if not isinstance(one, BaseException)]
    refused = [one for one in found if isinstance(one, NotCosigned)]
    assert (len(cosigned), len(refused)) == (1, 4)
    size = await size_of(witness)
    assert {(no.doubt, no.size) for no in refused} == {(Doubt.OTHER_SIZE, size)}


async def test_two_programs_on_one_database_do_not_go_back_either(
    tmp_path: Path,
) -> None:
    path = tmp_path / "trustee.sqlite"
    async with open_witness(path) as one, open_witness(path) as two:
        await added(one, LOG.request(0, 7))
        found = await asyncio.gather(
            one.add(LOG.request(7, 20)), two.add(LOG.request(7, 9)),
            return_exceptions=True,
        )  # fmt: skip
        refused = [no for no in found if isinstance(no, NotCosigned)]
        assert [no.doubt for no in refused] == [Doubt.OTHER_SIZE]


async def test_what_was_cosigned_is_known_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "trustee.sqlite"
    async with open_witness(path) as witness:
        await added(witness, LOG.request(0, 20))
    async with open_witness(path) as witness:
        assert (await doubted(witness, LOG.request(0, 7))).size == 20
        assert await added(witness, LOG.request(20, 20)) == NOON


async def test_a_clock_that_goes_back_dates_no_larger_tree_earlier(
    tmp_path: Path,
) -> None:
    path = tmp_path / "trustee.sqlite"
    async with open_witness(path) as witness:
        await added(witness, LOG.request(0, 7))
    async with open_witness(path, now=NOON - 3_600) as witness:
        assert await added(witness, LOG.request(7, 20)) == NOON


async def test_the_schema_does_not_go_back_either(
    witness: Witness, tmp_path: Path
) -> None:
    await added(witness, LOG.request(0, 7))
    with closing(sqlite3.connect(tmp_path / "trustee.sqlite")) as other:
        for sql in (
            "UPDATE witnessed SET size = 6",
            "UPDATE witnessed SET root = zeroblob(32)",
            "UPDATE witnessed SET origin = 'x'",
            "UPDATE witnessed SET at = 1",
            "DELETE FROM witnessed",
        ):
            with pytest.raises(sqlite3.IntegrityError, match="witness never"):
                other.execute(sql)


async def test_the_largest_log_there_can_be_is_no_accident(witness: Witness) -> None:
    huge = sign_note(Checkpoint(LOG.origin, MAX_SIZE, bytes(32)), LOG.key)
    assert await added(witness, AddCheckpoint(0, (), huge)) == NOON
    assert await size_of(witness) == MAX_SIZE
