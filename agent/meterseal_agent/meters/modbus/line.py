"""A line of Modbus units: one connection, one request in flight, whatever carries it.

A line remembers which units it doubts. A unit that did not answer may still do so, and
its late answer would pass for the next one; so after a silence the next reading of that
unit is to be confirmed, and after an answer that fitted nothing, that of every unit.
This module must never ask again by itself: when to ask is the bus's to say.
"""

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

from meterseal_agent.meters.modbus.request import (
    TARGET_SILENT,
    Garbled,
    Refused,
    Request,
)
from meterseal_agent.meters.planner import Block
from meterseal_agent.meters.wire import Silent
from meterseal_proto.errors import Unavailable

TIMEOUT_S: Final = 0.8
"""What a unit gets to answer one request: a slow serial meter behind a gateway takes
0.3 s for 80 registers at 9600 baud; installers ask for less than a second."""


class Transport(Protocol):
    """Carries one request and its answer; opens itself when needed.

    `disturbed` counts how often bytes came that nobody had asked for.
    """

    name: str
    disturbed: int

    async def ask(
        self, unit: int, request: Request, timeout_s: float, turnaround_s: float
    ) -> bytes:
        """Return the PDU of the answer; Silent, Garbled or Unavailable if there is none.

        After any of these nothing of the old answer is left to be taken for a new one,
        but for what a unit or a gateway has not yet sent.
        """
        ...

    def close(self) -> None:
        """Close the connection; the next question opens a new one."""
        ...


class Line:
    """Units on one transport, asked one at a time."""

    def __init__(self, transport: Transport) -> None:
        self.name = transport.name
        self._transport = transport
        self._turn = asyncio.Lock()
        self._known: set[int] = set()
        self._doubted: set[int] = set()

    async def read(
        self,
        unit: int,
        function: int,
        block: Block,
        timeout_s: float = TIMEOUT_S,
        turnaround_s: float = 0.0,
    ) -> Sequence[int]:
        """Return the registers of `block`, asked of `unit` by function 3 or 4.

        Waits for its turn, leaves the line `turnaround_s` of silence, then waits at most
        `timeout_s` for the answer: to begin on a serial line, to be whole over TCP.
        Raises Refused when the unit answers with an exception, Silent when it does not
        answer, Garbled when something else comes, Unavailable when there is no line.
        """
        return await self._ask(
            unit, Request.read(function, block), timeout_s, turnaround_s
        )

    async def write(
        self, unit: int, request: Request, timeout_s: float = TIMEOUT_S
    ) -> None:
        """Write holding registers; raises as `read` does.

        A unit that is given a new address or speed may answer by the old one, by the
        new one or not at all: only reading back tells what it did.
        """
        await self._ask(unit, request, timeout_s, 0.0)

    def doubts(self, unit: int) -> bool:
        """Tell whether the unit's next reading is to be confirmed by a second one."""
        return unit in self._doubted

    def trust(self, unit: int) -> None:
        """Note that two readings of the unit agreed."""
        self._doubted.discard(unit)

    def close(self) -> None:
        """Close the connection; the next reading opens a new one."""
        self._transport.close()

    async def _ask(
        self, unit: int, request: Request, timeout_s: float, turnaround_s: float
    ) -> tuple[int, ...]:
        where = f"{self.name} unit {unit}"
        async with self._turn:
            self._known.add(unit)
            before = self._transport.disturbed
            try:
                answer = await self._transport.ask(
                    unit, request, timeout_s, turnaround_s
                )
                return self._words(request, answer, where)
            except Refused as refusal:
                # The unit behind a gateway may still answer when that gave it up.
                if refusal.code == TARGET_SILENT:
                    self._doubted.add(unit)
                raise
            except Silent as trouble:
                self._doubted.add(unit)
                raise Silent(f"{where}: {trouble}") from None
            except Garbled as trouble:
                self._doubted |= self._known
                raise Garbled(_placed(where, trouble), noise=trouble.noise) from None
            except Unavailable as trouble:
                self._doubted.add(unit)
                raise Unavailable(_placed(where, trouble)) from trouble
            except asyncio.CancelledError:
                # The question is out, and its answer still comes.
                self._doubted.add(unit)
                raise
            finally:
                if self._transport.disturbed > before:
                    self._doubted |= self._known

    def _words(self, request: Request, answer: bytes, where: str) -> tuple[int, ...]:
        try:
            return request.words(answer, where)
        except Garbled:
            # Who answers what was not asked may have more of it under way.
            self._transport.close()
            raise


def _placed(where: str, trouble: Unavailable) -> str:
    text = str(trouble)
    return text if text.startswith(where) else f"{where}: {text}"
