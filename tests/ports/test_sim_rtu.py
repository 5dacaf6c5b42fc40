"""Clients that nobody here wrote read the simulator on a terminal, at the line's pace."""

import asyncio
import ctypes
import ctypes.util
import fcntl
import os
import re
import shutil
import struct
import sys
import termios
import time
from collections.abc import Sequence
from pathlib import Path

import minimalmodbus  # type: ignore[import-untyped]
import pytest
import serial  # type: ignore[import-untyped]
from pyModbusTCP.client import ModbusClient  # type: ignore[import-untyped]

from meterseal_sim.pace import Pace
from meterseal_sim.refusal import Refused
from meterseal_sim.serve.frames import opened, sealed
from meterseal_sim.serve.lines import Device
from meterseal_sim.stand import Stand, Wiring
from meterseal_sim.street import Home
from tests.support.data import absent
from tests.support.simlines import (
    HOST,
    NOON,
    Hands,
    homes_of,
    on_terminal,
    port_of,
    standing,
)

ENERGIES = struct.pack(">BHH", 4, 72, 4)


def shown(home: Home) -> tuple[int, int]:
    truth = home.registers_at(NOON)
    return truth.import_wh, truth.export_wh


async def mbpoll(device: Path, *options: str) -> str:
    program = shutil.which("mbpoll")
    if program is None:
        absent("mbpoll is absent: apt install mbpoll")
    process = await asyncio.create_subprocess_exec(
        str(program),
        *("-m", "rtu", "-b", "9600", "-P", "none", "-1", "-0", *options, str(device)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(process.communicate(), 60)
    return said.decode()


@pytest.mark.parametrize("model", ["sdm120", "sdm630", "iem3155"])
async def test_mbpoll_reads_the_energies_on_a_terminal(
    tmp_path: Path, model: str
) -> None:
    homes = homes_of(model)
    iem = model == "iem3155"
    asked = ("4:hex", "3203", "8") if iem else ("3:hex", "72", "4")
    async with standing(homes, Hands(), on_terminal(tmp_path), unit=9):
        kind, first, count = asked
        said = await mbpoll(
            tmp_path / "line", "-a", "9", "-t", kind, "-r", first, "-c", count
        )
    words = [
        int(value, 16) for value in re.findall(r"^\[\d+\]:\s+(\S+)", said, re.MULTILINE)
    ]
    raw = struct.pack(f">{len(words)}H", *words)
    if iem:
        assert struct.unpack(">qq", raw) == shown(homes[0])
    else:
        taken, given = struct.unpack(">ff", raw)
        assert (round(taken * 1000), round(given * 1000)) == shown(homes[0])


async def test_mbpoll_waits_in_vain_for_a_unit_that_is_not_there(
    tmp_path: Path,
) -> None:
    async with standing(homes_of(), Hands(), on_terminal(tmp_path)):
        said = await mbpoll(
            tmp_path / "line",
            "-a",
            "2",
            "-t",
            "3:hex",
            "-r",
            "0",
            "-c",
            "2",
            "-o",
            "0.2",
        )
    assert "timed out" in said


def libmodbus_floats(device: str, unit: int, address: int, values: int) -> list[float]:
    """Read floats with the C library, as a C program would."""
    found = ctypes.util.find_library("modbus")
    if found is None:
        absent("libmodbus is absent: apt install libmodbus5")
    library = ctypes.CDLL(found)
    library.modbus_new_rtu.restype = ctypes.c_void_p
    library.modbus_new_rtu.argtypes = [
        ctypes.c_char_p, ctypes.c_int, ctypes.c_char, ctypes.c_int, ctypes.c_int,
    ]  # fmt: skip
    library.modbus_get_float_abcd.restype = ctypes.c_float
    context = ctypes.c_void_p(library.modbus_new_rtu(device.encode(), 9600, b"N", 8, 1))
    try:
        assert library.modbus_set_slave(context, unit) == 0
        assert library.modbus_set_response_timeout(context, 10, 0) == 0
        assert library.modbus_set_byte_timeout(context, 5, 0) == 0
        assert library.modbus_connect(context) == 0
        words = (ctypes.c_uint16 * (2 * values))()
        read = library.modbus_read_input_registers(context, address, 2 * values, words)
        assert read == 2 * values
        return [
            library.modbus_get_float_abcd(
                ctypes.cast(
                    ctypes.byref(words, 4 * place), ctypes.POINTER(ctypes.c_uint16)
                )
            )
            for place in range(values)
        ]
    finally:
        library.modbus_close(context)
        library.modbus_free(context)


async def test_libmodbus_reads_every_unit_of_one_line(tmp_path: Path) -> None:
    homes = homes_of("sdm630", 3)
    async with standing(homes, Hands(), on_terminal(tmp_path)):
        for unit, home in enumerate(homes, 1):
            taken, given = await asyncio.to_thread(
                libmodbus_floats, str(tmp_path / "line"), unit, 72, 2
            )
            assert (round(taken * 1000), round(given * 1000)) == shown(home)


async def test_minimalmodbus_reads_the_energies_on_a_terminal(tmp_path: Path) -> None:
    homes = homes_of("sdm120")

    def read() -> list[float]:
        with serial.Serial(str(tmp_path / "line"), 9600, timeout=5) as port:
            meter = minimalmodbus.Instrument(port, 1)
            return [meter.read_float(address, 4) for address in (72, 74)]

    async with standing(homes, Hands(), on_terminal(tmp_path)):
        taken, given = await asyncio.to_thread(read)
    assert (round(taken * 1000), round(given * 1000)) == shown(homes[0])


async def test_pymodbustcp_reads_the_energies_on_tcp() -> None:
    homes = homes_of("iem3155")
    async with standing(homes, Hands(), Wiring(port=0)) as stand:
        client = ModbusClient(host=HOST, port=port_of(stand), unit_id=1, timeout=20)
        words = await asyncio.to_thread(client.read_holding_registers, 3203, 8)
        client.close()
    assert struct.unpack(">qq", struct.pack(">8H", *words)) == shown(homes[0])


async def over_tcp(stand: Stand, requests: Sequence[bytes], count: int) -> bytes:
    """Send RTU frames to a transparent gateway, read `count` bytes and hang up."""
    reader, writer = await asyncio.open_connection(HOST, port_of(stand))
    for request in requests:
        writer.write(request)
    answer = await asyncio.wait_for(reader.readexactly(count), 30)
    writer.close()
    await writer.wait_closed()
    return answer


async def test_rtu_frames_are_answered_over_tcp() -> None:
    homes = homes_of("sdm630")
    async with standing(homes, Hands(), Wiring(rtu=True)) as stand:
        answer = await over_tcp(stand, [sealed(b"\x01" + ENERGIES)], 13)
    content = opened(answer)
    assert content is not None
    taken, given = struct.unpack(">ff", content[1][2:])
    assert (round(taken * 1000), round(given * 1000)) == shown(homes[0])


@pytest.mark.parametrize("pace", [Pace(9600), Pace(2400, 8, "E"), Pace(115_200)])
async def test_an_answer_takes_the_time_of_its_bits_and_of_the_question(
    pace: Pace,
) -> None:
    homes = homes_of("sdm630")
    async with standing(homes, Hands(), Wiring(rtu=True, pace=pace)) as stand:
        begun = time.monotonic()
        await over_tcp(stand, [sealed(b"\x01" + struct.pack(">BHH", 4, 0, 20))], 45)
        took_s = time.monotonic() - begun
    least_s = pace.span_s(8 + 45) + pace.rest_s + 0.015
    assert least_s <= took_s < least_s + 20


async def test_two_clients_of_one_line_wait_for_each_other() -> None:
    homes = homes_of("sdm630", 2)
    request = struct.pack(">BHH", 4, 0, 40)
    async with standing(homes, Hands(), Wiring(rtu=True, gateway=True)) as stand:
        begun = time.monotonic()
        answers = await asyncio.gather(
            *(
                over_tcp(stand, [sealed(bytes((unit,)) + request)], 85)
                for unit in (1, 2)
            )
        )
        took_s = time.monotonic() - begun
    assert [answer[0] for answer in answers] == [1, 2]
    assert took_s >= 2 * Pace().span_s(85)


async def test_a_frame_with_a_wrong_crc_is_not_answered_and_the_next_one_is() -> None:
    async with standing(homes_of("sdm630"), Hands(), Wiring(rtu=True)) as stand:
        good = sealed(b"\x01" + ENERGIES)
        reader, writer = await asyncio.open_connection(HOST, port_of(stand))
        writer.write(good[:-1] + bytes((good[-1] ^ 1,)))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.15)
        writer.write(good)
        assert (await reader.readexactly(13))[:3] == bytes((1, 4, 8))
        writer.close()


async def test_a_strict_terminal_understands_only_its_own_baud(tmp_path: Path) -> None:
    def ask(baud: int, wait_s: float) -> bytes:
        with serial.Serial(str(tmp_path / "line"), baud, timeout=wait_s) as port:
            port.write(sealed(b"\x01" + ENERGIES))
            answer: bytes = port.read(13)
            return answer

    wiring = on_terminal(tmp_path, Pace(19_200), strict=True)
    async with standing(homes_of("sdm630"), Hands(), wiring):
        assert await asyncio.to_thread(ask, 9600, 0.3) == b""
        assert len(await asyncio.to_thread(ask, 19_200, 10.0)) == 13


async def test_an_answer_that_nobody_waited_for_is_not_kept_for_the_next_client(
    tmp_path: Path,
) -> None:
    def ask(wait_s: float) -> bytes:
        with serial.Serial(str(tmp_path / "line"), 9600, timeout=wait_s) as port:
            port.write(sealed(b"\x01" + ENERGIES))
            answer: bytes = port.read(13)
            return answer

    async with standing(homes_of("sdm630"), Hands(), on_terminal(tmp_path)):
        assert await asyncio.to_thread(ask, 0.0) == b""
        await asyncio.sleep(0.1)  # The answer is on its way while nobody listens.
        assert opened(await asyncio.to_thread(ask, 10.0)) is not None


async def test_what_a_client_left_unread_is_not_the_next_ones(tmp_path: Path) -> None:
    def opened_line() -> int:
        return os.open(tmp_path / "line", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)

    def waiting(line: int) -> int:
        raw = fcntl.ioctl(line, termios.FIONREAD, bytes(4))
        return int.from_bytes(raw, sys.byteorder)

    async with standing(homes_of("sdm630"), Hands(), on_terminal(tmp_path)):
        line = opened_line()
        os.write(line, sealed(b"\x01" + ENERGIES))
        async with asyncio.timeout(30):
            while waiting(line) < 13:
                await asyncio.sleep(0.01)
        os.close(line)
        await asyncio.sleep(0.05)  # The simulator sees the terminal hung up.
        line = opened_line()
        assert waiting(line) == 0
        os.close(line)


async def test_the_link_of_a_terminal_goes_with_it(tmp_path: Path) -> None:
    async with standing(homes_of(), Hands(), on_terminal(tmp_path)):
        assert os.readlink(tmp_path / "line").startswith("/dev/pts/")
    assert not (tmp_path / "line").is_symlink()


async def test_a_file_in_the_place_of_a_terminal_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "line").write_text("mine")
    with pytest.raises(Refused, match="choose another name"):
        async with standing(homes_of(), Hands(), on_terminal(tmp_path)):
            pass
    assert (tmp_path / "line").read_text() == "mine"


async def test_a_serial_port_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    wiring = Wiring(device=Device(str(tmp_path / "ttyUSB9"), real=True))
    with pytest.raises(Refused, match="group dialout"):
        async with standing(homes_of(), Hands(), wiring):
            pass


async def test_a_real_serial_port_answers_too(tmp_path: Path) -> None:
    """A terminal's far end stands for the port: what it is to pyserial is a port."""
    ours, theirs = os.openpty()
    wiring = Wiring(device=Device(os.ttyname(theirs), real=True))
    homes = homes_of("sdm630")

    def ask() -> bytes:
        os.write(ours, sealed(b"\x01" + ENERGIES))
        answer = b""
        while len(answer) < 13:
            answer += os.read(ours, 64)
        return answer

    async with standing(homes, Hands(), wiring):
        assert opened(await asyncio.wait_for(asyncio.to_thread(ask), 30)) is not None
    os.close(ours)
    os.close(theirs)
