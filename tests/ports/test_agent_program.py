"""The agent as its own program, from the one-time code to receipted intervals."""

import re
import signal
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from meterseal_aggregator.registry.model import CodeKind
from tests.support.agent_bench import Bench, a_bench, end

SPEED = 600.0


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with a_bench(tmp_path, homes=2, speed=SPEED) as made:
        yield made


async def test_from_a_code_to_receipts_through_a_kill(bench: Bench) -> None:
    status, text = await bench.agent("show")
    assert (status, text.strip()) == (
        1,
        "not enrolled yet: run meterseal-agent enrol --code CODE",
    )
    code = await bench.code()
    status, text = await bench.agent("enrol", "--code", code)
    assert status == 0, text
    assert "enrolled as a1 in network street" in text
    assert "the recovery sheet was not shown, because this is no terminal" in text
    secret = (bench.data / "root.secret").read_text().strip()
    assert secret not in "".join(text.split())
    bench.accept_enrolment()
    status, text = await bench.agent("check")
    assert status == 0, text
    assert [line.split()[:2] for line in text.splitlines()] == [
        ["ok", "configuration"],
        ["ok", "keystore:"],
        ["ok", "clock:"],
        ["ok", "meter"],
        ["ok", "meter"],
        ["ok", "broker:"],
    ]
    process = await bench.start("run")
    await bench.until_accepted(8)
    await end(process, signal.SIGKILL)
    process = await bench.start("run")
    before = bench.oracle.accepted
    await bench.until_accepted(before + 8)
    began = time.monotonic()
    assert await end(process, signal.SIGTERM) == 0
    assert time.monotonic() - began < 15, "it stops quickly"
    oracle = bench.oracle
    assert oracle.reasons == []
    assert all(len(payloads) == 1 for payloads in oracle.shown.values())
    for key, chain in oracle.chains.items():
        assert oracle.counted[key] == chain.head.value - chain.claim.initial_value
    status, text = await bench.agent("show")
    assert (status, "stopped, last receipt" in text) == (1, True)
    assert text.count("1-0:1.8.0") == 2
    last = bench.status()
    assert not last["running"]
    assert not last["uplink"]["connected"]
    with closing(sqlite3.connect(bench.data / "outbox.sqlite")) as box:
        heads = box.execute("SELECT seq FROM chains ORDER BY id").fetchall()
    assert [(row["seq"],) for row in last["registers"]] == heads


async def test_an_enrolment_whose_answer_was_lost_is_repeated_word_for_word(
    bench: Bench,
) -> None:
    code = await bench.code()
    bench.desk.down = True
    status, text = await bench.agent("enrol", "--code", code)
    assert status == 1
    assert "does not answer" in text
    bench.desk.down = False
    status, text = await bench.agent("enrol", "--code", code)
    assert status == 0, text
    first, second = bench.desk.bodies
    assert first == second
    status, text = await bench.agent("enrol", "--code", code)
    assert (status, len(bench.desk.bodies)) == (0, 2)
    assert "already enrolled as a1" in text


async def test_a_wrong_code_is_refused_in_the_aggregators_words(bench: Bench) -> None:
    status, text = await bench.agent("enrol", "--code", "NO-SUCH-CODE")
    assert status == 1
    assert "the aggregator refused: this code is not known" in text
    assert "Traceback" not in text


async def test_a_meter_that_is_not_there_ends_enrolment_with_its_name(
    bench: Bench,
) -> None:
    text = bench.config.read_text()
    bench.config.write_text(text.replace('host = "127.0.0.1"', 'host = "127.0.0.2"', 1))
    status, said = await bench.agent("enrol", "--code", "X", "--patience", "0")
    assert status == 1
    assert "meter S1: " in said
    assert "Traceback" not in said
    assert bench.desk.bodies == []


async def test_running_without_enrolment_or_with_open_keys_is_refused(
    bench: Bench,
) -> None:
    status, text = await bench.agent("run")
    assert (status, "not enrolled yet" in text) == (1, True)
    status, text = await bench.agent("enrol", "--code", await bench.code())
    assert status == 0, text
    (bench.data / "root.secret").chmod(0o644)
    status, text = await bench.agent("run")
    assert (status, "chmod 600" in text) == (1, True)
    assert "Traceback" not in text


@pytest.mark.parametrize("restored", [False, True])
async def test_a_new_pi_goes_on_where_the_dead_one_stopped(
    bench: Bench, restored: bool
) -> None:
    sheet = bench.folder / "sheet"
    enrol = ("enrol", "--code", await bench.code(), "--sheet", str(sheet))
    status, text = await bench.agent(*enrol)
    assert status == 0, text
    bench.accept_enrolment()
    process = await bench.start("run")
    await bench.until_accepted(4)
    await end(process, signal.SIGKILL)
    bench.data.rename(bench.folder / "the dead Pi")
    before = bench.oracle.accepted
    code = await bench.code(CodeKind.REPLACEMENT)
    options = ["--secret-file", str(sheet)] if restored else []
    status, text = await bench.agent("replace", "--code", code, *options)
    assert status == 0, text
    await bench.accept_new_key()
    process = await bench.start("run")
    await bench.until_accepted(before + 8)
    assert await end(process, signal.SIGTERM) == 0
    oracle = bench.oracle
    assert oracle.reasons == []
    assert all(len(payloads) == 1 for payloads in oracle.shown.values())
    for key, chain in oracle.chains.items():
        assert oracle.counted[key] == chain.head.value - chain.claim.initial_value


async def test_every_restored_pi_seals_with_a_key_the_meters_never_had(
    bench: Bench,
) -> None:
    sheet = bench.folder / "sheet"
    enrol = ("enrol", "--code", await bench.code(), "--sheet", str(sheet))
    status, text = await bench.agent(*enrol)
    assert status == 0, text
    bench.accept_enrolment()
    for epoch in (1, 2):
        bench.data.rename(bench.folder / f"dead Pi {epoch}")
        code = await bench.code(CodeKind.REPLACEMENT)
        restore = ("replace", "--code", code, "--secret-file", str(sheet))
        status, text = await bench.agent(*restore)
        assert status == 0, text
        assert (bench.data / "key.epoch").read_text() == f"secp256k1 {epoch}\n"
    again = "make a new one (HTTP 409); going on with key epoch 2"
    assert again in " ".join(text.split())


async def test_twenty_meters_take_less_than_60_mb(tmp_path: Path) -> None:
    async with a_bench(tmp_path, homes=20, speed=300.0) as bench:
        status, text = await bench.agent("enrol", "--code", await bench.code())
        assert status == 0, text
        bench.accept_enrolment()
        process = await bench.start("run")
        await bench.until_accepted(80)
        found = Path(f"/proc/{process.pid}/status").read_text()
        (peak_kb,) = re.findall(r"VmHWM:\s+(\d+) kB", found)
        await end(process, signal.SIGTERM)
        assert int(peak_kb) < 60_000, f"{peak_kb} kB"
