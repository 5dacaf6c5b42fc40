"""What may be netted is proved in a process of its own, which may be killed or forge nothing."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_agent.run import proving as module
from meterseal_agent.run.committing import prove_apart
from meterseal_agent.run.file_thread import FileThread
from meterseal_agent.run.proving import Proving
from meterseal_agent.seal.billing import Household
from meterseal_agent.seal.committer import Job
from meterseal_agent.seal.netting import Nettings
from meterseal_proto.commitment import Slot, commit
from meterseal_proto.committed import openings_of
from meterseal_proto.errors import Unavailable
from meterseal_proto.netting import (
    NettedDay,
    Netting,
    ProvedNetting,
    check_netting,
)
from meterseal_proto.units import IMPORT
from tests.support.boxes import KEYS
from tests.support.devices import BEGAN_AT, GENESIS
from tests.support.private_home import (
    DAY_S,
    METER,
    PrivateHome,
    midnight,
)

FIRST = midnight(BEGAN_AT)
LATE = BEGAN_AT + 10 * DAY_S
PATIENCE_S = 60.0


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[PrivateHome]:
    made = PrivateHome(tmp_path / "home")
    made.live([1_000 + n for n in range(300)], now=LATE)
    yield made
    made.close()


def asking(home: PrivateHome) -> Netting:
    (chain,) = home.outbox.chains()
    days = home.outbox.days_between(chain, FIRST, FIRST + 2 * DAY_S)
    asked = [NettedDay(d.hash, d.first, d.step, ((3, 500), (4, 9_999))) for d in days]
    assert len(asked) == 2
    end = FIRST + 2 * DAY_S
    return Netting(GENESIS.network, METER, IMPORT, FIRST, end, tuple(asked))


def check(home: PrivateHome, proved: ProvedNetting) -> None:
    (chain,) = home.outbox.chains()
    seen = {}
    for day in home.outbox.days_between(chain, FIRST, FIRST + 2 * DAY_S):
        place = Slot(GENESIS.network, METER, IMPORT, day.first, day.step)
        opened = openings_of(place, day.values, KEYS.root.blind_key(METER))
        seen[day.hash] = [commit(one.value, one.blinding) for one in opened]
    check_netting(proved, seen, dict.fromkeys(seen, 16), KEYS.seal_key.public)


@pytest.mark.skipif(sys.platform != "linux", reason="a prover is killed by its number")
async def test_a_prover_that_is_killed_costs_a_pause_and_the_answer_is_proved(
    home: PrivateHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AGAIN_S", 0.01)
    killed = 0

    async def first_one_dies(job: Job) -> bytes:
        nonlocal killed
        if not killed:
            started = asyncio.create_task(prove_apart(job))
            child = await _child()
            killed += 1
            os.kill(child, signal.SIGKILL)
            return await started
        return await prove_apart(job)

    monkeypatch.setattr(module, "prove_apart", first_one_dies)
    thread, answers = FileThread("test"), asyncio.Queue[ProvedNetting]()
    registers = {(METER, IMPORT): 16}
    house = Household(GENESIS.network, registers, 1)
    nettings = Nettings(home.outbox, KEYS, house, registers, willing=True)
    proving = Proving(nettings, thread)
    duty = asyncio.create_task(proving.run())
    asked = asking(home)
    proving.ask(asked, lambda _digest, proved: answers.put_nowait(proved))
    async with asyncio.timeout(PATIENCE_S):
        proved = await answers.get()
    duty.cancel()
    await asyncio.gather(duty, return_exceptions=True)
    thread.close()
    assert [day.slots for day in proved.netting.days] == [((3, 500),)] * 2
    assert proved.netting.part_of(asked)
    check(home, proved)
    assert (killed, proving.counters.failures, proving.counters.answered) == (1, 1, 1)


async def test_a_machine_that_never_proves_gives_no_answer_and_is_asked_again(
    home: PrivateHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def none(_job: Job) -> bytes:
        raise Unavailable("no memory")

    monkeypatch.setattr(module, "prove_apart", none)
    monkeypatch.setattr(module, "AGAIN_S", 0.0)
    thread, said = FileThread("test"), list[ProvedNetting]()
    registers = {(METER, IMPORT): 16}
    house = Household(GENESIS.network, registers, 1)
    nettings = Nettings(home.outbox, KEYS, house, registers, willing=True)
    proving = Proving(nettings, thread)
    duty = asyncio.create_task(proving.run())
    for times in (1, 2):
        proving.ask(asking(home), lambda _digest, proved: said.append(proved))
        async with asyncio.timeout(PATIENCE_S):
            while proving.counters.dropped < times:
                await asyncio.sleep(0.001)
    duty.cancel()
    await asyncio.gather(duty, return_exceptions=True)
    thread.close()
    assert said == []
    assert proving.counters.failures == 2 * module.MAX_TRIES


async def _child() -> int:
    """Return the number of our one child, once it runs Python."""
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    async with asyncio.timeout(PATIENCE_S):
        while True:
            for number in children.read_text().split():
                command = Path(f"/proc/{number}/cmdline").read_bytes()
                if b"meterseal_agent.seal.prover" in command:
                    return int(number)
            await asyncio.sleep(0.001)
