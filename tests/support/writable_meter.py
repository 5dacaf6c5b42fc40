"""A Modbus RTU meter on a pseudo-terminal whose address and speed can be written.

It hears only a client that has set its speed, as a wire does, and changes both the moment
it has answered. `locked` refuses writes, `deaf` takes them and does nothing.
"""

import asyncio
import os
import struct
import termios
from pathlib import Path
from typing import Self

from tests.support.serial_lines import FarEnd

UNIT_AT, BAUD_AT = 20, 28
CODES = {0: 2400, 1: 4800, 2: 9600, 3: 19200, 4: 38400}


class WritableMeter:
    """A unit with the holding registers of an SDM630 at 20 and 28."""

    def __init__(self, folder: Path, unit: int = 1, baud: int = 9600) -> None:
        self.end = FarEnd(folder)
        self.unit = unit
        self.baud = baud
        self.also: set[int] = set()
        self.locked = False
        self.deaf = False
        self._waiting = b""

    async def __aenter__(self) -> Self:
        asyncio.get_running_loop().add_reader(self.end.fd, self._hear)
        return self

    async def __aexit__(self, *_: object) -> None:
        asyncio.get_running_loop().remove_reader(self.end.fd)
        self.end.pull()

    def _hear(self) -> None:
        self._waiting += os.read(self.end.fd, 4096)
        speed = termios.tcgetattr(self.end.fd)[4]
        if speed != getattr(termios, f"B{self.baud}"):
            self._waiting = b""
            return
        size = 8
        if len(self._waiting) >= 7 and self._waiting[1] == 16:
            size = 9 + self._waiting[6]
        if len(self._waiting) < size:
            return
        frame, self._waiting = self._waiting[:size], b""
        if frame[0] in {self.unit, *self.also} and crc(frame) == 0:
            self._answer(frame[0], frame[1:-2])

    def _answer(self, unit: int, pdu: bytes) -> None:
        function, address, count = struct.unpack(">BHH", pdu[:5])
        if function == 16:
            self._written(unit, address, pdu)
            return
        known = {UNIT_AT: self.unit, BAUD_AT: code(self.baud)}
        if function != 3 or address not in known or count != 2:
            self._say(unit, bytes([function | 0x80, 2]))
            return
        self._say(unit, bytes([3, 4]) + struct.pack(">f", known[address]))

    def _written(self, unit: int, address: int, pdu: bytes) -> None:
        if self.locked:
            self._say(unit, bytes([0x90, 3]))
            return
        self._say(unit, pdu[:5])
        (number,) = struct.unpack(">f", pdu[6:10])
        if self.deaf:
            return
        if address == UNIT_AT:
            self.unit = int(number)
        elif address == BAUD_AT:
            self.baud = CODES[int(number)]

    def _say(self, unit: int, pdu: bytes) -> None:
        frame = bytes([unit]) + pdu
        self.end.write(frame + crc(frame).to_bytes(2, "little"))


def code(baud: int) -> int:
    return next(key for key, value in CODES.items() if value == baud)


def crc(frame: bytes) -> int:
    """Modbus over Serial Line V1.02, 6.2.2; 0 over a frame with its checksum."""
    register = 0xFFFF
    for byte in frame:
        register ^= byte
        for _ in range(8):
            odd = register & 1
            register = register >> 1 ^ (0xA001 if odd else 0)
    return register
