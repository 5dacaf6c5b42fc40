"""Modbus RTU: requests by their length and CRC, answers at the pace of the line.

Serves a terminal, a serial port or a transparent gateway's TCP connection alike. A
frame with a wrong CRC, for nobody here, or for everybody (unit 0) is not answered.
Must never answer while a client still sends.
"""

import asyncio

from meterseal_sim.faults import Answer, damaged
from meterseal_sim.serve.bus import Bus
from meterseal_sim.serve.frames import BROADCAST, opened, request_length, sealed
from meterseal_sim.serve.ports import Gone, Port
from meterseal_sim.serve.wire import Wire

GAP_S = 0.05
"""A request that is not whole this long after its last byte is noise: operating
systems deliver serial bytes up to 16 ms late, so 3.5 characters cannot be judged."""
MAX_FRAME = 256


class Talk:
    """One port's conversation with the meters of a bus."""

    def __init__(self, port: Port, bus: Bus, wire: Wire) -> None:
        self._port = port
        self._bus = bus
        self._wire = wire
        self._next = b""
        self._held = b""

    async def run(self) -> None:
        """Answer until the port is gone."""
        try:
            while True:
                request = await self._request()
                async with self._wire.bus:
                    await self._answer(request)
        except Gone:
            return

    async def _request(self) -> bytes:
        """Return the next frame: by its length, or ended by silence."""
        frame, self._next = self._next, b""
        while len(frame) < (length := request_length(frame) or MAX_FRAME):
            try:
                async with asyncio.timeout(GAP_S if frame else None):
                    chunk = await self._port.receive()
            except TimeoutError:
                return frame
            self._wire.took(len(chunk), self._port)
            frame += chunk
        self._next = frame[length:]
        return frame[:length]

    async def _answer(self, request: bytes) -> None:
        content = opened(request)
        if content is None or content[0] == BROADCAST:
            self._next = b""
            return
        unit, pdu = content
        heard = self._port.heard_at()
        if heard not in (None, self._bus.pace_of(unit).baud):
            return
        # A meter that was told another speed answers at its own.
        self._wire.pace = self._bus.pace_of(unit)
        wait_s = self._bus.turnaround_s(unit)
        answer = self._bus.ask(unit, pdu)
        leaving, self._held = self._held, b""
        if answer is not None:
            wait_s += answer.delay_s
            leaving += self._frame(unit, answer)
        await self._wire.rest(wait_s)
        if leaving:
            await self._wire.send(self._port, leaving)
            # Who speaks while the meter speaks is not heard.
            self._port.discard()
            self._next = b""

    def _frame(self, unit: int, answer: Answer) -> bytes:
        """Return what leaves now; a late answer is held until the next question."""
        if answer.pdu is None:
            return b""
        frame = rtu_frame(unit, answer)
        if answer.late:
            self._held = frame
            return b""
        return frame


def rtu_frame(unit: int, answer: Answer) -> bytes:
    """Return the bytes of an answer that has a PDU, damaged as it is."""
    body = bytes(((unit + answer.unit_shift) & 0xFF,)) + (answer.pdu or b"")
    return damaged(sealed(body), answer.damage)
