"""Edges that a test makes, and a program that counts them and can be killed.

    python -m tests.support.pulses FOLDER LIMIT

counts a pulse for every byte of its input and prints the total after each.
"""

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from meterseal_agent.meters.pulse import Edge
from meterseal_agent.meters.pulsecount import PulseCount
from meterseal_proto.errors import Unavailable

NS = 1_000_000_000


class Wire:
    """A line whose edges a test makes; see the Edges port.

    `trouble` makes the next opening fail, `pull` ends the open line.
    """

    def __init__(self) -> None:
        self.name = "line 17"
        self.trouble = ""
        self.opened = 0
        self._now_ns = 0
        self._number = 0
        self._kept: list[Edge] = []
        self._change = asyncio.Event()
        self._gone = False

    def open(self) -> None:
        if self.trouble:
            raise Unavailable(self.trouble)
        self.opened += 1
        self._number, self._kept, self._gone = 0, [], False

    async def ready(self) -> None:
        while not self._kept and not self._gone:
            self._change.clear()
            await self._change.wait()

    def take(self) -> Sequence[Edge]:
        if self._gone:
            raise Unavailable(f"{self.name} is gone")
        found, self._kept = self._kept, []
        return found

    def close(self) -> None:
        self._kept = []

    def pulse(self, count: int = 1, gap_s: float = 1.0, lost: int = 0) -> None:
        """Make `count` edges, each `gap_s` after the one before; `lost` others came."""
        for _ in range(count):
            self._now_ns += int(gap_s * NS)
            self._number += 1 + lost
            self._kept.append(Edge(self._now_ns, self._number))
        self._change.set()

    def pull(self, trouble: str) -> None:
        """Take the line away; it cannot be opened for the reason given."""
        self.trouble, self._gone = trouble, True
        self._change.set()


def main() -> None:
    count = PulseCount(Path(sys.argv[1]), journal_limit=int(sys.argv[2]))
    os.write(1, b"%d\n" % count.total)
    while os.read(0, 1):
        count.add(1)
        os.write(1, b"%d\n" % count.sync())


if __name__ == "__main__":
    main()
