"""Modbus RTU over a serial line, or through a device server that only passes bytes on.

Frames and silences are our own work: pymodbus drops a frame with a wrong checksum and
lets it look like silence, and where the line is heard out before the next question
decides whether a late answer can pass for the next one. This module must never send
into a line that is not silent, or give bytes that came before the question.
"""

import asyncio
from typing import Final

from meterseal_agent.meters.modbus.request import Garbled, Request
from meterseal_agent.meters.modbus.rtu_frame import answer, explain, frame, quiet
from meterseal_agent.meters.wire import (
    Place,
    SerialPlace,
    Silent,
    Wire,
    open_wire,
)
from meterseal_proto.errors import Unavailable

SILENT_CHARS: Final = 3.5
"""Modbus over Serial Line V1.02, 2.5.1.1: what keeps two frames apart."""
SILENCE_S: Final = 0.00175
"""The same section: the least of it, above 19200 baud."""
CALM_S: Final = 0.05
"""Silence after trouble: USB adapters hand characters on every 16 ms, a busy computer
takes them two lumps late."""
NETWORK_CALM_S: Final = 0.1
"""The same behind a network, where lumps come later."""
GAP_S: Final = 0.1
"""Longest pause within an answer: an adapter's lump, and a busy computer's delay."""
NETWORK_GAP_S: Final = 0.3
BABBLE_S: Final = 1.0
"""How long a line may go on talking unasked: three of the longest frames at 9600 baud."""
REOPEN_AFTER: Final = 3
"""Silences in a row after which the wire is opened anew: an adapter may be stuck, and a
TCP connection cut without a word."""


class RtuTransport:
    """RTU frames over a wire that is opened when needed; see Transport in `line`."""

    def __init__(self, place: Place) -> None:
        self.name = str(place)
        self.disturbed = 0
        self._place: Place = place
        serial = isinstance(place, SerialPlace)
        self._silence_s = max(SILENT_CHARS * place.char_s, SILENCE_S)
        self._calm_s = max(self._silence_s, CALM_S if serial else NETWORK_CALM_S)
        self._gap_s = GAP_S if serial else NETWORK_GAP_S
        self._wire: Wire | None = None
        self._heard_at = 0.0
        self._silences = 0

    async def ask(
        self, unit: int, request: Request, timeout_s: float, turnaround_s: float
    ) -> bytes:
        """Return the PDU of the unit's answer, which begins within `timeout_s`."""
        try:
            wire = self._wire or await self._open(timeout_s)
            await self._settle(wire, max(self._silence_s, turnaround_s))
            return await self._talk(wire, unit, request, timeout_s)
        except Silent:
            self._silences += 1
            if self._silences >= REOPEN_AFTER:
                self.close()
            raise
        except Garbled:
            raise
        except Unavailable:
            self.close()
            raise

    def close(self) -> None:
        """Give the line back; the next question opens it again."""
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    async def _open(self, timeout_s: float) -> Wire:
        self._wire = await open_wire(self._place, timeout_s)
        self._heard_at = asyncio.get_running_loop().time()
        self._silences = 0
        return self._wire

    async def _talk(
        self, wire: Wire, unit: int, request: Request, timeout_s: float
    ) -> bytes:
        question = frame(unit, request.pdu())
        await wire.send(question)
        loop = asyncio.get_running_loop()
        until = loop.time() + len(question) * self._place.char_s + timeout_s
        heard = b""
        while True:
            begun = not quiet(heard)
            wait_s = self._gap_s if begun else max(0.0, until - loop.time())
            try:
                heard += await wire.receive(wait_s)
                self._heard_at = loop.time()
                found = answer(heard, unit, request)
            except Silent:
                if not begun:
                    raise Silent(f"no answer in {timeout_s:g} s") from None
                raise await self._trouble(wire, heard, unit, request) from None
            except Garbled:
                raise await self._trouble(wire, heard, unit, request) from None
            if found is not None:
                self._silences = 0
                return found

    async def _trouble(
        self, wire: Wire, heard: bytes, unit: int, request: Request
    ) -> Garbled:
        """Hear the line out, and return what the whole of it means."""
        heard += await self._hush(wire, self._calm_s)
        return explain(heard, unit, request)

    async def _settle(self, wire: Wire, pause_s: float) -> None:
        """Leave the line `pause_s` of silence; what came unasked is counted."""
        late = wire.drain()
        if late:
            self._heard_at = asyncio.get_running_loop().time()
            pause_s = max(pause_s, self._calm_s)
        late += await self._hush(wire, pause_s)
        if not quiet(late):
            self.disturbed += 1

    async def _hush(self, wire: Wire, pause_s: float) -> bytes:
        """Wait until the line has been silent for `pause_s`; return what came."""
        loop = asyncio.get_running_loop()
        heard, end = b"", loop.time() + BABBLE_S + pause_s
        while (rest_s := self._heard_at + pause_s - loop.time()) > 0:
            try:
                heard += await wire.receive(rest_s)
            except Silent:
                break
            self._heard_at = loop.time()
            if self._heard_at > end:
                raise Unavailable(
                    f"{self.name} never falls silent: look for a second master"
                )
        return heard
