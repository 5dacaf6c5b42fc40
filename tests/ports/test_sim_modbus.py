"""Clients that nobody here wrote read the simulator over TCP: mbpoll and pymodbus."""

import asyncio
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from pymodbus.client import AsyncModbusTcpClient

from meterseal_sim import faults
from meterseal_sim.serve import MAX_CLIENTS, Line, close_all, lines_of, open_all
from meterseal_sim.street import Plan, build
from tests.support.modbus_clients import mbpoll, shown

START = 1_782_864_000
NOON = START + 12 * 3600 + 17
HOST = "127.0.0.1"
DELAYED = faults.parse("2:delay:0:600:150", START)
SILENT = faults.parse("2:silence:600:1200", START)
ILLEGAL = faults.parse("2:illegal-address:1200:1800", START)
PLAN = Plan(homes=8, seed=1, start=START, days=1, faults=(DELAYED, SILENT, ILLEGAL))


@dataclass
class Hands:
    """A clock whose hands the test turns, or says beforehand, question by question."""

    t: float = NOON
    told: list[float] = field(default_factory=list)

    def now(self) -> float:
        return self.told.pop(0) if self.told else self.t


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
async def lines(hands: Hands) -> AsyncIterator[list[Line]]:
    opened = lines_of(build(PLAN).homes, hands.now, gateway=False)
    await open_all(opened, HOST, 0)
    yield opened
    await close_all(opened)


@pytest.fixture
async def gateway(hands: Hands) -> AsyncIterator[Line]:
    (line,) = lines_of(build(PLAN).homes, hands.now, gateway=True)
    await line.open(HOST, 0)
    yield line
    await line.close()


def line_with(lines: list[Line], model: str) -> Line:
    return next(line for line in lines if line.homes[1].profile.name.endswith(model))


async def polled(line: Line, *options: str) -> str:
    return await mbpoll("-m", "tcp", "-p", str(line.port), *options, HOST)


@pytest.mark.parametrize("model", ["sdm120", "sdm630"])
async def test_mbpoll_reads_the_kwh_of_an_sdm(lines: list[Line], model: str) -> None:
    line = line_with(lines, model)
    said = await polled(line, "-a", "1", "-t", "3:hex", "-r", "72", "-c", "4")
    words = [int(value, 16) for value in shown(said).values()]
    taken, given = struct.unpack(">ff", struct.pack(">4H", *words))
    truth = line.homes[1].registers_at(NOON)
    assert (round(taken * 1000), round(given * 1000)) == (
        truth.import_wh,
        truth.export_wh,
    )


async def test_mbpoll_reads_the_wh_of_an_iem3155(lines: list[Line]) -> None:
    line = line_with(lines, "iem3155")
    said = await polled(line, "-a", "1", "-t", "4:hex", "-r", "3203", "-c", "8")
    words = [int(value, 16) for value in shown(said).values()]
    truth = line.homes[1].registers_at(NOON)
    assert struct.unpack(">qq", struct.pack(">8H", *words)) == (
        truth.import_wh,
        truth.export_wh,
    )


async def test_mbpoll_sees_a_voltage_as_a_voltage(lines: list[Line]) -> None:
    line = line_with(lines, "sdm630")
    options = ("-a", "1", "-t", "3:float", "-B", "-r", "0", "-c", "3")
    volts = [float(value) for value in shown(await polled(line, *options)).values()]
    assert len(volts) == 3
    assert all(210 < volt < 250 for volt in volts)


@pytest.mark.parametrize(
    ("model", "kind", "address", "count", "said"),
    [
        ("sdm630", "3:hex", "0", "82", "Illegal data value"),
        ("sdm630", "3:hex", "1", "2", "Illegal data address"),
        ("sdm120", "3:hex", "100", "2", "Illegal data address"),
        ("iem3155", "4:hex", "5000", "2", "Illegal data address"),
        ("iem3155", "3:hex", "3027", "2", "Illegal function"),
    ],
)
async def test_mbpoll_is_told_what_the_meter_refuses(
    lines: list[Line], model: str, kind: str, address: str, count: str, said: str
) -> None:
    options = ("-a", "1", "-t", kind, "-r", address, "-c", count)
    assert said in await polled(line_with(lines, model), *options)


async def test_pymodbus_reads_every_quarter_of_every_meter(
    lines: list[Line], hands: Hands
) -> None:
    hands.t = START + 1800
    clients = [AsyncModbusTcpClient(HOST, port=line.port) for line in lines]
    for client in clients:
        assert await client.connect()
    for hands.t in range(START + 1800, START + 86_400 + 900, 900):
        for line, client in zip(lines, clients, strict=True):
            home = line.homes[1]
            if "iem" in home.profile.name:
                got = await client.read_holding_registers(3203, count=8, device_id=1)
                read = struct.unpack(">qq", struct.pack(">8H", *got.registers))
            else:
                got = await client.read_input_registers(72, count=4, device_id=1)
                kwh = struct.unpack(">ff", struct.pack(">4H", *got.registers))
                read = (round(kwh[0] * 1000), round(kwh[1] * 1000))
            truth = home.registers_at(int(hands.t))
            assert read == (truth.import_wh, truth.export_wh)
    for client in clients:
        client.close()


async def test_a_gateway_tells_its_units_apart(gateway: Line) -> None:
    async with AsyncModbusTcpClient(HOST, port=gateway.port) as client:
        for unit, home in gateway.homes.items():
            holding = 129 if "iem" in home.profile.name else 64512
            got = await client.read_holding_registers(holding, count=2, device_id=unit)
            assert struct.unpack(">I", struct.pack(">2H", *got.registers)) == (
                int(home.serial),
            )
        nobody = await client.read_holding_registers(129, count=2, device_id=200)
        assert nobody.exception_code == 11


def asking_serial(transaction: int) -> bytes:
    head = bytes((0, transaction, 0, 0, 0, 6, 255, 3))
    return head + struct.pack(">HH", 64512, 2)


async def test_a_delayed_answer_is_late_and_whole(
    lines: list[Line], hands: Hands
) -> None:
    hands.t = START
    reader, writer = await asyncio.open_connection(HOST, lines[1].port)
    asked = asyncio.get_running_loop().time()
    writer.write(asking_serial(9))
    serial = struct.pack(">I", int(lines[1].homes[1].serial))
    head = bytes((0, 9, 0, 0, 0, 7, 255, 3, 4))
    assert await reader.readexactly(13) == head + serial
    assert asyncio.get_running_loop().time() - asked > 0.14
    writer.close()


async def test_a_silent_meter_answers_only_the_question_after_its_silence(
    lines: list[Line], hands: Hands
) -> None:
    hands.told = [START + 600, START + 1200, START + 1800]
    reader, writer = await asyncio.open_connection(HOST, lines[1].port)
    writer.write(asking_serial(1) + asking_serial(2) + asking_serial(3))
    assert await reader.readexactly(9) == bytes((0, 2, 0, 0, 0, 3, 255, 0x83, 2))
    assert (await reader.readexactly(13))[:9] == bytes((0, 3, 0, 0, 0, 7, 255, 3, 4))
    writer.close()


@pytest.mark.parametrize(
    "frame",
    [
        bytes((0, 1, 0, 1, 0, 6, 1, 4, 0, 0, 0, 2)),
        bytes((0, 1, 0, 0, 0, 1, 1)),
        bytes((0, 1, 0, 0, 1, 0, 1, 4)),
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
async def test_what_is_not_modbus_is_hung_up_on(
    lines: list[Line], frame: bytes
) -> None:
    reader, writer = await asyncio.open_connection(HOST, lines[0].port)
    writer.write(frame)
    assert await asyncio.wait_for(reader.read(), 30) == b""
    writer.close()


async def test_one_client_too_many_is_hung_up_on(lines: list[Line]) -> None:
    port = lines[0].port
    open_ = [await asyncio.open_connection(HOST, port) for _ in range(MAX_CLIENTS)]
    reader, writer = await asyncio.open_connection(HOST, port)
    assert await asyncio.wait_for(reader.read(), 30) == b""
    for _, other in (*open_, (reader, writer)):
        other.close()
