"""M-Bus meters at the far end of a serial line: the slave's side of the link layer.

Each has a primary address and a number, answers SND_NKE, selection and REQ_UD2 with the
frame count bit as EN 13757-2 has it, and misbehaves on demand.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum, auto

from meterseal_agent.meters.telegrams.mbus_frame import long, parse
from meterseal_agent.meters.telegrams.model import BadTelegram
from tests.support.serial_lines import FarEnd

ACK = b"\xe5"


class Fault(Enum):
    """What is wrong with the answers of a slave."""

    NONE = auto()
    SILENT = auto()
    WRONG_CHECKSUM = auto()
    WRONG_ADDRESS = auto()
    WRONG_NUMBER = auto()
    CUT_OFF = auto()
    LATE = auto()
    NOISE = auto()
    BUSY = auto()


@dataclass
class Slave:
    """A meter: `telegrams` makes the record bytes of each of its telegrams, when asked.

    `faults` are used up one by one, one for every REQ_UD2; then it behaves.
    """

    address: int
    ident: str
    telegrams: Callable[[], Sequence[bytes]]
    medium: int = 0x07
    faults: list[Fault] = field(default_factory=list)
    cut_off: bool = False
    echo: bool = False
    counts: bool = True
    selected: bool = False
    asked: list[bytes] = field(default_factory=list)
    kept: bytes = b""
    _next: int = 0
    _fcb: bool | None = None

    def reset(self) -> None:
        """Forget the frame count bit and begin with the first telegram."""
        self._next, self._fcb = 0, None

    def answer(self, fcb: bool, address: int) -> bytes:
        """Return the next telegram, or the last one again when the bit did not toggle."""
        telegrams = self.telegrams()
        if self.counts and self._fcb is not None and fcb != self._fcb:
            self._next = (self._next + 1) % len(telegrams)
        self._fcb = fcb
        return self.frame(telegrams[self._next], address, self.ident)

    def frame(self, records: bytes, address: int, ident: str) -> bytes:
        """Return a whole RSP_UD."""
        header = bytes.fromhex(ident)[::-1] + b"\x2d\x2c\x01"
        header += bytes((self.medium, 1, 0, 0, 0))
        return long(0x08, address, 0x72, header + records)


class Loop:
    """The bus: hears the master on the far end and lets the slaves answer."""

    def __init__(self, far_end: FarEnd, slaves: Sequence[Slave]) -> None:
        self.far_end = far_end
        self.slaves = slaves
        self.late = asyncio.Event()
        self.heard: list[bytes] = []
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to answer; the far end must be plugged in."""
        self._task = asyncio.create_task(self._serve())

    async def stop(self) -> None:
        """Fall silent."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _serve(self) -> None:
        heard = b""
        while True:
            heard += await self.far_end.read_some()
            while (question := first_question(heard)) is not None:
                heard = heard[len(question) :]
                self.heard.append(question)
                for slave in self.slaves:
                    if not slave.cut_off:
                        self._hear(slave, question)

    def _hear(self, slave: Slave, question: bytes) -> None:
        if slave.echo:
            self.far_end.write(question)
        if question[0] == 0x68:
            self._select(slave, question)
            return
        control, address = question[1], question[2]
        if address != slave.address and not (address == 253 and slave.selected):
            return
        slave.asked.append(question)
        if control == 0x40:
            slave.reset()
            slave.selected = slave.selected and address != 253
            self.far_end.write(ACK)
        else:
            self._answer(slave, fcb=bool(control & 0x20))

    def _select(self, slave: Slave, question: bytes) -> None:
        link = parse(question)
        wanted = link.data[:4][::-1].hex().upper()
        slave.selected = wanted == slave.ident
        if slave.selected:
            slave.asked.append(question)
            slave.reset()
            self.far_end.write(ACK)

    def _answer(self, slave: Slave, fcb: bool) -> None:
        fault = slave.faults.pop(0) if slave.faults else Fault.NONE
        right = slave.answer(fcb, slave.address)
        if fault is Fault.LATE:
            slave.kept = right
            self.late.set()
        elif fault is not Fault.SILENT:
            self.far_end.write(spoilt(slave, right, fault))


def spoilt(slave: Slave, right: bytes, fault: Fault) -> bytes:
    """Return the answer with one thing wrong."""
    records = parse(right).data[12:]
    match fault:
        case Fault.WRONG_CHECKSUM:
            return right[:-2] + bytes((right[-2] ^ 1, right[-1]))
        case Fault.WRONG_ADDRESS:
            return slave.frame(records, slave.address + 1, slave.ident)
        case Fault.WRONG_NUMBER:
            return slave.frame(records, slave.address, "99999999")
        case Fault.CUT_OFF:
            return right[:-5]
        case Fault.NOISE:
            return b"\x00\xff" + right
        case Fault.BUSY:
            return long(0x08, slave.address, 0x70, b"\x08")
        case _:
            return right


def first_question(heard: bytes) -> bytes | None:
    """Return the whole frame at the front of what the master said so far."""
    length = 5
    if heard[:1] == b"\x68":
        if len(heard) < 4:
            return None
        length = heard[1] + 6
    if len(heard) < length:
        return None
    question = heard[:length]
    if question[0] == 0x68:
        with suppress(BadTelegram):
            parse(question)
    return question
