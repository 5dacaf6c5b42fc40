"""Modbus clients that nobody here wrote, each reading registers in its own way.

mbpoll and libmodbus are programs; pyModbusTCP and minimalmodbus are libraries that
decode by themselves. Where one is not installed the test is skipped with the reason,
and in CI it fails.
"""

import asyncio
import re
import shutil
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import minimalmodbus  # type: ignore[import-untyped]
import serial  # type: ignore[import-untyped]
from pyModbusTCP import utils  # type: ignore[import-untyped]
from pyModbusTCP.client import ModbusClient  # type: ignore[import-untyped]

from tests.support.data import absent

HOST = "127.0.0.1"
FORMATS = {"u16": "H", "s16": "h", "u32": "I", "s32": "i", "u64": "Q", "s64": "q"}
FORMATS |= {"f32": "f", "f64": "d"}
BAUD = 9600
WAIT_S = 60
PATIENCE_S = 10.0
"""What a client gives a meter: a slow machine must not look like a dead meter."""
HEADER = Path("/usr/include/modbus/modbus.h")
SOURCE = Path(__file__).with_name("libmodbus_client.c")


@dataclass(frozen=True)
class Value:
    """One number on a meter's page, as its vendor says."""

    function: int
    address: int
    kind: str
    low_word_first: bool

    @property
    def words(self) -> int:
        return int(self.kind[1:]) // 16

    def decoded(self, words: Sequence[int]) -> float | int:
        """Return the number in registers as they came."""
        assert len(words) == self.words
        turned = words[::-1] if self.low_word_first else words
        raw = struct.pack(f">{len(turned)}H", *turned)
        number: float | int = struct.unpack(">" + FORMATS[self.kind], raw)[0]
        return number


async def run(program: str | Path, *arguments: str) -> str:
    """Return all a program says, whatever it ends with."""
    process = await asyncio.create_subprocess_exec(
        *(str(program), *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(process.communicate(), WAIT_S)
    return said.decode()


async def mbpoll(*options: str) -> str:
    """Return what mbpoll says to one question with addresses from 0."""
    program = shutil.which("mbpoll")
    if program is None:
        absent("mbpoll is absent: apt install mbpoll")
    return await run(str(program), "-1", "-0", *options)


def shown(said: str) -> dict[int, str]:
    """Return mbpoll's values by address."""
    found = re.findall(r"^\[(\d+)\]:\s+(\S+)", said, re.MULTILINE)
    return {int(address): value for address, value in found}


async def by_mbpoll(port: int, value: Value) -> float | int:
    """Read over TCP with mbpoll."""
    kind = {3: "4:hex", 4: "3:hex"}[value.function]
    asked = ("-r", str(value.address), "-c", str(value.words))
    tcp = ("-m", "tcp", "-p", str(port), "-a", "1", "-t", kind, *asked, HOST)
    said = await mbpoll(*tcp)
    return value.decoded([int(word, 16) for word in shown(said).values()])


def compiled(folder: Path) -> Path:
    """Return our small C program, linked with libmodbus, built in `folder`."""
    compiler, program = shutil.which("cc"), folder / "libmodbus_client"
    if compiler is None or not HEADER.exists():
        absent("cc or libmodbus is absent: apt install gcc libc6-dev libmodbus-dev")
    order = [str(compiler), "-Wall", "-Werror", "-o", str(program), str(SOURCE)]
    subprocess.run([*order, "-lmodbus"], check=True, timeout=WAIT_S)
    return program


async def by_libmodbus(
    program: Path, place: Sequence[str], value: Value
) -> float | int:
    """Read with libmodbus at a place as the program takes it: `tcp HOST PORT`, `rtu ..`.

    libmodbus decodes a float32 by itself.
    """
    how = "words"
    if value.kind == "f32":
        how = "cdab" if value.low_word_first else "abcd"
    asked = (value.function, value.address, value.words)
    said = await run(program, *place, "1", *map(str, asked), how)
    if how == "words":
        return value.decoded([int(word, 16) for word in said.split()])
    return float(said)


async def by_pymodbustcp(port: int, value: Value) -> float | int:
    """Read over TCP with pyModbusTCP, which decodes by itself."""
    words = await asyncio.to_thread(_pymodbustcp_words, port, value)
    long = value.words == 4
    (joined,) = (
        utils.word_list_to_long(
            words, big_endian=not value.low_word_first, long_long=long
        )
        if value.words > 1
        else words
    )
    number: float | int = joined
    if value.kind[0] == "f":
        number = utils.decode_ieee(joined, double=long)
    elif value.kind[0] == "s":
        number = utils.get_2comp(joined, 16 * value.words)
    return number


def _pymodbustcp_words(port: int, value: Value) -> list[int]:
    client = ModbusClient(host=HOST, port=port, unit_id=1, timeout=PATIENCE_S)
    read = {3: client.read_holding_registers, 4: client.read_input_registers}
    words: list[int] | None = read[value.function](value.address, value.words)
    client.close()
    assert words is not None, client.last_except_as_txt
    return words


async def by_minimalmodbus(device: Path, value: Value) -> float | int:
    """Read on a serial line with minimalmodbus, which decodes by itself."""
    return await asyncio.to_thread(_minimalmodbus, device, value)


def _minimalmodbus(device: Path, value: Value) -> float | int:
    order = (
        minimalmodbus.BYTEORDER_LITTLE_SWAP
        if value.low_word_first
        else minimalmodbus.BYTEORDER_BIG
    )
    with serial.Serial(str(device), BAUD, timeout=PATIENCE_S) as port:
        meter = minimalmodbus.Instrument(port, 1)
        number: float | int
        if value.kind[0] == "f":
            number = meter.read_float(
                value.address, value.function, value.words, byteorder=order
            )
            return number
        if value.words == 1:
            number = meter.read_register(
                value.address, 0, value.function, signed=value.kind[0] == "s"
            )
            return number
        number = meter.read_long(
            value.address,
            value.function,
            signed=value.kind[0] == "s",
            byteorder=order,
            number_of_registers=value.words,
        )
        return number
