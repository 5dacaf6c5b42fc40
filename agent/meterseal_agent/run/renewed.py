"""Radio and pulse meters made anew once their line was let go of.

Their adapters end for good when they are closed; the agent closes lines after trouble and
reads on. It must never have two of one meter at a time.
"""

from collections.abc import Callable

from meterseal_agent.meters.pulse import PulseMeter
from meterseal_agent.meters.registers import Sample
from meterseal_agent.meters.wmbusline import WmbusLine, WmbusMeter


class Pulses:
    """A pulse meter, made when it is first read and again after it was closed."""

    def __init__(self, name: str, make: Callable[[], PulseMeter]) -> None:
        self.name = name
        self._make = make
        self._meter: PulseMeter | None = None

    async def read(self, now: int) -> Sample:
        """Read it; see the port."""
        if self._meter is None:
            self._meter = self._make()
        return await self._meter.read(now)

    def close(self) -> None:
        """Stop to count; what was counted is on disk."""
        if self._meter is not None:
            self._meter.close()
            self._meter = None


class Radio:
    """A receiver that several meters share, made anew after it was closed."""

    def __init__(self, name: str, make: Callable[[], WmbusLine]) -> None:
        self.name = name
        self._make = make
        self._line: WmbusLine | None = None

    @property
    def line(self) -> WmbusLine:
        """The receiver as it is now."""
        if self._line is None:
            self._line = self._make()
        return self._line

    def close(self) -> None:
        """End its program."""
        if self._line is not None:
            self._line.close()
            self._line = None


class RadioMeter:
    """One meter of a receiver."""

    def __init__(self, radio: Radio, make: Callable[[WmbusLine], WmbusMeter]) -> None:
        self._radio = radio
        self._make = make
        self._on: tuple[WmbusLine, WmbusMeter] | None = None

    async def read(self, now: int) -> Sample:
        """Read it; see the port."""
        line = self._radio.line
        if self._on is None or self._on[0] is not line:
            self._on = (line, self._make(line))
        return await self._on[1].read(now)
