"""Meters on the wire: asyncio Modbus TCP servers around the register images.

The server is ours, not pymodbus': a meter's answer is computed at the moment of
the question (no store to keep filled), a fault may hold it back, spoil it or keep
it, and the agent, which reads with pymodbus, meets a second reading of the same
standard (Modbus Messaging on TCP/IP 1.0b, section 3.1.3). Seventy lines do it.
Must never answer two questions of one line at once: there is one bus behind it.
"""

import asyncio
import errno
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from meterseal_sim import faults
from meterseal_sim.electrical import quantities
from meterseal_sim.image import Trouble, exception, respond
from meterseal_sim.refusal import Refused
from meterseal_sim.street import Home

MBAP = struct.Struct(">HHHB")
MAX_LENGTH = 254
"""Unit and PDU: 253 bytes of PDU are the most Modbus has."""
MAX_CLIENTS = 16
"""What a good Ethernet meter takes; one more is closed at once."""
MAX_UNIT = 247
MAX_PORT = 65535
ANY_UNIT = frozenset({0, 255})
"""How clients address a TCP meter that has no serial line behind it."""

Clock = Callable[[], float]


@dataclass(slots=True)
class Line:
    """One listening socket with its meters by unit id: an RS-485 line or one meter.

    `gateway` says that units are told apart strictly and an absent one is
    answered by exception 11, as a gateway does. `now` gives the street's time.
    """

    homes: Mapping[int, Home]
    now: Clock
    gateway: bool = False
    port: int = 0
    _asked: dict[int, int] = field(default_factory=dict)
    _clients: set[asyncio.Task[None]] = field(default_factory=set)
    _bus: asyncio.Lock = field(default_factory=asyncio.Lock)
    _server: asyncio.Server | None = None

    async def open(self, host: str, port: int) -> None:
        """Listen; port 0 takes a free one. Raises Refused when it is taken."""
        try:
            self._server = await asyncio.start_server(self._talk, host, port)
        except OSError as trouble:
            if trouble.errno != errno.EADDRINUSE:
                raise Refused(f"cannot listen on {host}:{port}: {trouble}") from None
            raise Refused(
                f"port {port} on {host} is taken: choose another --port or stop"
                " the program that has it"
            ) from None
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and hang up on everybody."""
        if self._server is not None:
            self._server.close()
        for client in self._clients:
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    def answer(self, unit: int, request: bytes) -> faults.Answer:
        """Return what the line answers to a request PDU for a unit, right now."""
        t = int(self.now())
        if not self.gateway and unit in ANY_UNIT:
            unit = next(iter(self.homes))
        home = self.homes.get(unit)
        if home is None:
            return faults.Answer(exception(request[0], Trouble.TARGET_SILENT))
        pdu = respond(home.profile, quantities(home.state_at(t, unit)), request)
        self._asked[unit] = self._asked.get(unit, 0) + 1
        return faults.answered(home.faults, t, home.seed, self._asked[unit], pdu)

    async def _talk(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        client = asyncio.current_task()
        if client is None or len(self._clients) >= MAX_CLIENTS:
            writer.close()
            return
        self._clients.add(client)
        try:
            while await self._exchange(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # The client hung up, which is how clients say goodbye.
        except asyncio.CancelledError:
            pass  # close() hangs up; asyncio would log a cancelled handler.
        finally:
            self._clients.discard(client)
            writer.close()

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Answer one frame; False when the frame cannot be Modbus."""
        head = await reader.readexactly(MBAP.size)
        transaction, protocol, length, unit = MBAP.unpack(head)
        if protocol or not 2 <= length <= MAX_LENGTH:
            return False
        request = await reader.readexactly(length - 1)
        async with self._bus:
            answer = self.answer(unit, request)
            if answer.delay_s:
                await asyncio.sleep(answer.delay_s)
        if answer.pdu is not None:
            frame = MBAP.pack(transaction, 0, len(answer.pdu) + 1, unit)
            writer.write(frame + answer.pdu)
            await writer.drain()
        return True


def lines_of(homes: Sequence[Home], now: Clock, *, gateway: bool) -> list[Line]:
    """Return one line per meter (unit 1), or gateways with up to 247 units each."""
    if not gateway:
        return [Line({1: home}, now) for home in homes]
    return [
        Line(dict(enumerate(homes[first : first + MAX_UNIT], 1)), now, gateway=True)
        for first in range(0, len(homes), MAX_UNIT)
    ]


async def open_all(lines: Sequence[Line], host: str, port: int) -> None:
    """Open every line from `port` on (0: free ports), or none; raises Refused."""
    if port and port + len(lines) - 1 > MAX_PORT:
        raise Refused(f"{len(lines)} ports from {port} on: choose a lower --port")
    try:
        for offset, line in enumerate(lines):
            await line.open(host, port + offset if port else 0)
    except Refused:
        await close_all(lines)
        raise


async def close_all(lines: Sequence[Line]) -> None:
    """Close every line."""
    await asyncio.gather(*(line.close() for line in lines))
