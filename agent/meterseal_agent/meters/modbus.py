"""Modbus TCP behind the Meter port, through pymodbus.

A `Line` is one connection to a meter or gateway; several units may share it, and it
carries one request at a time. This is the only module that knows pymodbus. It must
never take a late answer for the next one: after anything but a clean answer the
connection is closed and opened anew, and because a gateway may still hand on the
late answer of a serial unit behind it, the first reading after a timeout is taken
twice and must agree with itself.

    line = Line("192.168.1.20", 502)
    meter = ModbusMeter(line, unit=1, profile=load("eastron-sdm630"))
    sample = await meter.read(now)
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ExceptionResponse, ModbusPDU

from meterseal_agent.meters.planner import Block, plan
from meterseal_agent.meters.profile import Profile
from meterseal_agent.meters.registers import Sample, to_sample
from meterseal_proto.errors import Unavailable

TIMEOUT_S: Final = 0.8
"""What a unit gets to answer one request: a slow serial meter behind a gateway takes
0.3 s for 80 registers at 9600 baud; installers ask for less than a second."""
LIBRARY_TIMEOUT_S: Final = 60.0
"""pymodbus' own timeout, out of the way: ours is per device and always shorter."""
READ_INPUT: Final = 4
UNMAPPED: Final = frozenset({2, 3})
"""Modbus Application Protocol V1.1b3, 7: illegal data address, illegal data value."""
TARGET_SILENT: Final = 11
"""Section 7 there: the gateway's target device failed to respond."""
AGREEMENT_SLACK: Final = 4
"""Two display steps of a float32 register above 16,384 kWh, see registers.py."""


class Refused(Unavailable):
    """The unit answered with a Modbus exception; `code` is its exception code."""

    def __init__(self, detail: str, code: int) -> None:
        super().__init__(detail)
        self.code = code


class Line:
    """One Modbus TCP connection, opened when needed; one request in flight.

    `wary` is set when a request went unanswered: the next answer is to be confirmed.
    """

    def __init__(self, host: str, port: int) -> None:
        self.name = f"{host}:{port}"
        self.wary = False
        self._host = host
        self._port = port
        self._turn = asyncio.Lock()
        self._client: AsyncModbusTcpClient | None = None

    async def read(
        self, unit: int, function: int, block: Block, timeout_s: float
    ) -> Sequence[int]:
        """Return the registers of `block`, asked of `unit` by function 3 or 4.

        Waits for its turn, then at most `timeout_s`. Raises Refused when the unit
        answers with an exception, Unavailable when it does not answer properly.
        """
        async with self._turn:
            clean = False
            try:
                async with asyncio.timeout(timeout_s):
                    answer = await self._ask(unit, function, block)
                clean = True
            except TimeoutError:
                raise Unavailable(
                    f"{self.name} unit {unit}: no answer in {timeout_s:g} s"
                ) from None
            except (ModbusException, OSError) as error:
                raise Unavailable(f"{self.name} unit {unit}: {error}") from error
            finally:
                if not clean:
                    self.wary = True
                    self.close()
        return self._registers(answer, unit, function, block)

    def close(self) -> None:
        """Close the connection; the next read opens a new one."""
        if self._client is not None:
            self._client.close()
            self._client = None

    async def _ask(self, unit: int, function: int, block: Block) -> ModbusPDU:
        if self._client is None or not self._client.connected:
            self.close()
            self._client = await self._connect()
        ask = self._client.read_holding_registers
        if function == READ_INPUT:
            ask = self._client.read_input_registers
        return await ask(block.address, count=block.count, device_id=unit)

    async def _connect(self) -> AsyncModbusTcpClient:
        # No retries and no reconnection of its own: the bus alone decides when to
        # ask again, else a dead unit costs the living their turn.
        client = AsyncModbusTcpClient(
            self._host,
            port=self._port,
            timeout=LIBRARY_TIMEOUT_S,
            retries=0,
            reconnect_delay=0,
        )
        if not await client.connect():
            client.close()
            raise ConnectionRefusedError(f"cannot connect to {self.name}")
        return client

    def _registers(
        self, answer: ModbusPDU, unit: int, function: int, block: Block
    ) -> Sequence[int]:
        where = f"{self.name} unit {unit}"
        if isinstance(answer, ExceptionResponse):
            code = answer.exception_code
            # The unit behind a gateway may still answer when the gateway gave up.
            self.wary = self.wary or code == TARGET_SILENT
            asked = f"{block.count} registers at {block.address}"
            raise Refused(f"{where} answered exception {code} to {asked}", code)
        if answer.function_code != function or len(answer.registers) != block.count:
            self.wary = True
            self.close()
            raise Unavailable(f"{where}: the answer does not fit the question")
        return answer.registers


@dataclass(frozen=True, slots=True)
class Timing:
    """How long to wait for one answer, and the steady clock two readings are judged by.

    `timeout_s` is in real seconds; `steady` counts this network's seconds (the real
    ones unless time is made to run faster) and never goes back.
    """

    timeout_s: float = TIMEOUT_S
    steady: Callable[[], float] = time.monotonic


class ModbusMeter:
    """One unit on a Line, read by its profile in as few blocks as it allows."""

    def __init__(
        self, line: Line, unit: int, profile: Profile, timing: Timing = Timing()
    ) -> None:
        self._line = line
        self._unit = unit
        self._profile = profile
        self._timing = timing
        self._blocks = plan(profile.points, profile.limits)
        self._bare = plan(profile.points, profile.limits.without_bridges())

    async def read(self, now: int) -> Sample:
        """Read every point; see the port. After a timeout on the line, read twice."""
        wary = self._line.wary
        started = self._timing.steady()
        first = self._sample(now, await self._words())
        if not wary:
            return first
        second = self._sample(now, await self._words())
        self._confirm(first, second, self._timing.steady() - started)
        self._line.wary = False
        return second

    async def _words(self) -> Mapping[int, int]:
        try:
            return await self._read_blocks(self._blocks)
        except Refused as refusal:
            if refusal.code not in UNMAPPED or self._blocks == self._bare:
                raise
        # This unit does not answer across gaps as its model should: ask without.
        self._blocks = self._bare
        return await self._read_blocks(self._blocks)

    async def _read_blocks(self, blocks: Sequence[Block]) -> Mapping[int, int]:
        words: dict[int, int] = {}
        for block in blocks:
            answer = await self._line.read(
                self._unit, self._profile.function, block, self._timing.timeout_s
            )
            words.update(enumerate(answer, block.address))
        return words

    def _sample(self, now: int, words: Mapping[int, int]) -> Sample:
        return to_sample(now, words, self._profile.points, self._profile.coding)

    def _confirm(self, first: Sample, second: Sample, span_s: float) -> None:
        """Raise Unavailable unless every register grew by what its meter can carry."""
        flow = self._profile.max_power_w * (int(span_s) + 1)
        most = flow // 3600 + AGREEMENT_SLACK
        for point in self._profile.points:
            one, two = (s.values.get(point.register) for s in (first, second))
            if not point.unit.cumulative or one is None or two is None:
                continue
            if not 0 <= two - one <= most:
                raise Unavailable(
                    f"{self._line.name} unit {self._unit}: {point.name} read twice after"
                    f" a timeout gave {one} and {two} {point.unit}"
                )
