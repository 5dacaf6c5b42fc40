"""Meters to hold against the Meter port: each stands on a bench where a test turns it.

A stand is opened and closed by its test; between, the test moves the meter's truth on,
cuts it off and plugs it in again, and asks what the registers really are.
"""

import asyncio
import struct
from collections.abc import Mapping
from typing import Protocol

from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from meterseal_agent.meters.modbus import Line, ModbusMeter, TcpTransport, Timing
from meterseal_agent.meters.planner import plan
from meterseal_agent.meters.port import Meter
from meterseal_agent.meters.profile import load
from meterseal_agent.meters.registers import Kind, Point
from meterseal_proto.units import EXPORT, IMPORT, RegisterId
from meterseal_sim import serve, street
from tests.support.bus_stands import BUS_NAMES, bus_stands
from tests.support.fake_meters import FakeMeter
from tests.support.push_stands import PUSH_NAMES, push_stands
from tests.support.rtu_stands import RTU_NAMES, rtu_stands

HOST = "127.0.0.1"
UNIT = 7
START = 1_782_864_000
QUICK = Timing(timeout_s=1.0)
Truth = dict[RegisterId, int]


class Stand(Protocol):
    """What a test may do to a meter of any kind."""

    async def open(self) -> Meter: ...

    async def close(self) -> None: ...

    def truth(self) -> Truth: ...

    def move_on(self) -> None: ...

    async def cut_off(self) -> None: ...

    async def plug_in(self) -> None: ...


class FakeStand:
    """The fake meter of the tests."""

    def __init__(self) -> None:
        self._meter = FakeMeter()
        self._meter.values |= {IMPORT: 1_234_567, EXPORT: 89}

    async def open(self) -> Meter:
        return self._meter

    async def close(self) -> None:
        self._meter.silent = True

    def truth(self) -> Truth:
        return {r: self._meter.values[r] for r in (IMPORT, EXPORT)}

    def move_on(self) -> None:
        self._meter.values[IMPORT] += 321

    def spoil(self) -> None:
        self._meter.unavailable[EXPORT] = "spoilt"

    async def cut_off(self) -> None:
        self._meter.silent = True

    async def plug_in(self) -> None:
        self._meter.silent = False


class PymodbusStand:
    """A pymodbus server that maps only the profile's points: gaps are exceptions.

    Cut off, it keeps the question and does not answer.
    """

    def __init__(self, model: str) -> None:
        self._profile = load(model)
        self._values: Truth = {IMPORT: 1_234_567, EXPORT: 89_012}
        self._words: dict[int, int] = dict(self._profile.dump.words)
        self._answering = asyncio.Event()
        self._answering.set()
        self._show()

    async def open(self) -> Meter:
        self._server = ModbusTcpServer(self._device(), address=(HOST, 0))
        await self._server.serve_forever(background=True)
        listener = self._server.transport
        assert isinstance(listener, asyncio.Server)
        port = listener.sockets[0].getsockname()[1]
        self._line = Line(TcpTransport(HOST, port))
        return ModbusMeter(self._line, UNIT, self._profile, QUICK)

    async def close(self) -> None:
        self._answering.set()
        self._line.close()
        await self._server.shutdown()  # type: ignore[no-untyped-call]

    def truth(self) -> Truth:
        return dict(self._values)

    def move_on(self) -> None:
        self._values[IMPORT] += 321
        self._show()

    def spoil(self) -> None:
        point = self._profile.point(EXPORT)
        nothing = {Kind.F32: "7FC00000", Kind.S64: "8000000000000000"}[point.kind]
        self._put(point, bytes.fromhex(nothing))

    async def cut_off(self) -> None:
        self._answering.clear()

    async def plug_in(self) -> None:
        self._answering.set()

    def _device(self) -> SimDevice:
        mapped = plan(self._profile.points, self._profile.limits.without_bridges())
        data = [
            SimData(block.address, block.count, 0, DataType.REGISTERS)
            for block in sorted(mapped)
        ]
        return SimDevice(UNIT, data, action=self._answer)

    async def _answer(
        self, _function: int, start: int, address: int, count: int, *rest: object
    ) -> None:
        await self._answering.wait()
        registers = rest[0]
        assert isinstance(registers, list)
        for at in range(address, address + count):
            registers[at - start] = self._words.get(at, 0)

    def _show(self) -> None:
        for register, value in self._values.items():
            point = self._profile.point(register)
            layout = ">f" if point.kind is Kind.F32 else ">q"
            shown = value / 1000 if point.kind is Kind.F32 else value
            self._put(point, struct.pack(layout, shown))

    def _put(self, point: Point, raw: bytes) -> None:
        words = struct.unpack(f">{len(raw) // 2}H", raw)
        self._words.update(enumerate(words, point.address))


class SimStand:
    """The simulator's reading of the same vendor's document, over its own server."""

    def __init__(self, model: str) -> None:
        made = street.Plan(homes=1, seed=3, start=START, days=1, model=model)
        self._t = START + 3600
        self._home = street.build(made).homes[0]
        self._served = serve.Line({UNIT: self._home}, lambda: self._t, gateway=True)
        self._port = 0

    async def open(self) -> Meter:
        await self.plug_in()
        self._line = Line(TcpTransport(HOST, self._port))
        return ModbusMeter(self._line, UNIT, load(self._home.profile.name), QUICK)

    async def close(self) -> None:
        self._line.close()
        await self._served.close()

    def truth(self) -> Truth:
        registers = self._home.registers_at(self._t)
        return {IMPORT: registers.import_wh, EXPORT: registers.export_wh}

    def move_on(self) -> None:
        self._t += 7200

    async def cut_off(self) -> None:
        await self._served.close()

    async def plug_in(self) -> None:
        self._served = serve.Line({UNIT: self._home}, lambda: self._t, gateway=True)
        await self._served.open(HOST, self._port)
        self._port = self._served.port


MODELS = ("eastron-sdm120", "eastron-sdm630", "schneider-iem3155")
SIM_MODELS = (*MODELS, "shelly-pro-3em", "siemens-pac2200", "sunspec")
"""Low word first, float64 and scaled integers stand here too, all exact to the Wh."""


def stands() -> Mapping[str, Stand]:
    """Return every stand by name; built inside the loop that will use it."""
    return {
        "fake": FakeStand(),
        **{f"pymodbus-{model}": PymodbusStand(model) for model in MODELS},
        **{f"sim-{model}": SimStand(model) for model in SIM_MODELS},
        **push_stands(),
        **bus_stands(),
        **rtu_stands(),
    }


NAMES = (
    "fake",
    *(f"pymodbus-{model}" for model in MODELS),
    *(f"sim-{model}" for model in SIM_MODELS),
    *PUSH_NAMES,
    *BUS_NAMES,
    *RTU_NAMES,
)
SPOILABLE = tuple(n for n in NAMES if n.startswith(("fake", "pymodbus", "rtu")))
