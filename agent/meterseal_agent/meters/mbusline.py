"""Wired M-Bus behind the Meter port: the master's side of EN 13757-2 and -3.

An `MbusLine` is one bus behind one level converter; its meters share it, one request in
flight. Every reading starts with a reset (SND_NKE), so no meter can repeat an answer it
kept from before, and runs through all telegrams of the meter with the frame count bit
toggling. An answer must carry a right checksum and the address or number asked for. This
module must never take a late answer for the next one: after any trouble it waits until
the bus is quiet and drops what was said.

    line = MbusLine(SerialPlace("/dev/serial/by-id/...", BAUD, parity=PARITY))
    meter = MbusMeter(line, Primary(5), [WATER])
    sample = await meter.read(now)
"""

import asyncio
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from meterseal_agent.meters.registers import Sample
from meterseal_agent.meters.telegrams import mbus, mbus_frame
from meterseal_agent.meters.telegrams.mbus_frame import ACK, Control, LongFrame
from meterseal_agent.meters.telegrams.model import BadTelegram, Telegram
from meterseal_agent.meters.telegrams.sample import to_sample
from meterseal_agent.meters.wire import Place, Silent, Wire, open_wire
from meterseal_proto.errors import Unavailable
from meterseal_proto.units import RegisterId

BAUD: Final = 2400
PARITY: Final = "E"
"""EN 13757-2, 5.2: what every meter speaks unless told otherwise, with even parity."""
TIMEOUT_S: Final = 0.5
"""What a meter gets to begin its answer: EN 13757-2 gives it 330 bit times and 50 ms,
0.19 s at 2400 baud; converters behind a network take as much again."""
IDLE_BITS: Final = 33
"""EN 13757-2: a master rests for 33 bit times before it speaks again."""
MAX_TELEGRAMS: Final = 16
"""A meter with more telegrams than this tells its registers long before the last."""
ATTEMPTS: Final = 2
"""A damaged answer is asked for once more with the same frame count bit, as EN 60870-5-2
has it; silence is not, for that a dead meter would cost the living twice."""
LAST_PRIMARY: Final = 250
SELECTED: Final = 253
"""The address of whichever meter was selected by its number."""
SELECT: Final = 0x52
SELECT_CHARS: Final = 20
"""The longest question, 17 characters, and the rest of the bus before it."""
ANY_WORD: Final = b"\xff\xff"
ANY_BYTE: Final = b"\xff"
_CHAR_BITS: Final = 11


@dataclass(frozen=True, slots=True)
class Primary:
    """A meter by its bus address, 1 to 250 (0 is that of an unconfigured one).

    `ident`, its eight digits, is checked in every answer where it is given.
    """

    number: int
    ident: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.number <= LAST_PRIMARY:
            raise ValueError(f"an M-Bus address is 0 to {LAST_PRIMARY}")
        if self.ident:
            _check_ident(self.ident)

    def __str__(self) -> str:
        return f"address {self.number}"


@dataclass(frozen=True, slots=True)
class Secondary:
    """A meter by the eight digits on its plate; two meters must not share them."""

    ident: str

    def __post_init__(self) -> None:
        _check_ident(self.ident)

    def __str__(self) -> str:
        return f"meter {self.ident}"


Address = Primary | Secondary
_IDENT: Final = re.compile(r"[0-9A-F]{8}")


def _check_ident(ident: str) -> None:
    if not _IDENT.fullmatch(ident):
        raise ValueError(f"{ident!r} is no M-Bus number: write its eight digits")
    if "F" in ident:
        raise ValueError(f"{ident!r}: F stands for any digit, and would select many")


class MbusLine:
    """One M-Bus, opened when needed; one request in flight."""

    def __init__(self, place: Place, timeout_s: float = TIMEOUT_S) -> None:
        self.name = str(place)
        self._place = place
        self._timeout_s = timeout_s
        self._char_s = place.char_s or _CHAR_BITS / BAUD
        # A question of 17 characters is out before its answer is waited for.
        self.wait_s = timeout_s + SELECT_CHARS * self._char_s
        self._turn = asyncio.Lock()
        self._wire: Wire | None = None
        self._wary = False

    async def read(self, address: Address) -> Telegram:
        """Return all that the meter at `address` tells, as one telegram.

        Waits for its turn. Raises Unavailable when the meter is silent, answers
        wrongly, or reports an error of its own.
        """
        async with self._turn:
            clean = False
            try:
                telegram = await self._read(address)
                clean = True
            except Unavailable as trouble:
                raise Unavailable(f"{self.name} {address}: {trouble}") from trouble
            except BadTelegram as trouble:
                raise Unavailable(f"{self.name} {address}: {trouble}") from trouble
            finally:
                self._wary = not clean
        return telegram

    def close(self) -> None:
        """Close the wire; the next reading opens it anew."""
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    async def _read(self, address: Address) -> Telegram:
        """Read once; a wire that is gone is closed, a silent one stays open."""
        try:
            if self._wire is None:
                self._wire = await open_wire(self._place)
            wire = self._wire
            await self._settle(wire)
            number = await self._reset(wire, address)
            return await self._telegrams(wire, address, number)
        except (Silent, _WrongAnswer):
            raise
        except (Unavailable, asyncio.CancelledError):
            self.close()
            raise

    async def _settle(self, wire: Wire) -> None:
        """Drop what waits; after trouble, wait until nothing more comes."""
        wire.drain()
        if not self._wary:
            return
        with suppress(Silent):
            # A late answer is one frame; a bus that talks for longer is no bus.
            for _ in range(mbus_frame.MAX_FRAME):
                await wire.receive(self._timeout_s)
            raise _WrongAnswer("the bus is never quiet: is it an M-Bus, at this speed?")

    async def _reset(self, wire: Wire, address: Address) -> int:
        """Reset the meter and return the address it now answers to."""
        if isinstance(address, Primary):
            nke = mbus_frame.short(Control.SND_NKE, address.number)
            await self._acknowledged(wire, nke)
            return address.number
        # Whoever was selected lets go and says so; where nobody was, nobody answers.
        with suppress(Silent):
            nke = mbus_frame.short(Control.SND_NKE, SELECTED)
            await self._acknowledged(wire, nke)
        ident = bytes.fromhex(address.ident)[::-1]
        wanted = ident + ANY_WORD + ANY_BYTE + ANY_BYTE
        select = mbus_frame.long(Control.SND_UD, SELECTED, SELECT, wanted)
        await self._acknowledged(wire, select)
        return SELECTED

    async def _acknowledged(self, wire: Wire, frame: bytes) -> None:
        heard = await self._ask(wire, frame)
        if heard != bytes((ACK,)):
            raise _WrongAnswer(f"it answered {heard.hex(' ')} instead of E5")

    async def _telegrams(self, wire: Wire, address: Address, number: int) -> Telegram:
        """Ask for one telegram after the other until no more follow."""
        found: list[Telegram] = []
        fcb = True
        for _ in range(MAX_TELEGRAMS):
            answer = await self._answer(wire, address, number, fcb=fcb)
            # A meter that does not count begins again: what it says is known.
            if any(answer.telegram.values == known.values for known in found):
                break
            found.append(answer.telegram)
            if not answer.more_follow:
                break
            fcb = not fcb
        _check_one_meter(found)
        values = tuple(value for telegram in found for value in telegram.values)
        return replace(found[0], values=values)

    async def _answer(
        self, wire: Wire, address: Address, number: int, *, fcb: bool
    ) -> mbus.Answer:
        question = mbus_frame.short(Control.REQ_UD2.counted(fcb=fcb), number)
        for _ in range(ATTEMPTS - 1):
            with suppress(BadTelegram):
                return _checked(await self._ask(wire, question), address)
            self._wary = True
            await self._settle(wire)
        return _checked(await self._ask(wire, question), address)

    async def _ask(self, wire: Wire, question: bytes) -> bytes:
        """Send `question` and return the one answer: an ACK or a whole long frame."""
        await asyncio.sleep(IDLE_BITS * self._char_s / _CHAR_BITS)
        wire.drain()
        await wire.send(question)
        await wire.sent()
        longest_s = self._timeout_s + 2 * mbus_frame.MAX_FRAME * self._char_s
        heard = b""
        try:
            async with asyncio.timeout(longest_s):
                while not _is_whole(heard):
                    heard += await wire.receive(self._timeout_s)
                    heard = _without_echo(heard, question)
        except (Silent, TimeoutError):
            # Half a frame is a wrong answer, and asked for again; nothing is silence.
            if not heard:
                raise Silent(f"no answer in {self._timeout_s:g} s") from None
        return heard


class _WrongAnswer(Unavailable):
    """The meter, or another one, answered what it should not; the wire stands."""


def _without_echo(heard: bytes, question: bytes) -> bytes:
    """Return what was heard beyond our own words, which some converters hand back."""
    return heard.removeprefix(question)


def _is_whole(heard: bytes) -> bool:
    """Tell whether an answer has come whole: an ACK, or as long as a frame says it is."""
    if not heard or heard[0] == mbus_frame.SHORT_START:
        return False
    if heard[0] != mbus_frame.LONG_START:
        return True
    if len(heard) < mbus_frame.HEAD_BYTES:
        return False
    return len(heard) >= mbus_frame.HEAD_BYTES + heard[1] + mbus_frame.TAIL_BYTES


def _checked(heard: bytes, address: Address) -> mbus.Answer:
    """Return the answer if it is from the meter asked. Raises BadTelegram, _WrongAnswer."""
    if heard == bytes((ACK,)):
        raise _WrongAnswer("it has nothing to tell: it only acknowledges")
    link: LongFrame = mbus_frame.parse(heard)
    if isinstance(address, Primary) and link.address != address.number:
        raise _WrongAnswer(f"address {link.address} answered in its place")
    answer = mbus.answer(heard)
    told = answer.telegram.meter
    if address.ident and told != address.ident:
        raise _WrongAnswer(f"meter {told or 'without a number'} answered in its place")
    return answer


def _check_one_meter(found: Sequence[Telegram]) -> None:
    if len({telegram.meter for telegram in found}) > 1:
        raise _WrongAnswer("its telegrams name different meters")


class MbusMeter:
    """One meter on an MbusLine, read for the `wanted` registers."""

    def __init__(
        self, line: MbusLine, address: Address, wanted: Sequence[RegisterId]
    ) -> None:
        self._line = line
        self._address = address
        self._wanted = tuple(wanted)

    @property
    def silent_s(self) -> float:
        """The most seconds a reading takes when this meter is silent: the bus is heard
        out after trouble, a reset is waited for, and a selection where it needs one."""
        waits = 2 if isinstance(self._address, Primary) else 3
        return waits * self._line.wait_s

    async def read(self, now: int) -> Sample:
        """Read every wanted register; see the port."""
        return to_sample(now, await self._line.read(self._address), self._wanted)

    def close(self) -> None:
        """Close the line; others on it open it again."""
        self._line.close()
