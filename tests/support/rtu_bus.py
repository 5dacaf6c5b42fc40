"""An RS-485 bus of slaves at the far end of a wire, with the time characters really take.

A test gives each unit its registers and tells units to misbehave; the bus answers
questions as the standard asks, at the speed of a real line, in lumps as a kernel sees
them. Its frames are written from the standard, apart from the agent's.
"""

import asyncio
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import minimalmodbus  # type: ignore[import-untyped]

Send = Callable[[bytes], Awaitable[None]]
Hear = Callable[[], Awaitable[bytes]]
LUMP = 32


def crc(raw: bytes) -> bytes:
    """Return the checksum as an independent library has it."""
    return bytes(minimalmodbus._calculate_crc(raw))


@dataclass(slots=True)
class Unit:
    """One slave: registers by address, and how it misbehaves.

    `silent` answers nothing; `late_s` keeps the next answers back so long; `spoil`
    changes an answer's bytes on their way; `refuses` is an exception code to give.
    """

    words: dict[int, int] = field(default_factory=dict)
    silent: bool = False
    late_s: float = 0.0
    spoil: Callable[[bytes], bytes] | None = None
    refuses: int = 0
    asked: int = 0


@dataclass(slots=True)
class RtuBus:
    """Slaves by unit address; `run` serves until cancelled.

    `baud` paces the line at 10 bits a character, 0 not at all; `latency_s` is what a
    slave takes to think.
    """

    hear: Hear
    send: Send
    units: Mapping[int, Unit]
    baud: int = 0
    latency_s: float = 0.0
    questions: list[bytes] = field(default_factory=list)
    _later: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self) -> None:
        """Answer every question that comes."""
        heard = b""
        while True:
            heard += await self.hear()
            size = _size(heard)
            if size is None or len(heard) < size:
                continue
            question, heard = heard[:size], heard[size:]
            self.questions.append(question)
            assert crc(question[:-2]) == question[-2:]
            await self._wire(len(question))
            self._answer(question)

    def _answer(self, question: bytes) -> None:
        unit = self.units.get(question[0])
        if unit is None:
            return
        unit.asked += 1
        if unit.silent:
            return
        pdu = _pdu(unit, question[1:-2])
        raw = bytes([question[0]]) + pdu
        raw += crc(raw)
        if unit.spoil is not None:
            raw = unit.spoil(raw)
        task = asyncio.ensure_future(self._say(raw, unit.late_s + self.latency_s))
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def _say(self, raw: bytes, wait_s: float) -> None:
        await asyncio.sleep(wait_s)
        for at in range(0, len(raw), LUMP):
            await self._wire(len(raw[at : at + LUMP]))
            await self.send(raw[at : at + LUMP])

    async def _wire(self, characters: int) -> None:
        if self.baud:
            await asyncio.sleep(characters * 10 / self.baud)


def _size(heard: bytes) -> int | None:
    if len(heard) < 7:
        return None
    return 9 + heard[6] if heard[1] == 16 else 8


def _pdu(unit: Unit, question: bytes) -> bytes:
    function, address, count = struct.unpack_from(">BHH", question)
    if unit.refuses:
        return bytes([function | 0x80, unit.refuses])
    if function == 6:
        unit.words[address] = count
        return question
    if function == 16:
        words = struct.unpack_from(f">{count}H", question, 6)
        unit.words.update(enumerate(words, address))
        return question[:5]
    try:
        words = tuple(unit.words[at] for at in range(address, address + count))
    except KeyError:
        return bytes([function | 0x80, 2])
    return struct.pack(f">BB{count}H", function, 2 * count, *words)
