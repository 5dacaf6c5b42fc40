"""Wireless M-Bus behind the Meter port: telegrams that wmbusmeters received and decoded.

wmbusmeters runs as a program of its own, or leaves its JSON lines in a file or FIFO; it
is GPL, so nothing of it is linked or imported. A `WmbusLine` is one receiver; every meter
on it waits for its own next telegram. Meters send when they like: nobody can ask them.
This module must never answer with a telegram that came before the reading was asked for.

    line = WmbusLine(Command(("wmbusmeters", "--format=json", "--useconfig=/etc")))
    meter = WmbusMeter(line, "76348799", [WATER])
    sample = await meter.read(now)
"""

import asyncio
import re
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Final

from meterseal_agent.meters.linesource import Source
from meterseal_agent.meters.registers import Sample
from meterseal_agent.meters.telegrams import wmbus
from meterseal_agent.meters.telegrams.model import BadTelegram, Telegram
from meterseal_agent.meters.telegrams.sample import to_sample
from meterseal_proto.errors import Unavailable
from meterseal_proto.units import RegisterId, obis_text

TIMEOUT_S: Final = 120.0
"""How long a meter may be silent: most send every 8 to 60 s; ask for more of one that
sends every 15 minutes, as OMS allows."""
FIRST_BACKOFF_S: Final = 1.0
LAST_BACKOFF_S: Final = 300.0
"""A receiver that is plugged in again is found within a market slot."""
MAX_WORDS: Final = 4096
"""Bytes kept of a line of error output that has no end yet."""

_IDENT: Final = re.compile(r"[0-9a-f]{8}")
_IDENT_SAID: Final = re.compile(r"(?<![0-9a-z])[0-9a-f]{8}(?![0-9a-z])")
_WORDS: Final = (
    (re.compile(r"no key", re.I), "it is encrypted and no key is configured for it"),
    (
        re.compile(r"decryption key|failed decryption|decrypt", re.I),
        "its key is wrong: correct it and start wmbusmeters again",
    ),
    (
        re.compile(r"should have been (?:fully )?encrypted", re.I),
        "it is not encrypted but a key is configured: remove the key",
    ),
    (re.compile(r"unknown driver|driver: unknown", re.I), "no driver knows its model"),
    (
        re.compile(r"did not handle telegram", re.I),
        "its driver cannot read it: correct the driver or the key",
    ),
)
"""What wmbusmeters says of a meter it hears and cannot decode, in our words; the first
that fits. It says so once and then ignores the meter."""


@dataclass(frozen=True, slots=True, eq=False)
class _Waiter:
    """A reading that waits for a telegram it accepts."""

    answer: asyncio.Future[Telegram]
    accept: Callable[[Telegram], bool]


class WmbusLine:
    """One wmbusmeters; it is started with the first reading and started again, at
    growing intervals, when it ends."""

    def __init__(
        self, source: Source, first_backoff_s: float = FIRST_BACKOFF_S
    ) -> None:
        self.name = str(source)
        self._source = source
        self._first_backoff_s = first_backoff_s
        self._backoff_s = first_backoff_s
        self._waiting: dict[str, list[_Waiter]] = {}
        self._complaints: dict[str, str] = {}
        self._down = ""
        self._task: asyncio.Task[None] | None = None

    def know(self, ident: str) -> None:
        """Take note of a meter: only what is said of known ones is kept."""
        self._waiting.setdefault(ident, [])

    async def next(self, ident: str, accept: Callable[[Telegram], bool]) -> Telegram:
        """Return the next telegram of `ident`, one known, that `accept` takes.

        Only what comes after this call is looked at; waits without end. Raises
        Unavailable when wmbusmeters is not running, ends, or says that it cannot decode
        this meter.
        """
        if self._down:
            raise Unavailable(self._down)
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        waiter = _Waiter(asyncio.get_running_loop().create_future(), accept)
        self._waiting[ident].append(waiter)
        try:
            return await waiter.answer
        finally:
            self._waiting[ident].remove(waiter)

    def complaint(self, ident: str) -> str:
        """Return what wmbusmeters last said against the meter, "" when it reads it."""
        return self._complaints.get(ident, "")

    def close(self) -> None:
        """End the program and every waiting; `ended` waits until that is done."""
        if self._task is not None:
            self._task.cancel()

    async def ended(self) -> None:
        """Wait until a closed line has let go of its program."""
        if self._task is not None:
            with suppress(asyncio.CancelledError):
                await asyncio.shield(self._task)
            self._task = None

    async def _run(self) -> None:
        try:
            while True:
                trouble = await self._listen()
                self._down = f"{trouble}; it is started again in {self._backoff_s:g} s"
                self._fail(Unavailable(self._down))
                await asyncio.sleep(self._backoff_s)
                self._backoff_s = min(LAST_BACKOFF_S, 2 * self._backoff_s)
                self._down = ""
        finally:
            self._down = f"{self.name} is closed"
            self._fail(Unavailable(self._down))

    async def _listen(self) -> Unavailable:
        """Hand out telegrams until the source ends, and return why it did."""
        splitter, printed, said = wmbus.Splitter(), _Lines(), _Lines()
        # A program started again has read its keys again.
        self._complaints.clear()

        def hear(chunk: bytes) -> None:
            self._heed(said.feed(chunk))

        try:
            async with aclosing(self._source.chunks(hear)) as chunks:
                async for chunk in chunks:
                    self._heed(printed.feed(chunk))
                    for frame in splitter.feed(chunk):
                        self._take(frame.raw)
        except Unavailable as trouble:
            return trouble
        return Unavailable(f"{self.name} ended")

    def _take(self, line: bytes) -> None:
        try:
            telegram = wmbus.decode(line)
        except BadTelegram as trouble:
            self._complain(line.decode(errors="replace"), f"its line is bad: {trouble}")
            return
        self._backoff_s = self._first_backoff_s
        self._complaints.pop(telegram.meter, None)
        for waiter in self._waiting.get(telegram.meter, ()):
            if not waiter.answer.done() and waiter.accept(telegram):
                waiter.answer.set_result(telegram)

    def _heed(self, lines: Sequence[bytes]) -> None:
        """Take note of what is said against a meter, on either output of the program."""
        for line in lines:
            text = line.decode(errors="replace")
            for pattern, words in _WORDS:
                if pattern.search(text) and not line.startswith(b"{"):
                    self._complain(text, words)
                    break

    def _complain(self, text: str, words: str) -> None:
        for ident in _IDENT_SAID.findall(text.lower()):
            if ident in self._waiting:
                self._complaints.setdefault(ident, words)
                self._fail(Unavailable(heard_but(ident, words)), ident)

    def _fail(self, trouble: Unavailable, only: str | None = None) -> None:
        for ident, waiters in self._waiting.items():
            for waiter in waiters:
                if not waiter.answer.done() and only in (None, ident):
                    waiter.answer.set_exception(trouble)


class _Lines:
    """Cuts one output into lines, of which it keeps the first MAX_WORDS bytes."""

    def __init__(self) -> None:
        self._kept = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        *lines, rest = (self._kept + chunk).split(b"\n")
        self._kept = rest[:MAX_WORDS]
        return lines


def heard_but(ident: str, words: str) -> str:
    """Return the sentence for a meter that is received and not understood."""
    return f"wmbusmeters hears meter {ident}, but {words}"


class WmbusMeter:
    """One radio meter on a WmbusLine, by the eight digits of its id.

    `timeout_s` is in real seconds; `steady` counts this network's and never goes back.
    """

    def __init__(
        self,
        line: WmbusLine,
        ident: str,
        wanted: Sequence[RegisterId],
        timeout_s: float = TIMEOUT_S,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ident = ident.lower()
        if not _IDENT.fullmatch(self._ident):
            raise ValueError(f"{ident!r} is no wM-Bus id: write its eight digits")
        self._line = line
        self._wanted = tuple(wanted)
        self._timeout_s = timeout_s
        self._steady = steady
        line.know(self._ident)

    async def read(self, now: int) -> Sample:
        """Wait for the meter's next telegram with a wanted register; see the port."""
        empty, asked = False, self._steady()

        def tells(telegram: Telegram) -> bool:
            # Some meters send short telegrams between those with a register.
            nonlocal empty
            empty = not to_sample(now, telegram, self._wanted).values
            return not empty

        try:
            async with asyncio.timeout(self._timeout_s):
                telegram = await self._line.next(self._ident, tells)
        except TimeoutError:
            raise Unavailable(self._why(empty=empty)) from None
        spoke = now + int(self._steady() - asked)
        return to_sample(spoke, telegram, self._wanted)

    def _why(self, *, empty: bool) -> str:
        if words := self._line.complaint(self._ident):
            return heard_but(self._ident, words)
        if empty:
            wanted = " or ".join(obis_text(register) for register in self._wanted)
            return f"meter {self._ident} sends telegrams without {wanted}"
        return f"no telegram of meter {self._ident} in {self._timeout_s:g} s"

    def close(self) -> None:
        """Close the line; no meter on it can be read any more."""
        self._line.close()
