"""The technician's commands against simulated meters and their faults, as he types them."""

import asyncio
import contextlib
import json
import re
from pathlib import Path

import pytest

from meterseal_agent.cli import main
from meterseal_sim.catalogue import profiles
from tests.support.technician_bench import HOST, MODEL, START, a_line
from tests.support.text_telegrams import p1

Captured = pytest.CaptureFixture[str]
UNIT_1 = ("--unit", "1", "--profile", MODEL)


async def test_a_scan_tells_silence_noise_and_exceptions_apart(
    capsys: Captured,
) -> None:
    faults = ("2:collision:0:", "3:illegal-address:0:")
    async with a_line([1, 5, 9], *faults) as bench:
        status = await bench.run("scan", "--units", "1-10", "--timeout-ms", "400")
    out = capsys.readouterr().out.splitlines()
    assert status == 1, "damaged answers have to be mended"
    assert re.fullmatch(r"network +unit +1  answers, \d+ ms", out[0])
    assert "unit   5  NOISE: answers come damaged every time; two units" in out[1]
    assert "unit   9  is there, but answers exception 2 (illegal data" in out[2]
    assert out[3:] == [
        "3 of 10 asked addresses answered, 7 silent",
        "damaged answers at unit 5",
    ]


async def test_a_scan_of_a_gateway_takes_its_word_for_silence(capsys: Captured) -> None:
    async with a_line([3, 4], rtu=False) as bench:
        assert await bench.run("scan", "--units", "2-5") == 0
        assert await bench.run("scan", "--units", "6-7") == 1
    out = capsys.readouterr().out
    assert "2 of 4 asked addresses answered, 2 silent" in out
    assert "nobody answers: check power, A and B" in out


async def test_a_line_that_is_not_there_ends_in_one_sentence(capsys: Captured) -> None:
    async with a_line([1]) as bench:
        place = bench.place
    for command in (["scan"], ["identify"], ["registers"], ["wiring", *UNIT_1[2:]]):
        assert await asyncio.to_thread(main, [*command, *place]) == 1
        err = capsys.readouterr().err.splitlines()[-1]
        assert err.startswith("meterseal-agent: ")
        assert HOST in err
        assert "cannot connect" in err


TWINS = {"eastron-sdm230": "eastron-sdm120"}
"""A model whose registers are another's, word for word."""


@pytest.mark.parametrize("model", [name for name in profiles() if name != "sunspec"])
async def test_every_model_is_found_by_what_it_answers(
    model: str, capsys: Captured
) -> None:
    async with a_line([1], model=model, rtu=False) as bench:
        bench.to_load(1_200, 9_000)
        assert await bench.run("identify") == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].split()[::2][:2] == ["100", TWINS.get(model, model)]
    if model in TWINS:
        assert f"{model} answers the same; only the type plate" in out[-2]
    assert out[-1].startswith(f'write profile = "{TWINS.get(model, model)}"')


async def test_a_sunspec_device_says_itself_what_it_is(capsys: Captured) -> None:
    async with a_line([1], model="sunspec", rtu=False) as bench:
        assert await bench.run("identify") == 0
    out = capsys.readouterr().out
    assert "it says itself what it is: " in out
    assert 'write protocol = "sunspec"' in out


async def test_a_unit_that_is_silent_cannot_be_identified(capsys: Captured) -> None:
    async with a_line([1]) as bench:
        status = await bench.run("identify", "--unit", "2", "--timeout-ms", "500")
    assert status == 1
    assert "unit 2 does not answer; meterseal-agent scan" in capsys.readouterr().err


async def test_registers_stand_side_by_side_and_what_moved_is_marked(
    capsys: Captured, tmp_path: Path
) -> None:
    memory = ("--memory", str(tmp_path / "seen" / "registers.json"))
    async with a_line([1]) as bench:
        browse = ("registers", "--first", "0", "--count", "8", *memory)
        assert await bench.run(*browse) == 0
        first = capsys.readouterr().out
        bench.at += 7_200
        assert await bench.run(*browse) == 0
        second = capsys.readouterr().out
        home = bench.homes[1]
        volts = home.quantities_at(START, 1)["voltage_l1"]
    row = next(line for line in first.splitlines() if line.split()[0] == "0")
    assert float(row.split()[7]) == pytest.approx(volts, rel=1e-6)
    assert "changed" not in first
    assert re.search(r"^[1-8] registers changed since the last", second, re.MULTILINE)
    assert "*" in second


async def test_registers_that_a_meter_does_not_have_are_left_out(
    capsys: Captured, tmp_path: Path
) -> None:
    memory = ("--memory", str(tmp_path / "m"))
    async with a_line([1]) as bench:
        browse = ("registers", "--first", "60", "--count", "24", *memory)
        assert await bench.run(*browse) == 0
        shown = capsys.readouterr().out.splitlines()[1:]
        none = ("registers", "--first", "30000", "--count", "4", *memory)
        assert await bench.run(*none) == 1
    assert {int(line.split()[0]) for line in shown} >= {70, 71, 72, 73}
    assert "has no register from 30000 on by function 4" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("1:ct-reversed:0::2", ["FAIL  L2: ", "the CT is reversed"]),
        ("1:ct-swapped:0::23", ["FAIL  L2: ", "FAIL  L3: ", "L2 and L3 are swapped"]),
        ("1:missing-phase:0::3", ["FAIL  L3: no voltage"]),
        ("", []),
    ],
)
async def test_the_wiring_check_finds_what_was_wired_wrong(
    fault: str, says: list[str], capsys: Captured
) -> None:
    async with a_line([1], *([fault] if fault else [])) as bench:
        # The clock of the right house: its load is what the wrong wiring misreads.
        async with a_line([1]) as right:
            right.to_load(2_000, 9_000)
            bench.at = right.at
        status = await bench.run("wiring", *UNIT_1)
    out = capsys.readouterr().out
    assert all(text in out for text in says), out
    assert out.count("FAIL") == len([text for text in says if "FAIL" in text])
    assert status == (1 if fault else 0)


async def test_a_meter_is_held_against_clamp_and_display(capsys: Captured) -> None:
    async with a_line([1]) as bench:
        bench.to_load(1_200, 9_000)
        right = bench.homes[1].quantities_at(bench.at, 1)
        amps, energy = right["current_l1"], right["import"] / 1000
        pairs = (f"current_l1={amps * 1.02:.3f}", f"voltage_l1={right['voltage_l1']}")
        assert await bench.run("compare", *UNIT_1, *pairs) == 0
        assert re.search(r"error -1\.9\d %", capsys.readouterr().out)
        by = ("--by", "display")
        assert await bench.run("compare", *UNIT_1, *by, f"import={energy:.2f}") == 0
        assert await bench.run("compare", *UNIT_1, *by, f"import={energy * 1.01}") == 1
        assert await bench.run("compare", *UNIT_1, f"current_l1={2 * amps}") == 1
        assert "factor of two: is the CT ratio half" in capsys.readouterr().out
        assert await bench.run("compare", *UNIT_1, "amps=3") == 1
        assert "this meter has no amps; it has voltage_l1" in capsys.readouterr().err


async def test_a_meter_that_pushes_is_held_against_its_display_by_obis_code(
    capsys: Captured, tmp_path: Path
) -> None:
    telegram = p1("1-0:1.8.0(000123.456*kWh)")

    talks: list[asyncio.Task[None]] = []

    async def push(_: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
        talks.append(asyncio.current_task())  # type: ignore[arg-type]  # a handler is one
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            while True:
                out.write(telegram)
                await out.drain()
                await asyncio.sleep(0.05)
        out.close()

    server = await asyncio.start_server(push, HOST, 0)
    port = server.sockets[0].getsockname()[1]
    config = tmp_path / "agent.toml"
    config.write_text(
        f'data_dir = "{tmp_path}"\naggregator_url = "https://x"\n[[meters]]\n'
        f'serial = "P1"\nprotocol = "dsmr"\nhost = "{HOST}"\nport = {port}\n'
        'capacity_w = 9000\nregisters = ["1-0:1.8.0"]\n'
    )
    at = ("compare", "--config", str(config), "--by", "display")
    assert await asyncio.to_thread(main, [*at, "1-0:1.8.0=123.5"]) == 0
    assert "error -0.04 %" in capsys.readouterr().out
    assert await asyncio.to_thread(main, ["quality", *at[1:3]]) == 1
    assert "is no Modbus meter" in capsys.readouterr().err
    server.close()
    for talk in talks:
        talk.cancel()
    await asyncio.gather(*talks)


async def test_a_load_that_is_switched_on_is_found_on_its_phase(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meterseal_agent.technician.loadstep.EVERY_S", 0.05)
    async with a_line([1]) as bench:
        bench.to_load(240, 260)
        before = bench.at
        bench.to_load(2_050, 2_400)
        kettle, bench.at = bench.at, before
        powers = [bench.homes[1].quantities_at(t, 1)["power"] for t in (before, kettle)]
        load = round(powers[1] - powers[0])
        watch = asyncio.create_task(
            bench.run("loadstep", *UNIT_1, "--watts", str(load), "--within", "120")
        )
        while "switch the" not in capsys.readouterr().out:
            await asyncio.sleep(0.01)
        bench.at = kettle
        await watch
    out = capsys.readouterr().out
    assert re.search(rf"ok +total: \+\d+ W for a load of {load} W", out)


async def test_a_load_nobody_switched_on_is_not_seen(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meterseal_agent.technician.loadstep.EVERY_S", 0.02)
    async with a_line([1]) as bench:
        step = ("--watts", "2000", "--within", "0", "--phase", "L2")
        assert await bench.run("loadstep", *UNIT_1, *step) == 1
    assert "the meter does not see this load" in capsys.readouterr().out


async def test_line_quality_counts_every_failure(capsys: Captured) -> None:
    async with a_line([1], "1:wrong-crc:0:::0.2", rtu=True) as bench:
        reads = ("--reads", "40", "--timeout-ms", "2000")
        assert await bench.run("quality", *UNIT_1, *reads) == 1
    out = capsys.readouterr().out
    figures = re.search(r"40 reads: (\d+) answered, 0 silent, (\d+) noise", out)
    assert figures is not None
    good, noise = map(int, figures.groups())
    assert good + noise == 40
    assert 1 <= noise <= 20
    assert "#" in out
    assert f"FAIL  line: {noise} of 40 answers were damaged" in out


async def test_a_meter_that_only_refuses_is_a_fault_without_latencies(
    capsys: Captured,
) -> None:
    async with a_line([1], "1:illegal-address:0::") as bench:
        assert await bench.run("quality", *UNIT_1, "--reads", "5") == 1
    out = capsys.readouterr().out
    assert "FAIL  unit: it answers with exceptions" in out
    assert "latency" not in out


async def test_a_good_line_is_called_good(capsys: Captured) -> None:
    async with a_line([1]) as bench:
        assert await bench.run("quality", *UNIT_1, "--reads", "20") == 0
    assert "20 reads: 20 answered" in capsys.readouterr().out


async def test_a_configured_meter_is_named_by_its_serial(
    capsys: Captured, tmp_path: Path
) -> None:
    async with a_line([1, 2], rtu=False) as bench:
        meters = "".join(
            f'[[meters]]\nserial = "S{unit}"\nprofile = "{MODEL}"\nunit = {unit}\n'
            f'host = "{HOST}"\nport = {bench.port}\ncapacity_w = 9000\n'
            for unit in (1, 2)
        )
        config = tmp_path / "agent.toml"
        config.write_text(
            f"data_dir = {json.dumps(str(tmp_path))}\n"
            f'aggregator_url = "https://x"\n{meters}'
        )
        at = ["--config", str(config)]
        assert await asyncio.to_thread(main, ["wiring", *at, "--meter", "S2"]) == 0
        assert "wiring of S2" in capsys.readouterr().out
        assert await asyncio.to_thread(main, ["wiring", *at]) == 1
        assert "say --meter with one of S1, S2" in capsys.readouterr().err
