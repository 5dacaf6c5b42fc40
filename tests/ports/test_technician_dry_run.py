"""`dry-run` and `status` beside a whole agent: nothing false enters the chain."""

import asyncio
import json
import signal
import time
from argparse import Namespace
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_agent.commissioning.rehearsal import NETWORK, Shown, rehearse
from meterseal_agent.technician.dryrun import dry_run
from meterseal_proto.enrolment import Genesis
from meterseal_proto.keys import RootSecret
from meterseal_proto.units import IMPORT
from tests.support.agent_bench import Bench, a_bench, end


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with a_bench(tmp_path, homes=2, speed=600.0) as made:
        yield made


def heads(text: str) -> list[list[str]]:
    return [line.split()[:2] for line in text.splitlines()]


async def test_before_enrolment_what_can_be_tried_is_tried(bench: Bench) -> None:
    status, text = await bench.agent("dry-run")
    assert status == 1
    assert "FAIL  aggregator: not enrolled yet" in text
    assert "Traceback" not in text
    status, text = await bench.agent("status")
    assert (status, "not enrolled yet: run" in text) == (1, True)


async def test_the_whole_chain_is_tried_and_the_receipt_shown(bench: Bench) -> None:
    status, text = await bench.agent("enrol", "--code", await bench.code())
    assert status == 0, text
    bench.accept_enrolment()
    status, text = await bench.agent("dry-run")
    assert status == 0, text
    assert heads(text) == [
        ["ok", "configuration"],
        ["ok", "clock:"],
        ["ok", "meter"],
        ["ok", "meter"],
        ["ok", "seal:"],
        ["ok", "aggregator:"],
        ["ok", "certificate:"],
        ["ok", "broker:"],
        ["receipts:", "none"],
    ]
    assert "nothing entered a chain" in text
    assert "let a1 in, receipts can come" in text
    assert bench.oracle.shown == {}, "nothing was published"
    process = await bench.start("run")
    try:
        await _beside_the_running_agent(bench)
    finally:
        await end(process, signal.SIGTERM)
    status, text = await bench.agent("status")
    assert (status, "ALARM stopped" in text) == (1, True)


async def _beside_the_running_agent(bench: Bench) -> None:
    await bench.until_accepted(4)
    async with asyncio.timeout(60):
        while not bench.status().get("last_receipt"):
            await asyncio.sleep(0.05)
    before = bench.oracle.accepted
    status, text = await bench.agent("dry-run", "--wait", "30")
    assert status == 0, text
    assert "the running agent is connected; it was not disturbed" in text
    assert "S1 1-0:1.8.0: receipted up to seq" in text
    assert "the chain is whole" in text
    await bench.until_accepted(before + 4)
    assert bench.oracle.reasons == [], "nothing false was sent"
    status, text = await bench.agent("status")
    assert (status, "all well" in text) == (0, True), text
    assert "connected   last receipt" in text
    assert text.count("1-0:1.8.0") == 2


async def test_an_aggregator_with_other_keys_is_not_trusted(bench: Bench) -> None:
    status, text = await bench.agent("enrol", "--code", await bench.code())
    assert status == 0, text
    bench.desk.says = {"receipt_key": "00" * 32}
    status, text = await bench.agent("dry-run")
    assert status == 1
    assert "FAIL  aggregator: it tells another receipt_key than at enrolment" in text
    (bench.data / "client.crt").write_text("no certificate")
    bench.desk.down = True
    status, text = await bench.agent("dry-run")
    assert "FAIL  aggregator: " in text
    assert "does not answer" in text
    assert "FAIL  certificate: it cannot be used" in text
    assert "Traceback" not in text


WIRELESS = """
data_dir = "{folder}"
aggregator_url = "http://127.0.0.1:1"
[[meters]]
serial = "W1"
protocol = "wmbus"
kind = "water"
file = "{folder}/radio.json"
address = "33225544"
capacity_l_per_h = 2500
[[meters]]
serial = "S0"
protocol = "pulse"
chip = "/dev/gpiochip0"
pin = 17
pulses_per_kwh = 1000
registers = ["1-0:1.8.0"]
capacity_w = 3700
"""


def test_meters_on_no_wire_are_asked_of_the_running_agent(tmp_path: Path) -> None:
    config = tmp_path / "agent.toml"
    config.write_text(WIRELESS.format(folder=tmp_path))
    rows = [
        {"serial": "W1", "answers": 7, "failures": 0, "trouble": ""},
        {"serial": "S0", "answers": 0, "failures": 5, "trouble": "no such chip"},
    ]
    status = {"at": int(time.time()), "running": True, "meters": rows}
    (tmp_path / "status.json").write_text(json.dumps(status))
    said: list[str] = []
    assert dry_run(Namespace(config=str(config), wait=0), said.append) == 1
    assert "ok    meter W1: read by the running agent, 7 times" in said
    assert "FAIL  meter S0: the running agent says: no such chip" in said


@pytest.mark.parametrize("algorithm", ["secp256k1", "p256"])
def test_a_rehearsed_seal_is_of_no_network(algorithm: str) -> None:
    key = RootSecret(bytes(range(32))).seal_key(algorithm, 0)  # type: ignore[arg-type]
    text = rehearse(Shown(IMPORT, 123_456, 1_800_000_000, 900), key)
    assert "read back, receipt opened" in text
    assert Genesis(1, "x", "y").network != NETWORK
