r"""A meter asked through its optical head by IEC 62056-21, modes A, B and C.

    /?! CR LF            we, at 300 baud, 7 bits, even parity
    /LGZ4ZMF100AC CR LF  the meter, saying it can do 4: 4800 baud
    ACK 0 4 0 CR LF      we, and both change to 4800 baud
    STX 1.8.0(...) ...   the meter, with its BCC

It must never take one session's answer for another's, nor ask twice by itself: only a
read-out without a BCC, which is believed when a second agrees, takes two sessions.
"""

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from meterseal_agent.meters.agreement import disagreement
from meterseal_agent.meters.registers import Sample
from meterseal_agent.meters.stream import Want
from meterseal_agent.meters.telegrams import d0
from meterseal_agent.meters.telegrams.model import BadTelegram, Telegram
from meterseal_agent.meters.telegrams.readout import MAX_FRAME_BYTES
from meterseal_agent.meters.wire import Place, SerialPlace, Silent, Wire, open_wire
from meterseal_proto.errors import Unavailable
from meterseal_proto.units import plausible_wh

START_BAUD: Final = 300
ANSWER_S: Final = 2.5
"""IEC 62056-21, 6.4.2: a meter answers within 1.5 s and pauses no longer amid an answer;
the rest is for device servers, which hand on in lumps."""
SESSION_S: Final = 180.0
"""The longest session: 5 kB at 300 baud, more than a meter's standard list."""
REACTION_S: Final = 0.2
QUICK_REACTION_S: Final = 0.02
"""6.4.2: what we have to wait before we answer; a small third letter of the maker means
that the meter needs only 20 ms."""
MARGIN_S: Final = 0.01
"""What USB adapters keep a last character back for, within the meter's 20 ms."""
MODE_C: Final = dict(
    zip("0123456", (300, 600, 1200, 2400, 4800, 9600, 19_200), strict=True)
)
MODE_B: Final = dict(zip("ABCDEF", (600, 1200, 2400, 4800, 9600, 19_200), strict=True))
"""6.3.14: the character after the maker's three letters; any other one is mode A."""
_IDENTIFICATION: Final = re.compile(rb"/[A-Za-z]{3}[!-~][ -~]{0,40}\r?\n")
_MAX_IDENTIFICATION: Final = 256
"""An echo of the question, noise, and the 23 characters that an identification has."""
_ADDRESS: Final = re.compile("[0-9A-Za-z ]{0,32}")


@dataclass(frozen=True, slots=True)
class Question:
    """How a meter is asked.

    `address` is its device address (6.3.1), "" for whichever meter is there; `baud` the
    speed a session begins at; `answer_s` the longest silence, in real seconds; `steady`
    counts this network's seconds and never goes back.
    """

    address: str = ""
    baud: int = START_BAUD
    answer_s: float = ANSWER_S
    steady: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        if not _ADDRESS.fullmatch(self.address):
            raise ValueError(f"{self.address!r} is no address: letters, digits, blanks")


class ModeCMeter:
    """One meter under an optical head; the wire is opened when it is first read."""

    def __init__(
        self, place: Place, want: Want, question: Question = Question()
    ) -> None:
        self._place = place
        self._want = want
        self._question = question
        self._wire: Wire | None = None

    async def read(self, now: int) -> Sample:
        """Return what one session tells; see the port. Without a BCC, two sessions.

        A session takes as long as the meter's list at its speed, at most SESSION_S.
        """
        try:
            began = self._question.steady()
            telegram = await self._session()
            sample = self._want.sample(now, telegram)
            if telegram.checked or not sample.values:
                return sample
            second = self._want.sample(now, await self._session())
            self._confirm(sample, second, self._question.steady() - began)
        except Unavailable:
            self.close()
            raise
        return second

    def close(self) -> None:
        """Give the head back; the next reading opens it again."""
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    def _confirm(self, first: Sample, second: Sample, span_s: float) -> None:
        most = plausible_wh(self._want.max_per_hour, int(span_s) + 1)
        if why := disagreement(first, second, most):
            raise Unavailable(f"{self._place}: two read-outs do not agree, {why}")

    async def _session(self) -> Telegram:
        if self._wire is None:
            self._wire = await open_wire(self._place)
        try:
            async with asyncio.timeout(SESSION_S):
                session = _Session(self._wire, self._question)
                identification = await session.sign_on()
                return await session.read_out(identification)
        except TimeoutError:
            raise Unavailable(
                f"{self._place}: the read-out takes longer than {SESSION_S:g} s"
            ) from None
        except BadTelegram as error:
            raise Unavailable(
                f"{self._place}: the read-out is damaged: {error}"
            ) from None


class _Session:
    """One exchange, from the question to the end of the read-out."""

    def __init__(self, wire: Wire, question: Question) -> None:
        self._wire = wire
        self._question = question
        self._early = bytearray()

    async def sign_on(self) -> bytes:
        """Ask, and return the line in which the meter identifies itself."""
        await self._set_baud(self._question.baud)
        self._wire.drain()
        await self._wire.send(f"/?{self._question.address}!\r\n".encode())
        await self._wire.sent()
        heard = bytearray()
        while len(heard) < _MAX_IDENTIFICATION:
            heard += await self._receive(bytes(heard), "no identification")
            if match := _IDENTIFICATION.search(heard):
                # Mode A goes on at once; in mode C nothing can have come yet.
                self._early = heard[match.end() :]
                return match.group()
        raise Unavailable(f"{self._wire.place}: what answers is no meter of this kind")

    async def read_out(self, identification: bytes) -> Telegram:
        """Agree on the speed, and return the data the meter sends then."""
        acknowledgement = await self._change_speed(identification)
        heard = self._early
        while len(heard) < MAX_FRAME_BYTES:
            # A head that echoes gives our own words first; they are no data.
            data = bytes(heard).removeprefix(acknowledgement)
            whole = d0.Splitter().feed(identification + data) if b"!" in data else []
            if whole:
                return d0.decode(whole[0].raw)
            heard += await self._receive(bytes(heard), "no end of the read-out")
        raise Unavailable(f"{self._wire.place}: the read-out has no end")

    async def _change_speed(self, identification: bytes) -> bytes:
        """Change to the speed the meter offers; return what was sent for it."""
        offered = chr(identification[4])
        if offered not in MODE_C:
            # Mode B changes by itself, mode A stays; neither wants an answer.
            await self._set_baud(MODE_B.get(offered, self._question.baud))
            return b""
        if not isinstance(self._wire.place, SerialPlace):
            # A device server cannot change its speed: the meter shall not either.
            offered = "0"
        quick = chr(identification[3]).islower()
        await asyncio.sleep(QUICK_REACTION_S if quick else REACTION_S)
        acknowledgement = f"\x060{offered}0\r\n".encode()
        await self._wire.send(acknowledgement)
        await self._wire.sent()
        await asyncio.sleep(MARGIN_S)
        if offered != "0":
            await self._set_baud(MODE_C[offered])
        return acknowledgement

    async def _set_baud(self, baud: int) -> None:
        if isinstance(self._wire.place, SerialPlace):
            await self._wire.set_line(baud, 7, "E")

    async def _receive(self, heard: bytes, missing: str) -> bytes:
        try:
            return await self._wire.receive(self._question.answer_s)
        except Silent:
            came = f"after {len(heard)} bytes" if heard else "the line is silent"
            raise Silent(
                f"{self._wire.place}: {missing}, {came}; see that the head sits right"
            ) from None
