"""Modbus TCP: one listening socket with its meters by unit id.

The server is ours, not pymodbus': a fault may hold an answer back, spoil it or keep
it, and the agent, which reads with pymodbus, meets a second reading of the standard.
Must never answer two questions of one line at once: there is one bus behind it.
"""

import asyncio
from collections.abc import Mapping

from meterseal_sim.faults import Answer, damaged, lost
from meterseal_sim.image import Trouble, exception
from meterseal_sim.serve.bus import Bus, Clock
from meterseal_sim.serve.frames import MAX_LENGTH, MBAP
from meterseal_sim.serve.listen import listening
from meterseal_sim.street import Home

MAX_CLIENTS = 16
"""What a good Ethernet meter takes; one more is closed at once."""
ANY_UNIT = frozenset({0, 255})
"""How clients address a TCP meter that has no serial line behind it."""


class Line:
    """One listening socket with its meters by unit id: an RS-485 line or one meter.

    `gateway` says that units are told apart strictly and an absent one is
    answered by exception 11, as a gateway does. `now` gives the street's time.
    """

    def __init__(
        self, homes: Mapping[int, Home], now: Clock, *, gateway: bool = False
    ) -> None:
        self.bus = Bus(homes, now)
        self.gateway = gateway
        self.port = 0
        self._clients: set[asyncio.Task[None]] = set()
        self._held: dict[asyncio.StreamWriter, bytes] = {}
        self._lock = asyncio.Lock()
        self._server: asyncio.Server | None = None

    @property
    def homes(self) -> Mapping[int, Home]:
        """The meters by unit id."""
        return self.bus.homes

    async def open(self, host: str, port: int) -> None:
        """Listen; port 0 takes a free one. Raises Refused when it is taken."""
        with listening(host, port):
            self._server = await asyncio.start_server(self._talk, host, port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and hang up on everybody."""
        if self._server is not None:
            self._server.close()
        for client in self._clients:
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    def answer(self, unit: int, request: bytes) -> Answer:
        """Return what the line answers to a request PDU for a unit, right now."""
        if not self.gateway and unit in ANY_UNIT:
            unit = next(iter(self.homes))
        answer = self.bus.ask(unit, request)
        if answer is None:
            return Answer(exception(request[0], Trouble.TARGET_SILENT))
        return answer

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
            self._held.pop(writer, None)
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
        async with self._lock:
            answer = self.answer(unit, request)
            if answer.delay_s:
                await asyncio.sleep(answer.delay_s)
        leaving, self._held[writer] = self._held.get(writer, b""), b""
        if answer.pdu is not None:
            frame = tcp_frame(transaction, unit, answer)
            if answer.late:
                self._held[writer] = frame
            else:
                leaving += frame
        writer.write(leaving)
        await writer.drain()
        return True


def tcp_frame(transaction: int, unit: int, answer: Answer) -> bytes:
    """Return the bytes of an answer that has a PDU, damaged as it is.

    On TCP there is no CRC: a gateway that gets a wrong one tells exception 11.
    """
    pdu = answer.pdu or b""
    if lost(answer):
        pdu = exception(pdu[0], Trouble.TARGET_SILENT)
    head = MBAP.pack(transaction, 0, len(pdu) + 1, (unit + answer.unit_shift) & 0xFF)
    return damaged(head + pdu, () if lost(answer) else answer.damage)
