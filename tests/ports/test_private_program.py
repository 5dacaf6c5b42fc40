"""A committed agent as its own program: all it says is heard, and no usage is in it."""

import asyncio
import json
import signal
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from meterseal_aggregator.intake.port import Incoming, Reply
from meterseal_proto.committed import statement_of
from meterseal_proto.committed_message import decode_committed, is_committed
from meterseal_proto.rangechecker import Claim, holds
from meterseal_proto.units import IMPORT, Quality
from tests.support.agent_bench import WAIT_S, Bench, a_bench
from tests.support.disclosure import in_message, in_text

SPEED = 3000.0
STEP_S = 900
HOURS = 12
"""Until the first midnight after the bench was built, of the network's time."""


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with a_bench(tmp_path, homes=1, speed=SPEED) as made:
        text = made.config.read_text()
        zone = zone_of_midnight(made.now() + HOURS * 3600)
        more = f'health_s = 10\nzone = "{zone}"\n'
        made.config.write_text(more + text + 'mode = "committed"\n')
        yield made


def zone_of_midnight(at: float) -> str:
    """Return a zone where it is midnight at the full hour before `at`."""
    hour = datetime.fromtimestamp(at, UTC).hour
    return f"Etc/GMT+{hour}" if hour <= 12 else f"Etc/GMT-{24 - hour}"


class Ear:
    """Hears every message up before the oracle has it."""

    def __init__(self, bench: Bench) -> None:
        self._oracle = bench.oracle
        self.heard: list[bytes] = []

    async def deliver(self, batch: list[Incoming]) -> list[Reply]:
        self.heard += [one.payload for one in batch]
        return list(await self._oracle.deliver(batch))

    @property
    def days(self) -> list[bytes]:
        return [payload for payload in self.heard if is_committed(payload)]


async def test_nothing_a_committed_agent_says_tells_its_usage(bench: Bench) -> None:
    status, enrolled = await bench.agent("enrol", "--code", await bench.code())
    assert status == 0, enrolled
    assert "1-0:1.8.0: committed, told to nobody" in enrolled
    bench.accept_enrolment()
    ear = Ear(bench)
    await bench.rig.stop()
    await bench.rig.start(ear)  # type: ignore[arg-type]  # deliver is all
    process = await bench.start("run")
    async with asyncio.timeout(2 * WAIT_S):
        while not (
            answered(bench) and any(told.kind == "health" for told in bench.told)
        ):
            await asyncio.sleep(0.1)
    assert peak_mb(process.pid) < 60, "the proof is another process's"
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(WAIT_S):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    assert bench.oracle.reasons == []
    proved(bench, ear.days[0])
    shown, deltas = used(bench)
    assert len(shown) > 20
    for payload in ear.days:
        assert in_message(deltas, payload) == []
    for payload in (*ear.heard, *(told.payload for told in bench.told)):
        assert in_message(shown, payload) == []
    said = [
        *(out, err, enrolled.encode()),
        (bench.data / "status.json").read_bytes(),
        (bench.data / "enrolment.request.json").read_bytes(),
    ]
    assert {told.kind for told in bench.told} == {"health"}, "and no telemetry"
    private = (bench.data / "private.json").read_bytes()
    assert in_text(shown, private), "what is there is found"
    for text in said:
        assert in_text(shown, text) == []


def peak_mb(pid: int) -> float:
    """Return the most memory a process ever had, in MB; 0 where nobody tells."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return 0.0
    fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(fields["VmHWM"].split()[0]) / 1000


def answered(bench: Bench) -> bool:
    """Tell whether the agent holds a receipt for a committed day."""
    rows = bench.status().get("registers", [])
    return any(row["committed"] and row["seq"] for row in rows)


def proved(bench: Bench, payload: bytes) -> None:
    seal = decode_committed(payload, bench.oracle.genesis.network)
    digest = seal.header.digest(bench.oracle.genesis.chain_id)
    statement = statement_of(digest, seal.header.bits, seal.records)
    assert holds([Claim(statement, seal.envelope.parcel.proof)])
    assert {record.quality for record in seal.records} <= {
        *(Quality.RAW, Quality.QUESTIONABLE, Quality.MISSING)
    }


def used(bench: Bench) -> tuple[set[int], set[int]]:
    """Return what the committed register showed, and its intervals.

    An interval of 112 Wh is also a count of 112 samples: intervals are searched for where
    no counts are.
    """
    with closing(sqlite3.connect(bench.data / "outbox.sqlite")) as box:
        rows = box.execute(
            "SELECT r.delta, r.value FROM records r JOIN chains c ON c.id = r.chain"
            " WHERE c.register = ?",
            (IMPORT,),
        ).fetchall()
    ((_, _, _, first),) = json.loads((bench.data / "private.json").read_text())
    deltas = {delta for delta, _ in rows} - {STEP_S}
    return {first, *(value for _, value in rows)}, deltas
