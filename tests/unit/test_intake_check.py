"""Intake's audit finds what somebody, or something, changed behind intake's back."""

import asyncio
from pathlib import Path

import pytest

from meterseal_aggregator.intake import check
from meterseal_aggregator.intake.port import Incoming
from tests.support.devices import CAPACITY_W, GENESIS, device
from tests.support.frontdesk import FrontDesk, front_desk

MEDDLING = {
    "a reading is changed": (6, "UPDATE readings SET delta = delta + 1"),
    "a reading is lost": (6, "DELETE FROM readings WHERE seal_id = 2"),
    "a salt is changed": (6, "UPDATE salts SET salt = zeroblob(16)"),
    "a seal is moved": (6, "UPDATE seals SET seq = 9 WHERE seq = 2"),
    "a signature rots": (6, "UPDATE seals SET signature = zeroblob(64)"),
    "a leaf is left over": (
        6,
        "DELETE FROM readings WHERE seal_id = 2; DELETE FROM seals WHERE seq = 2",
    ),
    "a seal is lost within the chain": (
        8,
        "DELETE FROM readings WHERE seal_id = 1; DELETE FROM seals WHERE seq = 1",
    ),
    "a link stands twice": (8, "UPDATE quarantine SET seq = 2"),
    "a head is elsewhere": (8, "UPDATE heads SET hash = zeroblob(32)"),
}


async def _filled(desk: FrontDesk) -> None:
    one = device()
    await desk.take(one.tell(1, 2).by("pi-1"), one.tell(3).by("pi-1"))
    leap = one.seal(one.records([CAPACITY_W]))
    await desk.take(leap.by("pi-1"), Incoming("pi-1", b"noise", None))


async def test_the_audit_of_untouched_tables_is_clean(tmp_path: Path) -> None:
    async with front_desk(tmp_path, [device()]) as desk:
        await _filled(desk)
        async with desk.database.reading() as tx:
            found = await check.findings(tx, GENESIS)
    assert [(f.invariant, f.ok) for f in found] == [(6, True), (8, True)]
    assert "2 seals" in found[0].detail


@pytest.mark.parametrize("name", MEDDLING)
async def test_the_audit_names_the_invariant_that_meddling_breaks(
    tmp_path: Path, name: str
) -> None:
    invariant, meddling = MEDDLING[name]
    async with front_desk(tmp_path, [device()]) as desk:
        await _filled(desk)
        async with desk.database.transaction() as tx:
            for (trigger,) in await tx.rows(
                "SELECT name FROM sqlite_schema WHERE type = 'trigger'"
            ):
                await tx.rows(f"DROP TRIGGER {trigger}")
            for statement in meddling.split("; "):
                await tx.rows(statement)
        async with desk.database.reading() as tx:
            found = await check.findings(tx, GENESIS)
    assert {f.invariant for f in found if not f.ok} == {invariant}


async def test_the_event_loop_turns_while_a_batch_is_judged(tmp_path: Path) -> None:
    devices = [device(n) for n in range(1, 401)]
    async with front_desk(tmp_path, devices) as desk:
        batch = [d.tell(1).by("pi-1") for d in devices]
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        counting = asyncio.create_task(count())
        await desk.intake.deliver(batch)
        counting.cancel()
        assert turns > len(devices)
