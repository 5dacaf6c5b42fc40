"""Rehearsals on the wire: who reads the bus finds what is hidden, and is marked right."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.exceptions import ModbusIOException

from meterseal_agent.cli import main as agent
from meterseal_sim import marking
from meterseal_sim.listing import Address, SerialAddress
from meterseal_sim.scenario import shelf
from meterseal_sim.scenario.model import Scenario
from meterseal_sim.scenario.read import Given, read
from meterseal_sim.scenario.work import hour_of, stand_for
from meterseal_sim.stand import Stand

PORT_FREE = ("port = 15020", "port = 0")


@asynccontextmanager
async def rehearsing(
    name: str, folder: Path, seed: int
) -> AsyncIterator[tuple[Scenario, Stand]]:
    text = (Path(shelf.__file__).parents[1] / "rehearsals" / f"{name}.toml").read_text()
    scenario = read(text.replace(*PORT_FREE), name, Given(0, folder, seed))
    hour = hour_of(scenario, 0.0)
    stand = stand_for(scenario, lambda: hour.at(1.0))
    await stand.open()
    try:
        yield scenario, stand
    finally:
        await stand.close()


def all_right(scenario: Scenario, answer: str) -> bool:
    return all(one.right for one in marking.mark(scenario, answer))


@pytest.mark.parametrize("seed", [1, 2, 4])
async def test_the_sign_of_a_phases_power_shows_the_reversed_ct(
    tmp_path: Path, seed: int
) -> None:
    async with rehearsing("reversed-ct", tmp_path, seed) as (scenario, stand):
        address = stand.places()[0][1]
        assert isinstance(address, Address)
        async with AsyncModbusTcpClient(address.host, port=address.port) as client:
            got = await client.read_input_registers(12, count=6, device_id=1)
    watts = client.convert_from_registers(got.registers, client.DATATYPE.FLOAT32)
    assert isinstance(watts, list)
    odd = [f"L{phase}" for phase, watt in enumerate(watts, 1) if float(watt) < 0]
    assert len(odd) == 1
    assert all_right(scenario, f"CT on {odd[0]} reversed")


@pytest.mark.parametrize("name", ["reversed-ct", "swapped-cts", "missing-phase"])
@pytest.mark.parametrize("seed", [2, 3])
async def test_what_the_agents_wiring_check_says_is_the_right_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, seed: int
) -> None:
    async with rehearsing(name, tmp_path, seed) as (scenario, stand):
        home, address = stand.places()[0]
        assert isinstance(address, Address)
        where = ["--host", address.host, "--port", str(address.port)]
        model = ["--profile", home.profile.name]
        await asyncio.to_thread(agent, ["wiring", *where, *model])
    said = capsys.readouterr().out
    failed = [line for line in said.splitlines() if line.startswith("FAIL")]
    assert failed, said
    assert all_right(scenario, " ".join(failed)), failed


async def test_the_unit_that_never_answers_is_the_dead_one(tmp_path: Path) -> None:
    async with rehearsing("dead-unit", tmp_path, 5) as (scenario, stand):
        address = stand.places()[0][1]
        assert isinstance(address, SerialAddress)
        client = AsyncModbusSerialClient(
            address.device, baudrate=9600, timeout=3.0, retries=0
        )
        assert await client.connect()
        dead = []
        for unit in range(1, 6):
            try:
                await client.read_input_registers(72, count=2, device_id=unit)
            except ModbusIOException:
                dead.append(unit)
        client.close()
    assert len(dead) == 1
    assert all_right(scenario, f"unit {dead[0]} is silent")


async def program(*arguments: str) -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "meterseal_sim.cli", *arguments),
        stdout=PIPE, stderr=PIPE, stdin=PIPE, env={**os.environ, "METERSEAL_CLOCK": ""},
    )  # fmt: skip


async def said(*arguments: str, typed: str = "") -> tuple[int | None, str, str]:
    process = await program(*arguments)
    out, err = await asyncio.wait_for(process.communicate(typed.encode()), 90)
    return process.returncode, out.decode(), err.decode()


async def test_a_rehearsal_says_its_task_and_where_its_meters_are_but_not_the_fault(
    tmp_path: Path,
) -> None:
    process = await program(
        "rehearse", "dead-unit", "--dir", str(tmp_path), "--seed", "3"
    )
    assert process.stdout is not None
    text = ""
    while "unit 5" not in text.partition("unit/5")[2]:
        text += (await asyncio.wait_for(process.stdout.readline(), 60)).decode()
    assert "Five meters are on this line" in text
    assert f"{tmp_path / 'cellar'} at 9600 8N1 unit 1" in text
    assert "silence" not in text
    assert (tmp_path / "cellar").is_symlink()
    process.send_signal(signal.SIGINT)
    assert await asyncio.wait_for(process.wait(), 30) == 0
    assert not (tmp_path / "cellar").is_symlink()


async def test_mark_counts_what_was_found_and_says_it_by_its_status() -> None:
    code, out, _ = await said("mark", "step-back", "--answer", "no idea", "--show")
    assert code == 2
    assert "0 of 3 right" in out
    right = out.partition("the answer: ")[2].splitlines()[0]
    code, out, _ = await said(
        "mark", "step-back", "--answer", right.strip("{}").replace("'", "")
    )
    assert (code, out.splitlines()[-1]) == (0, "3 of 3 right")


async def test_mark_asks_when_no_answer_was_given() -> None:
    code, out, _ = await said("mark", "swapped-words", typed="no idea\n")
    assert code == 2
    assert "You are asked: meter, kind" in out


async def test_mark_without_an_answer_says_how_to_give_one() -> None:
    code, _, err = await said("mark", "swapped-words")
    assert (code, err) == (
        1,
        "meterseal-sim: nothing was typed: say --answer 'what you found'\n",
    )


async def test_list_names_scenarios_and_rehearsals() -> None:
    code, out, _ = await said("list")
    assert code == 0
    for kind in (shelf.SCENARIOS, shelf.REHEARSALS):
        assert all(name in out for name in shelf.names(kind))


async def test_a_scenario_file_is_put_up_with_its_map_and_its_clock(
    tmp_path: Path,
) -> None:
    file, at = tmp_path / "mine.toml", tmp_path / "map.json"
    file.write_text(
        'start = 2026-07-01T00:00:00Z\nspeed = 60\n[[lines]]\nname = "a"\n'
        '[[meters]]\nline = "a"\nmodel = "sdm120"\ncount = 2\n'
    )
    process = await program("scenario", str(file), "--map", str(at))
    assert process.stdout is not None
    first = (await asyncio.wait_for(process.stdout.readline(), 60)).decode()
    second = (await asyncio.wait_for(process.stdout.readline(), 60)).decode()
    assert first.startswith("export METERSEAL_CLOCK=")
    assert second.startswith("a/1: eastron-sdm120, serial ")
    assert at.exists()
    process.terminate()
    assert await asyncio.wait_for(process.wait(), 30) == 0
    code, out, _ = await said("registers", "--map", str(at), "--at", "1782864000")
    assert code == 0
    assert out.count("import_wh") == 2


async def test_a_wrong_scenario_is_one_sentence_and_code_1(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        'tittle = "x"\n[[lines]]\nname = "a"\n[[meters]]\nline = "a"\nmodel = "sdm120"'
    )
    code, _, err = await said("scenario", str(file))
    assert code == 1
    assert (
        err
        == "meterseal-sim: mine.toml: there is no key 'tittle': did you mean 'title'?\n"
    )
