"""A meter that speaks by itself - P1, SML, D0, HAN - behind the Meter port.

A reading discards what has come, then waits for the next whole telegram; it must never
answer from what came before it was asked. A telegram that its checksum refuses is passed
over until time is up; formats without a checksum are believed when two telegrams agree.

    speech = decoder(Format.DSMR)
    want = Want((IMPORT, EXPORT), max_per_hour=17_250)
    meter = StreamMeter(SerialPlace("/dev/serial/by-id/usb-P1", baud=115_200), speech, want)
    sample = await meter.read(now)
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from meterseal_agent.meters.agreement import disagreement
from meterseal_agent.meters.registers import Sample
from meterseal_agent.meters.telegrams.model import BadTelegram, Splitter, Telegram
from meterseal_agent.meters.telegrams.sample import to_sample, with_unit
from meterseal_agent.meters.wire import Place, Silent, TcpPlace, Wire, open_wire
from meterseal_proto.errors import Unavailable
from meterseal_proto.units import RegisterId, plausible_wh

TIMEOUT_S: Final = 12.0
"""The slowest of them, DSMR 2.2 and 3, speak every 10 s and take 1 s for it."""
MAX_TELEGRAMS: Final = 4
"""Of what no checksum covers: the second confirms the first; where a register's last
digit is coarse it may step between them, and then the third confirms the second."""
STALE_S: Final = 20.0
"""After so long unread a device server may hold telegrams back that nothing discards:
its connection is opened anew. P1's 1.2 kB/s fill the least receive buffer in 50 s."""


class Speech(Protocol):
    """A format that meters speak by themselves; `telegrams.detect` has each of them."""

    @property
    def decode(self) -> Callable[[bytes], Telegram]:
        """The decoder of one frame."""
        ...

    @property
    def splitter(self) -> Callable[[], Splitter]:
        """What makes a new splitter."""
        ...


@dataclass(frozen=True, slots=True)
class Want:
    """The registers to be read, and what one can grow by in an hour, in Wh or litres.

    `bare_unit` is the unit of energies that this meter tells without one, "" where it
    leaves none out: then an energy without a unit is no value.
    """

    registers: Sequence[RegisterId]
    max_per_hour: int
    bare_unit: str = ""

    def sample(self, now: int, telegram: Telegram) -> Sample:
        """Return what is wanted of a telegram."""
        if self.bare_unit:
            telegram = with_unit(telegram, self.bare_unit)
        return to_sample(now, telegram, self.registers)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for one telegram, in real seconds; `steady` counts this network's
    seconds, which two telegrams are judged by, and never goes back."""

    timeout_s: float = TIMEOUT_S
    steady: Callable[[], float] = time.monotonic


class StreamMeter:
    """One meter on a wire of its own; the wire is opened when it is first read."""

    def __init__(
        self,
        place: Place,
        speech: Speech,
        want: Want,
        patience: Patience = Patience(),
    ) -> None:
        self._place = place
        self._speech = speech
        self._want = want
        self._patience = patience
        self._wire: Wire | None = None
        self._heard_at = 0.0

    @property
    def silent_s(self) -> float:
        """The most seconds a reading takes when the meter is silent, or falls silent amid
        telegrams that no checksum covers and that do not agree."""
        return MAX_TELEGRAMS * self._patience.timeout_s

    async def read(self, now: int) -> Sample:
        """Return what the next telegram tells; see the port.

        Waits at most `timeout_s` for it, and for each further one where two must agree.
        """
        steady = self._patience.steady
        asked = steady()
        try:
            wire = await self._fresh_wire()
            want = _At(self._want, lambda: now + int(steady() - asked))
            sample = await self._confirmed(_Ear(wire, self._speech, want))
        except Unavailable:
            self.close()
            raise
        self._heard_at = asyncio.get_running_loop().time()
        return sample

    def close(self) -> None:
        """Give the wire back; the next reading opens it again."""
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    async def _fresh_wire(self) -> Wire:
        """Return the wire, with nothing on it that was sent before now."""
        unread_s = asyncio.get_running_loop().time() - self._heard_at
        if isinstance(self._place, TcpPlace) and unread_s > STALE_S:
            self.close()
        if self._wire is None:
            self._wire = await open_wire(self._place)
        self._wire.drain()
        return self._wire

    async def _confirmed(self, ear: "_Ear") -> Sample:
        steady, timeout_s = self._patience.steady, self._patience.timeout_s
        heard, sample = await ear.listen(timeout_s)
        began, why = steady(), ""
        for _ in range(MAX_TELEGRAMS - 1):
            if heard.checked or not sample.values:
                return sample
            one = sample
            heard, sample = await ear.listen(timeout_s)
            ended = steady()
            most = plausible_wh(self._want.max_per_hour, int(ended - began) + 1)
            why, began = disagreement(one, sample, most), ended
            if not why:
                return sample
        raise Unavailable(f"{self._place}: no two telegrams agree, {why}")


@dataclass(frozen=True, slots=True)
class _At:
    """What is wanted, and the second it is told: energy may come hours apart, and what
    tells of this one must not pass for the last."""

    want: Want
    now: Callable[[], int]

    def sample(self, telegram: Telegram) -> Sample:
        return self.want.sample(self.now(), telegram)


class _Ear:
    """Listens on a wire during one reading."""

    def __init__(self, wire: Wire, speech: Speech, want: _At) -> None:
        self._wire = wire
        self._decode = speech.decode
        self._splitter = speech.splitter()
        self._want = want
        self._heard: deque[Telegram] = deque()
        self._trouble = ""

    async def listen(self, timeout_s: float) -> tuple[Telegram, Sample]:
        """Return the next telegram that tells a wanted register, and its sample.

        When in `timeout_s` none does, the last one that told the power at least: some
        meters tell energy once an hour. Unavailable where there is none either.
        """
        poor: tuple[Telegram, Sample] | None = None
        self._trouble = ""
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout_s
        while True:
            while self._heard:
                telegram = self._heard.popleft()
                sample = self._want.sample(telegram)
                if sample.values:
                    return telegram, sample
                self._trouble = f"a telegram came without {_reasons(sample)}"
                poor = poor if sample.power_w is None else (telegram, sample)
            try:
                self._take(await self._wire.receive(max(0.0, until - loop.time())))
            except Silent:
                if poor is not None:
                    return poor
                raise Silent(self._why_nothing(timeout_s)) from None

    def _take(self, chunk: bytes) -> None:
        self._trouble = self._trouble or "bytes came that make up no telegram"
        for frame in self._splitter.feed(chunk):
            try:
                self._heard.append(self._decode(frame.raw))
            except BadTelegram as error:
                self._trouble = f"one came damaged: {error}"

    def _why_nothing(self, timeout_s: float) -> str:
        said = f"{self._wire.place}: no good telegram in {timeout_s:g} s"
        if not self._trouble:
            return f"{said}, the line is silent"
        return f"{said}; {self._trouble}"


def _reasons(sample: Sample) -> str:
    return "what is wanted: " + "; ".join(dict.fromkeys(sample.unavailable.values()))
