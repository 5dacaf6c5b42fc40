"""Samples to batches: one meter's values gathered until they are worth a message.

Pure: samples in, whole batches out. Batches of one run follow each other without a gap,
so the time in which a meter was silent is told as such, and not taken for a loss. This
module must never read a clock, nor wait for a sample that may not come.
"""

from collections.abc import Mapping
from typing import Final

from meterseal_proto.spans import Span
from meterseal_proto.telemetry import MAX_COLUMNS, MAX_ROWS, Batch, Row
from meterseal_proto.units import MeterId, RegisterId

BATCH_S: Final = 60
"""The time a batch holds, in this network's seconds: a screen somewhere is a minute
behind, and the card takes one small write a minute."""


class Collector:
    """The batch in hand of one meter; `every_s` is the raster its samples are thinned to.

    collector = Collector(meter, every_s=10)
    for batch in collector.take(at, values, clock=2): ...
    for batch in collector.flush(now): ...
    """

    def __init__(self, meter: MeterId, every_s: int) -> None:
        self._meter = meter
        self._every_s = every_s
        self._clock = 0
        self._registers: tuple[RegisterId, ...] = ()
        self._rows: list[Row] = []
        self._begin = 0
        self._told_to: int | None = None
        self._last: int | None = None

    def take(
        self, at: int, values: Mapping[RegisterId, int], *, clock: int
    ) -> list[Batch]:
        """Take a sample of the Unix second `at`; return the batches it ended.

        Of several samples in one step of the raster the first counts. A sample that is
        older than the last one begins anew: somebody has set the clock.
        """
        last, ended = self._last, list[Batch]()
        if last is not None and at >= last and self._slot(at) == self._slot(last):
            return ended
        values = {r: values[r] for r in sorted(values)[:MAX_COLUMNS]}
        if not self._follows(at, values, clock):
            ended = self.close()
        if last is not None and at < last:
            self._told_to = None
        if not self._rows:
            self._start(at, values, clock)
        row = Row(at, tuple(values.get(register) for register in self._registers))
        self._rows.append(row)
        self._last = at
        return ended

    def flush(self, now: int) -> list[Batch]:
        """Return the batch in hand once it is BATCH_S old at `now`, if there is one."""
        return self.close() if self._rows and now - self._begin >= BATCH_S else []

    def close(self) -> list[Batch]:
        """Return the batch in hand, if there is one, whatever its age."""
        if not self._rows:
            return []
        end = self._rows[-1].at + 1
        batch = Batch(
            self._meter,
            self._clock,
            Span(self._begin, end),
            self._registers,
            tuple(self._rows),
        )
        self._rows = []
        self._told_to = end
        return [batch]

    def _follows(self, at: int, values: Mapping[RegisterId, int], clock: int) -> bool:
        """Tell whether a sample belongs to the batch in hand."""
        return (
            bool(self._rows)
            and self._rows[-1].at < at < self._begin + BATCH_S
            and len(self._rows) < MAX_ROWS
            and clock == self._clock
            and set(values) <= set(self._registers)
        )

    def _start(self, at: int, values: Mapping[RegisterId, int], clock: int) -> None:
        told_to = self._told_to
        # From the last batch's end on nothing was seen, and saying so closes the gap.
        self._begin = at if told_to is None or told_to > at else told_to
        self._clock = clock
        self._registers = tuple(values)

    def _slot(self, at: int) -> int:
        return at // self._every_s
