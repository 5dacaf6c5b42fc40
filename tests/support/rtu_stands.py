"""RTU meters for the Meter suite: on a pty that is pulled, and behind a device server.

The slave maps only what its profile names, so gaps are exceptions, and its registers are
written from the profile's layout; frames and checksums are `rtu_bus`'s own.
"""

import asyncio
import struct
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from meterseal_agent.meters.modbus import Line, ModbusMeter, RtuTransport, Timing
from meterseal_agent.meters.planner import plan
from meterseal_agent.meters.port import Meter
from meterseal_agent.meters.profile import load
from meterseal_agent.meters.registers import Kind
from meterseal_agent.meters.wire import Place, SerialPlace, TcpPlace
from meterseal_proto.units import EXPORT, IMPORT, RegisterId
from tests.support.rtu_bus import RtuBus, Unit
from tests.support.serial_lines import FarEnd

HOST = "127.0.0.1"
UNIT = 7
QUICK = Timing(timeout_s=1.0)


class RtuStand:
    """One slave on a line of its own; `_connect` says what the line is."""

    def __init__(self, model: str) -> None:
        self._profile = load(model)
        self._values: dict[RegisterId, int] = {IMPORT: 1_234_567, EXPORT: 89_012}
        self._unit = Unit()
        for block in plan(self._profile.points, self._profile.limits):
            self._unit.words |= dict.fromkeys(range(block.address, block.end), 0)
        self._unit.words |= self._profile.dump.words
        self._show()

    async def open(self) -> Meter:
        place = await self._connect()
        self._line = Line(RtuTransport(place))
        return ModbusMeter(self._line, UNIT, self._profile, QUICK)

    async def close(self) -> None:
        self._line.close()

    def truth(self) -> dict[RegisterId, int]:
        return dict(self._values)

    def move_on(self) -> None:
        self._values[IMPORT] += 321
        self._show()

    def spoil(self) -> None:
        nothing = {Kind.F32: "7FC00000", Kind.S64: "8000000000000000"}
        self._put(EXPORT, bytes.fromhex(nothing[self._profile.point(EXPORT).kind]))

    async def cut_off(self) -> None:
        self._unit.silent = True

    async def plug_in(self) -> None:
        self._unit.silent = False

    async def _connect(self) -> Place:
        raise AssertionError("a stand says what its line is")

    def _show(self) -> None:
        for register, value in self._values.items():
            kind = self._profile.point(register).kind
            if kind is Kind.F32:
                self._put(register, struct.pack(">f", value / 1000))
            else:
                self._put(register, struct.pack(">q", value))

    def _put(self, register: RegisterId, raw: bytes) -> None:
        words = struct.unpack(f">{len(raw) // 2}H", raw)
        at = self._profile.point(register).address
        self._unit.words.update(enumerate(words, at))


class PtyStand(RtuStand):
    """A slave on a pty; cut off, the adapter is pulled."""

    async def close(self) -> None:
        await super().close()
        self._serving.cancel()
        with suppress(asyncio.CancelledError):
            await self._serving
        self._far.pull()
        self._folder.cleanup()

    async def cut_off(self) -> None:
        self._far.pull()

    async def plug_in(self) -> None:
        self._far.plug_in()

    async def _connect(self) -> Place:
        self._folder = tempfile.TemporaryDirectory()
        self._far = FarEnd(Path(self._folder.name))
        bus = RtuBus(self._far.read_some, self._send, {UNIT: self._unit})
        self._serving = asyncio.create_task(bus.run())
        return SerialPlace(self._far.device)

    async def _send(self, raw: bytes) -> None:
        if self._far.fd >= 0:
            self._far.write(raw)


class ServerStand(RtuStand):
    """A slave behind a device server that passes bytes on; cut off, it is silent."""

    async def close(self) -> None:
        await super().close()
        self._server.close()
        for task in self._talks:
            task.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    async def _connect(self) -> Place:
        self._talks: set[asyncio.Task[None]] = set()
        self._server = await asyncio.start_server(self._talk, HOST, 0)
        return TcpPlace(HOST, self._server.sockets[0].getsockname()[1])

    async def _talk(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._talks.add(task)

        async def hear() -> bytes:
            if heard := await reader.read(1000):
                return heard
            raise EOFError

        async def send(raw: bytes) -> None:
            writer.write(raw)

        with suppress(EOFError, ConnectionError, asyncio.CancelledError):
            await RtuBus(hear, send, {UNIT: self._unit}).run()
        writer.close()


MODELS = ("eastron-sdm120", "eastron-sdm630", "schneider-iem3155")


def rtu_stands() -> Mapping[str, RtuStand]:
    """Return every stand by name."""
    return {
        **{f"rtu-{model}": PtyStand(model) for model in MODELS},
        **{f"rtu-over-tcp-{model}": ServerStand(model) for model in MODELS},
    }


RTU_NAMES = tuple(f"{kind}-{m}" for kind in ("rtu", "rtu-over-tcp") for m in MODELS)
