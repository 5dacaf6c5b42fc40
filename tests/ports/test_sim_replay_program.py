"""Captures that real meters made, said again by the program at their pace."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import serial  # type: ignore[import-untyped]

from meterseal_sim import capture
from meterseal_sim.refusal import Refused
from tests.support.data import shared_data


@asynccontextmanager
async def replaying(*arguments: str) -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "meterseal_sim.cli", "replay", *arguments),
        stdout=PIPE, stderr=PIPE, env={**os.environ, "METERSEAL_CLOCK": ""},
    )  # fmt: skip
    assert process.stdout is not None
    said = (await asyncio.wait_for(process.stdout.readline(), 60)).decode()
    try:
        yield said
    finally:
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), 30)
    assert process.returncode == 0


def heard(device: Path, baud: int, count: int, question: bytes = b"") -> bytes:
    with serial.Serial(str(device), baud, timeout=15) as port:
        if question:
            port.write(question)
        found: bytes = port.read(count)
        return found


@pytest.mark.parametrize(
    ("protocol", "parts", "baud"),
    [
        ("dsmr", ("dsmr", "v5.txt"), 115_200),
        ("sml", ("sml", "ISKRA_MT175_eHZ.bin"), 9600),
    ],
)
async def test_a_capture_comes_out_of_the_terminal_byte_for_byte(
    tmp_path: Path, protocol: str, parts: tuple[str, str], baud: int
) -> None:
    file, line = shared_data("meters", *parts), tmp_path / "line"
    captured = capture.telegrams(file, protocol)
    longest = max(len(telegram) for telegram in captured)
    options = ("--pty", str(line), "--interval", "0.3")
    async with replaying("--protocol", protocol, str(file), *options) as said:
        assert f"on {line} at {baud}" in said
        # A telegram may be under way when the port is opened: two hold a whole one.
        got = await asyncio.to_thread(heard, line, baud, 2 * longest)
    assert any(telegram in got for telegram in captured)


async def test_a_captured_m_bus_meter_answers_its_address(tmp_path: Path) -> None:
    file, line = shared_data("meters", "mbus", "EDC.hex"), tmp_path / "bus"
    (frame,) = capture.telegrams(file, "mbus")
    address = frame[5]
    ask = bytes((0x10, 0x7B, address, (0x7B + address) % 256, 0x16))
    async with replaying("--protocol", "mbus", str(file), "--pty", str(line)):
        got = await asyncio.to_thread(heard, line, 2400, len(frame), ask)
    assert got == frame


async def test_a_captured_read_out_is_asked_for_by_its_name(tmp_path: Path) -> None:
    file, line = shared_data("meters", "iec62056_21", "readouts.json"), tmp_path / "d0"
    options = ("--entry", "HagerEHZ_basic", "--pty", str(line), "--interval", "0.2")
    async with replaying("--protocol", "d0", str(file), *options) as said:
        assert said.startswith("2 telegrams of readouts.json")
        got = await asyncio.to_thread(heard, line, 9600, 150)
    assert b"1-0:1.8.0*255(000001.2963)" in got
    assert b"1-0:1.7.0*255(000001.2964)" in got


@pytest.mark.parametrize(
    ("protocol", "folder"), [("dsmr", "dsmr"), ("sml", "sml"), ("mbus", "mbus")]
)
def test_every_capture_is_cut_into_telegrams_and_loses_no_byte(
    protocol: str, folder: str
) -> None:
    for file in sorted(shared_data("meters", folder).iterdir()):
        if file.suffix == ".xml":
            continue
        found = capture.telegrams(file, protocol)
        assert found
        raw = file.read_bytes()
        if protocol != "mbus":
            assert all(telegram in raw for telegram in found), file.name


def test_a_stream_of_a_hundred_telegrams_is_a_hundred_telegrams() -> None:
    file = shared_data("meters", "dsmr", "nl_v5_stream_first_100.txt")
    found = capture.telegrams(file, "dsmr")
    assert 99 <= len(found) <= 101
    assert all(one.startswith(b"/") for one in found)


def test_a_file_without_telegrams_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="cannot be read"):
        capture.telegrams(tmp_path / "none", "dsmr")
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(Refused, match="holds no sml telegram"):
        capture.telegrams(tmp_path / "empty", "sml")
    (tmp_path / "x.json").write_text("[1]")
    with pytest.raises(Refused, match="not JSON of names"):
        capture.telegrams(tmp_path / "x.json", "d0")
    (tmp_path / "y.json").write_text('{"a": "/X!"}')
    with pytest.raises(Refused, match="has no 'b': it has a"):
        capture.telegrams(tmp_path / "y.json", "d0", "b")
