"""What the agent tells of itself: counts and names, never what a house uses."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from meterseal_agent.meters.bus import Health
from meterseal_agent.meters.schedule import BACKOFF_CAP_S
from meterseal_agent.run import health, metrics
from meterseal_agent.run.clock_quality import clock_quality, synced_at
from meterseal_agent.run.duties import Progress
from meterseal_agent.run.health_record import Who, health_record
from meterseal_agent.run.watched import LINE_S, LineStuck, LineWatch
from meterseal_agent.sampler import Clock
from meterseal_proto.health import open_health, sign_health
from meterseal_proto.units import MeterId, obis_text
from tests.support.boxes import KEYS, PUBLIC, opened, put, records
from tests.support.oracle import AGENT, BEGAN, NETWORK, start

ONE = start(PUBLIC)
SECRET_WH = 987_654_321


@pytest.fixture
def status(tmp_path: Path) -> dict[str, Any]:
    """A status document of an agent with one meter, whose register must not be told."""
    box = opened(tmp_path, [ONE])
    put(box, records(ONE, [SECRET_WH]))
    trouble = f"import read twice after a timeout gave {SECRET_WH} and 5 Wh"
    meters = {ONE.meter: Health(5, 6, 7, trouble)}
    document = {
        "at": BEGAN,
        "running": True,
        "registers": health.register_rows(box.depths(), {ONE.meter: 'S"1'}),
        "meters": health.meter_rows(meters, {ONE.meter: 'S"1'}),
        "outbox": {"full": True, "refused_full": 3, "disk_failures": 0, "damaged": 0},
        "sampling": {"samples": 10, "records": 1},
        "uplink": {"connected": True, "trouble": "", "sent": 4, "refused": {"gap": 2}},
        "beside": {"posted": 1},
        "telemetry": {"waiting": 6, "dropped": 0, "lost": 0, "bytes": 4096},
        "clock": {"state": 2, "offset_us": -7, "synced_at": BEGAN - 3},
        "last_receipt": None,
        "duties_failed": {"uplink": 1},
    }
    box.close()
    return document


def test_a_health_record_is_signed_and_holds_counts_and_names_only(
    status: dict[str, Any],
) -> None:
    alarms = health.find_alarms(status, clock=Clock.TRUSTED, now=BEGAN)
    assert str(SECRET_WH) in " ".join(alarm.text for alarm in alarms)
    names = [alarm.name for alarm in alarms]
    record = health_record(Who(NETWORK, AGENT, BEGAN - 60), status, names)
    payload = sign_health(record, KEYS.seal_key)
    signed = open_health(payload)
    assert signed.record == record
    assert signed.is_signed_by(PUBLIC)
    assert record.alarms == ("meter-silent", "outbox-full")
    assert record.counts["telemetry_waiting"] == 6
    assert (record.meters[0].missed, record.registers[0].records) == (6, 1)
    assert SECRET_WH.to_bytes(4) not in payload
    assert (SECRET_WH + ONE.head.value).to_bytes(4) not in payload


def test_a_metrics_page_is_prometheus_text_without_a_value(
    status: dict[str, Any],
) -> None:
    status["alarms"] = []
    page = metrics.exposition(status)
    assert 'meterseal_agent_meter_missed_total{serial="S\\"1"} 6\n' in page
    assert (
        f'meterseal_agent_register_records{{serial="S\\"1",register="'
        f'{obis_text(ONE.register)}"}} 1\n' in page
    )
    assert 'meterseal_agent_uplink_refused_total{reason="gap"} 2\n' in page
    assert "meterseal_agent_telemetry_waiting 6\n" in page
    assert str(SECRET_WH) not in page
    names = [line.split()[2] for line in page.splitlines() if line.startswith("#")]
    assert len(names) == len(set(names))


def test_prometheus_own_parser_reads_the_page(status: dict[str, Any]) -> None:
    from prometheus_client.parser import text_string_to_metric_families as families

    status["alarms"] = ["one"]
    found = {family.name: family for family in families(metrics.exposition(status))}
    assert found["meterseal_agent_alarms"].samples[0].value == 1
    assert found["meterseal_agent_meter_answers"].samples[0].labels == {"serial": 'S"1'}


async def test_metrics_are_served_on_loopback_and_only_to_who_asks_for_them() -> None:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    task = asyncio.create_task(metrics.serve(port, lambda: "up 1\n"))
    try:
        for asked, answer in (
            (b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", b"up 1\n"),
            (b"GET /secrets HTTP/1.1\r\n\r\n", b"404"),
            (b"\xff\xfe\r\n\r\n", b"404"),
            (b"x" * 20_000, b""),
        ):
            reader, writer = await _dial(port)
            writer.write(asked)
            try:
                text = await reader.read(100_000)
            except ConnectionError:
                text = b""
            assert answer in text
            writer.close()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _dial(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    async with asyncio.timeout(60):
        while True:
            try:
                return await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.005)


def test_a_duty_that_stands_still_is_late_however_busy_the_others_are() -> None:
    progress = Progress({"uplink": 180.0, "meters": 60.0}, 0.0)
    assert progress.look({"uplink": 0, "meters": 0, "other": 0}, 10.0) == []
    assert progress.look({"uplink": 1, "meters": 0}, 65.0) == []
    assert progress.look({"uplink": 2, "meters": 0}, 75.0) == ["meters"]
    assert progress.look({"uplink": 2, "meters": 1}, 80.0) == []
    assert progress.look({"uplink": 2, "meters": 2}, 300.0) == ["uplink"]


def test_a_line_of_dead_meters_lives_and_one_that_hangs_is_stuck() -> None:
    dead, fine = MeterId(bytes(15) + b"\1"), MeterId(bytes(15) + b"\2")
    lines = {"a": frozenset({dead}), "b": frozenset({fine})}
    watch = LineWatch(lines, 0.0)
    now, missed = 0.0, 0
    while now < 3 * LINE_S:
        now += BACKOFF_CAP_S
        missed += 1
        watch.look(
            {dead: Health(0, missed, missed, "x"), fine: Health(missed, 0, 0, "")}, now
        )
    with pytest.raises(LineStuck, match="line b"):
        for step in range(1, 4):
            still = {
                dead: Health(0, missed + step, 9, "x"),
                fine: Health(missed, 0, 0, ""),
            }
            watch.look(still, now + step * BACKOFF_CAP_S)


def test_the_clocks_quality_is_told_as_far_as_the_system_does(tmp_path: Path) -> None:
    found = clock_quality()
    assert isinstance(found.synchronised, bool)
    assert json.dumps(found.offset_us) is not None
    mark = tmp_path / "synchronized"
    assert synced_at((str(mark),)) is None
    mark.touch()
    assert synced_at((str(mark), "/nowhere")) == int(mark.stat().st_mtime)
