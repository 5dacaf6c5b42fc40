"""The prover as a process of its own: quiet, at the lowest priority, killed at any moment."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_agent.run.committing import Committing, prove_apart
from meterseal_agent.run.file_thread import FileThread
from meterseal_agent.seal.prover import MODULE, NICENESS
from meterseal_proto.errors import Unavailable
from meterseal_proto.rangechecker import Claim, holds
from tests.support.devices import BEGAN_AT
from tests.support.private_home import DAY_S, PrivateHome, readings

LATE = BEGAN_AT + 10 * DAY_S
PATIENCE_S = 20.0


@pytest.fixture
async def one(tmp_path: Path) -> AsyncIterator[PrivateHome]:
    made = PrivateHome(tmp_path / "home")
    made.read(readings([n * 11 for n in range(192)]))
    yield made
    made.close()


def provers() -> list[Path]:
    """Return the provers among our own children, under /proc."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(status.read_text().rpartition(")")[2].split()[1])
            command = (status.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if parent == os.getpid() and MODULE.encode() in command.split(b"\0"):
            found.append(status.parent)
    return found


async def seen(priority: int) -> Path:
    """Wait for a prover that runs at this niceness."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            for process in provers():
                fields = (process / "stat").read_text().rpartition(")")[2].split()
                if int(fields[16]) == priority:
                    return process
            await asyncio.sleep(0.005)


@pytest.mark.skipif(sys.platform != "linux", reason="children are looked for in /proc")
async def test_a_killed_prover_is_asked_again_and_nothing_is_lost(
    one: PrivateHome,
) -> None:
    one.committer.cut()
    job = one.committer.next_job()
    assert job is not None
    proving = asyncio.create_task(prove_apart(job))
    process = await seen(NICENESS)
    values = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
    assert job.openings[3].blinding.to_bytes().hex().encode() not in values
    os.kill(int(process.name), signal.SIGKILL)
    with pytest.raises(Unavailable, match="no proof"):
        await proving
    assert one.due(LATE) == []
    again = one.committer.next_job()
    assert again is not None
    assert again.statement == job.statement
    proof = await prove_apart(again)
    assert holds([Claim(again.statement, proof)])


@pytest.mark.skipif(sys.platform != "linux", reason="children are looked for in /proc")
async def test_a_prover_ends_with_its_agent(one: PrivateHome) -> None:
    one.committer.cut()
    job = one.committer.next_job()
    assert job is not None
    proving = asyncio.create_task(prove_apart(job))
    await seen(NICENESS)
    proving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await proving
    assert provers() == []


async def test_the_duty_proves_a_day_and_wakes_the_uplink(one: PrivateHome) -> None:
    thread, woken = FileThread("outbox"), asyncio.Event()
    duty = asyncio.create_task(Committing(one.committer, thread, woken.set).run())
    async with asyncio.timeout(PATIENCE_S):
        await woken.wait()
    duty.cancel()
    await asyncio.gather(duty, return_exceptions=True)
    thread.close()
    assert len(one.due(LATE)) == 1
