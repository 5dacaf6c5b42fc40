"""The agent as its own program, beside its seals: telemetry, health, metrics, a new file."""

import asyncio
import os
import signal
import socket
import urllib.request
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from meterseal_aggregator.intake.port import BesideMessage
from meterseal_proto.encoding import encode
from meterseal_proto.health import open_health
from meterseal_proto.spans import seconds, union
from meterseal_proto.telemetry import decode_batch
from meterseal_proto.units import EXPORT, IMPORT
from tests.support.agent_bench import PERIOD_S, Bench, a_bench, end

SPEED = 600.0
WAIT_S = 90.0


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with a_bench(tmp_path, homes=2, speed=SPEED) as made:
        status, text = await made.agent("enrol", "--code", await made.code())
        assert status == 0, text
        made.accept_enrolment()
        yield made


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not happened():
            await asyncio.sleep(0.02)


def of(told: list[BesideMessage], kind: str) -> list[bytes]:
    return [one.payload for one in told if one.kind == kind]


async def test_telemetry_is_off_until_a_meter_is_to_have_some_and_health_is_signed(
    bench: Bench,
) -> None:
    process = await bench.start("run")
    await bench.until_accepted(4)
    await until(lambda: bool(of(bench.told, "health")))
    assert of(bench.told, "tel") == []
    assert not (bench.data / "telemetry.sqlite").exists()
    signed = open_health(of(bench.told, "health")[0])
    assert signed.is_signed_by(bench.oracle.public)
    assert len(signed.record.meters) == 2
    assert (bench.data / "health.cbor").stat().st_mode & 0o777 == 0o600
    assert await end(process, signal.SIGTERM) == 0


async def test_no_register_and_no_power_is_ever_in_a_health_record(
    bench: Bench,
) -> None:
    text = bench.config.read_text()
    bench.config.write_text("health_s = 10\n" + text)
    process = await bench.start("run")
    await bench.until_accepted(20)
    await until(lambda: len(of(bench.told, "health")) >= 2)
    assert await end(process, signal.SIGTERM) == 0
    heads = [chain.head.value for chain in bench.oracle.chains.values()]
    deltas = [w for w in bench.oracle.counted.values() if w > 0xFFFF]
    for payload in of(bench.told, "health"):
        for value in [v for v in heads if v > 0xFFFF] + deltas:
            assert encode(value) not in payload


async def test_a_changed_file_brings_telemetry_of_one_meter_and_a_bad_one_nothing(
    bench: Bench,
) -> None:
    process = await bench.start("run")
    await bench.until_accepted(4)
    text = bench.config.read_text()
    one_more = text.rstrip() + f"\ntelemetry_s = {PERIOD_S}\n"
    bench.config.write_text(one_more)
    os.kill(process.pid, signal.SIGHUP)
    await until(lambda: len(of(bench.told, "tel")) >= 3)
    batches = [decode_batch(payload) for payload in of(bench.told, "tel")]
    assert len({batch.meter for batch in batches}) == 1
    assert {IMPORT, EXPORT} <= set(batches[0].registers)
    assert seconds(union(b.span for b in batches)) >= 2 * PERIOD_S
    await until(lambda: bench.status()["config"]["did"] == "~S2")
    before = bench.oracle.accepted
    bench.config.write_text(text.replace("capacity_w = 10000", "capacity_w = 0"))
    os.kill(process.pid, signal.SIGHUP)
    await until(lambda: bool(bench.status()["config"]["refused"]))
    assert any("capacity_w" in alarm for alarm in bench.status()["alarms"])
    await bench.until_accepted(before + 8)
    assert await end(process, signal.SIGTERM) == 0
    before = bench.oracle.accepted
    process = await bench.start("run")
    await bench.until_accepted(before + 8)
    assert await end(process, signal.SIGTERM) == 0
    assert bench.oracle.reasons == []
    assert all(len(payloads) == 1 for payloads in bench.oracle.shown.values())


async def test_metrics_and_signs_of_life_while_every_duty_gets_on(
    bench: Bench,
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    text = bench.config.read_text()
    bench.config.write_text(text + f"[metrics]\nport = {port}\n")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(bench.folder / "notify"))
        ear.setblocking(False)
        process = await bench.start("run", NOTIFY_SOCKET=str(bench.folder / "notify"))
        await bench.until_accepted(4)
        heard = []
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(WAIT_S):
            while b"WATCHDOG=1" not in heard:
                heard.append(await loop.sock_recv(ear, 100))
    assert heard[0] == b"READY=1"
    page = await asyncio.to_thread(_page, port)
    assert 'meterseal_agent_meter_answers_total{serial="S1"}' in page
    assert "meterseal_agent_up 1\n" in page
    assert await end(process, signal.SIGTERM) == 0


def _page(port: int) -> str:
    where = f"http://127.0.0.1:{port}/metrics"
    with urllib.request.urlopen(where, timeout=60) as answer:
        return str(answer.read().decode())
