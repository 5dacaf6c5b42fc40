"""Edges of a GPIO line, through libgpiod's Python binding (gpiod 2.x).

The kernel timestamps and debounces every edge and numbers them, so nothing is missed
while the program is busy. This is the only module that knows gpiod; it must never poll.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal

from meterseal_agent.meters.pulse import Edge
from meterseal_proto.errors import Unavailable

if TYPE_CHECKING:
    import gpiod

CONSUMER: Final = "meterseal-agent"
KERNEL_BUFFER: Final = 1024
"""Edges the kernel keeps for us: half a minute of the fastest S0 output."""
REST_S: Final = 0.005
"""Contacts rest within 5 ms, and an S0 pulse lasts 30 (IEC 62053-31)."""
Bias = Literal["pull-up", "pull-down", "disabled", "as-is"]


@dataclass(frozen=True, slots=True)
class GpioLine:
    """Where a pulse output is wired to, and how.

    `chip` like /dev/gpiochip0, `line` the offset on it (on a Raspberry Pi the BCM
    number). An S0 output between the line and ground pulls a biased line down, so a
    pulse is a `falling` edge. `debounce_s` is how long the line must rest before the
    kernel believes an edge: a contact bounces when it opens too, long after its pulse
    began, and only the kernel can tell that from a second pulse.
    """

    chip: str
    line: int
    bias: Bias = "pull-up"
    falling: bool = True
    debounce_s: float = REST_S

    def __str__(self) -> str:
        return f"{self.chip} line {self.line}"


class GpioEdges:
    """The edges of one line; see the Edges port."""

    def __init__(self, place: GpioLine) -> None:
        self.name = str(place)
        self._place = place
        self._request: gpiod.LineRequest | None = None

    def open(self) -> None:
        """Take the line. Raises Unavailable with one sentence on what to do."""
        self.close()
        try:
            import gpiod
        except ImportError as error:
            raise Unavailable(
                "gpiod is not installed: install meterseal[pulse]"
            ) from error
        try:
            self._request = gpiod.request_lines(
                self._place.chip,
                config={self._place.line: settings(self._place)},
                consumer=CONSUMER,
                event_buffer_size=KERNEL_BUFFER,
            )
        except (OSError, ValueError) as error:
            raise Unavailable(f"cannot use {self.name}: {error}") from error

    async def ready(self) -> None:
        """Wait until an edge has come, without end."""
        loop, request = asyncio.get_running_loop(), self._opened()
        arrived = asyncio.Event()
        loop.add_reader(request.fd, arrived.set)
        try:
            await arrived.wait()
        finally:
            loop.remove_reader(request.fd)

    def take(self) -> Sequence[Edge]:
        """Return the edges that came, none if there are none."""
        request = self._opened()
        try:
            # Asked first: reading waits for an edge where there is none.
            if not request.wait_edge_events(0):
                return []
            events = request.read_edge_events(KERNEL_BUFFER)
        except OSError as error:
            raise Unavailable(f"{self.name} is gone: {error}") from error
        return [Edge(event.timestamp_ns, event.line_seqno) for event in events]

    def _opened(self) -> "gpiod.LineRequest":
        if self._request is None:
            raise Unavailable(f"{self.name} is not open")
        return self._request

    def close(self) -> None:
        """Give the line back; a second time it does nothing."""
        if self._request is not None:
            self._request.release()
            self._request = None


def settings(place: GpioLine) -> "gpiod.LineSettings":
    """Return how gpiod is to set the line."""
    import gpiod
    from gpiod.line import Bias as GpiodBias
    from gpiod.line import Clock, Direction
    from gpiod.line import Edge as GpiodEdge

    biases = {
        "pull-up": GpiodBias.PULL_UP,
        "pull-down": GpiodBias.PULL_DOWN,
        "disabled": GpiodBias.DISABLED,
        "as-is": GpiodBias.AS_IS,
    }
    return gpiod.LineSettings(
        direction=Direction.INPUT,
        edge_detection=GpiodEdge.FALLING if place.falling else GpiodEdge.RISING,
        bias=biases[place.bias],
        debounce_period=timedelta(seconds=place.debounce_s),
        event_clock=Clock.MONOTONIC,
    )
