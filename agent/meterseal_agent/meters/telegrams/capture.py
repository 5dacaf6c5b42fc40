"""A capture of any length to its telegrams: what is whole is given, what is wrong is said.

Pure: chunks in, telegrams out. It must never keep more than one format's longest frame,
and never pass over damage between two telegrams: only the pieces a capture begins and
ends with may be partial, and only when whole telegrams are there.

    capture = Capture(Format.DSMR)
    for chunk in chunks:
        telegrams = capture.feed(chunk)
    telegrams = capture.end()
    capture.trouble                    # the first thing that was wrong, or None
"""

from typing import Final

from meterseal_agent.meters.telegrams.detect import (
    HEAD_BYTES,
    Decoder,
    Format,
    decoder,
)
from meterseal_agent.meters.telegrams.model import BadTelegram, Frame, Telegram

_IDLE: Final = bytes(range(0x21)) + b"\x7e\x7f\xff"
"""What lines carry between telegrams: rest, line ends, wake-up bytes, flags."""
_TEXT: Final = frozenset({Format.DSMR, Format.D0})


class Capture:
    """Takes a capture chunk by chunk; used once."""

    def __init__(self, which: Format) -> None:
        self._which = which
        self._decoder: Decoder = decoder(which)
        self._splitter = self._decoder.splitter()
        self._head = bytearray()
        self._between = bytearray()
        self._seen = 0
        self._frames = 0
        self._lost: int | None = None
        self.trouble: BadTelegram | None = None
        """The first thing that was wrong, by its offset in the whole capture."""
        self.wrong = 0
        """How many things were."""

    def feed(self, chunk: bytes) -> list[Telegram]:
        """Return the telegrams that `chunk` completed; those that are wrong are noted."""
        self._head += chunk[: HEAD_BYTES - len(self._head)]
        self._between += chunk
        self._seen += len(chunk)
        found = [t for f in self._splitter.feed(chunk) if (t := self._take(f))]
        self._forget()
        return found

    def end(self) -> list[Telegram]:
        """Return what the end of the capture completed."""
        found: list[Telegram] = []
        if self._which in _TEXT:
            # The last line of a capture often lacks its end, which splitters wait for.
            found = [t for f in self._splitter.feed(b"\r\n") if (t := self._take(f))]
        return found if self._frames else self._alone()

    def _take(self, frame: Frame) -> Telegram | None:
        self._frames += 1
        self._check_between(frame)
        try:
            return self._decoder.decode(frame.raw)
        except BadTelegram as error:
            self._note(error.detail, frame.offset + error.offset)
            return None

    def _check_between(self, frame: Frame) -> None:
        """Note what stands between the last frame and this one, unless it is the first."""
        began = self._seen - len(self._between)
        ahead = bytes(self._between[: max(0, frame.offset - began)])
        if self._lost is None and ahead.strip(_IDLE):
            self._lost = began + len(ahead) - len(ahead.lstrip(_IDLE))
        if self._lost is not None and self._frames > 1:
            self._note("these bytes belong to no telegram", self._lost)
        self._lost = None
        del self._between[: max(0, frame.offset + len(frame.raw) - began)]

    def _forget(self) -> None:
        """Keep what is still to be judged short: its first stray byte stands for it."""
        surplus = len(self._between) - 2 * HEAD_BYTES
        if surplus > 0:
            ahead = bytes(self._between[:surplus])
            if self._lost is None and ahead.strip(_IDLE):
                began = self._seen - len(self._between)
                self._lost = began + len(ahead) - len(ahead.lstrip(_IDLE))
            del self._between[:surplus]

    def _note(self, detail: str, offset: int) -> None:
        self.wrong += 1
        if self.trouble is None or offset < self.trouble.offset:
            self.trouble = BadTelegram(detail, offset)

    def _alone(self) -> list[Telegram]:
        """Take the capture as one frame: where no frame was found, this says why."""
        try:
            return [self._decoder.decode(bytes(self._head))]
        except BadTelegram as error:
            self._note(error.detail, error.offset)
            return []
