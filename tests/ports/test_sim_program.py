"""The program itself: what it prints, when it ends, and with which code."""

import asyncio
import json
import os
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from pymodbus.client import AsyncModbusTcpClient

from meterseal_sim.catalogue import profiles
from tests.support.data import shared_data

START = 1_782_864_000


async def run(*arguments: str, clock: str = "") -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "meterseal_sim.cli", *arguments),
        stdout=PIPE,
        stderr=PIPE,
        env={**os.environ, "METERSEAL_CLOCK": clock},
    )


async def said_by(process: Process) -> tuple[int | None, str, str]:
    out, err = await asyncio.wait_for(process.communicate(), 90)
    return process.returncode, out.decode(), err.decode()


@asynccontextmanager
async def serving(*arguments: str, clock: str = "") -> AsyncIterator[Process]:
    """A simulator that answers, stopped by SIGTERM and gone by itself."""
    process = await run(*arguments, "--port", "0", clock=clock)
    assert process.stdout is not None
    welcome = await asyncio.wait_for(process.stdout.readline(), 60)
    assert b"127.0.0.1" in welcome, await said_by(process)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), 15)
    assert process.returncode == 0


async def test_a_street_of_real_homes_shows_the_day_of_the_file(tmp_path: Path) -> None:
    homes = shared_data("homes", "citylearn_17homes_hourly_load_pv_kWh.csv.gz")
    path = tmp_path / "map.json"
    options = ("--replay", str(homes), "--start", str(START), "--map", str(path))
    async with serving("street", "--gateway", *options):
        content = json.loads(path.read_text())
        assert len(content["meters"]) == 17
        assert len({meter["port"] for meter in content["meters"]}) == 1
        assert [meter["unit"] for meter in content["meters"]] == list(range(1, 18))
    code, out, _ = await said_by(
        await run("registers", "--map", str(path), "--at", str(START + 86_400))
    )
    assert code == 0
    last = json.loads(out)["registers"]
    code, out, _ = await said_by(
        await run("registers", "--map", str(path), "--quarters")
    )
    assert code == 0
    for meter in content["meters"]:
        rows = json.loads(out)[meter["serial"]]
        for side in ("import_wh", "export_wh"):
            gained = sum(row[side] for row in rows)
            assert last[meter["serial"]][side] == meter[f"initial_{side}"] + gained


async def test_time_runs_as_fast_as_the_clock_says(tmp_path: Path) -> None:
    path = tmp_path / "map.json"
    now = int(time.time())
    start = now // 900 * 900
    # A day passes in well under a second, so the last register is soon reached.
    options = ("--profile", "iem3155", "--start", str(start), "--map", str(path))
    async with serving("meter", *options, clock=f"{now},100000"):
        (meter,) = json.loads(path.read_text())["meters"]
        _, out, _ = await said_by(
            await run("registers", "--map", str(path), "--at", str(start + 86_400))
        )
        last = json.loads(out)["registers"][meter["serial"]]
        async with AsyncModbusTcpClient("127.0.0.1", port=meter["port"]) as client:
            read = client.read_holding_registers

            async def imported() -> int:
                got = await read(3203, count=4, device_id=1)
                return int.from_bytes(b"".join(w.to_bytes(2) for w in got.registers))

            assert await reached(imported, last["import_wh"])


async def reached(ask: Callable[[], Awaitable[int]], goal: int) -> bool:
    async with asyncio.timeout(60):
        while await ask() != goal:
            pass
    return True


async def test_a_taken_port_is_one_sentence_and_code_1() -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = str(server.sockets[0].getsockname()[1])
    code, out, err = await said_by(
        await run("meter", "--profile", "sdm120", "--port", port)
    )
    server.close()
    assert (code, out) == (1, "")
    assert err == (
        f"meterseal-sim: port {port} on 127.0.0.1 is taken: choose another --port"
        " or stop the program that has it\n"
    )


async def test_a_wrong_order_is_one_sentence_and_code_1(tmp_path: Path) -> None:
    for arguments, clock, words in (
        (("meter", "--profile", "x"), "", "choose one of abb-b23"),
        (("street", "--homes", "0"), "", "between 1 and"),
        (("street", "--replay", str(tmp_path / "x.csv")), "", "cannot be read"),
        (("street",), "fast", "write epoch,speed"),
        (("street", "--port", "65530"), "", "choose a lower --port"),
    ):
        code, _, err = await said_by(await run(*arguments, clock=clock))
        assert code == 1
        assert words in err
        assert err.count("\n") == 1


async def test_a_missing_weather_package_is_one_sentence_and_code_1() -> None:
    without = (
        "import sys; sys.modules['pvlib'] = None; sys.modules['pvlib.location'] = None"
    )
    code = f"{without}; from meterseal_sim.cli import main; sys.exit(main())"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code, "street", "--port", "0"),
        stdout=PIPE,
        stderr=PIPE,
    )
    ended, _, err = await said_by(process)
    assert ended == 1
    assert err.startswith("meterseal-sim: pvlib is missing: pip install")


async def test_profiles_lists_every_model() -> None:
    code, out, _ = await said_by(await run("profiles"))
    assert code == 0
    listed = [line.split()[0] for line in out.splitlines()]
    assert listed == sorted(profiles())
    assert {"eastron-sdm120", "carlo-gavazzi-em24", "sunspec"} <= set(listed)
