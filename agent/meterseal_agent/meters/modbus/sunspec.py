"""A SunSpec device: found by its marker, read where its chain of models says.

    meter = SunSpecMeter(line, unit=1, max_power_w=17_250)
    sample = await meter.read(now)          # walks the chain the first time

The device says where its models stand, so no register map is needed; the model's id is
read with every sample, and where it does not stand there any more the chain is walked
anew. It must never give a model's "not implemented" as a number.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from meterseal_agent.meters.modbus.line import Line
from meterseal_agent.meters.modbus.meter import USUAL, Timing
from meterseal_agent.meters.modbus.request import READ_HOLDING, UNMAPPED, Refused
from meterseal_agent.meters.modbus.sunspec_models import (
    CODING,
    INVERTERS,
    METERS,
    Model,
)
from meterseal_agent.meters.modbus.surely import Sure
from meterseal_agent.meters.planner import Block
from meterseal_agent.meters.registers import Absence, Sample, to_sample
from meterseal_proto.errors import Unavailable
from meterseal_proto.units import RegisterId

BASES: Final = (40000, 50000, 0)
"""SunSpec Device Information Model Specification, 6.1: where the marker may stand."""
MARKER: Final = (0x5375, 0x6E53)
"""The same section: "SunS"."""
END: Final = 0xFFFF
"""Section 6.2 there: the id after the last model."""
MAX_MODELS: Final = 64
"""More than any device has; a chain that is longer goes in circles."""
NOT_KEPT: Final = "the device says that it does not keep this register"
FELL_TO_ZERO: Final = "the register fell to 0, which is SunSpec's way to say no value"


@dataclass(frozen=True, slots=True)
class _Found:
    """The model that is read, and the address it begins at."""

    number: int
    address: int
    model: Model


class SunSpecMeter:
    """A meter, or else an inverter, of a SunSpec device."""

    def __init__(
        self, line: Line, unit: int, max_power_w: int, timing: Timing = USUAL
    ) -> None:
        self._line = line
        self._unit = unit
        self._timing = timing
        self._sure = Sure(line, unit, max_power_w, timing.steady)
        self._found: _Found | None = None
        self._counted: set[RegisterId] = set()

    async def read(self, now: int) -> Sample:
        """Read the model's points; see the port. After trouble, read twice."""
        return await self._sure.read(lambda: self._sample(now))

    async def _sample(self, now: int) -> Sample:
        if self._found is None:
            self._found = await self._find()
        found = self._found
        try:
            words = await self._words(found.address, found.model.size)
        except Refused as refusal:
            if refusal.code in UNMAPPED:
                self._found = None
            raise
        if words[0] != found.number:
            self._found = None
            raise self._trouble(f"model {found.number} is not where it was")
        named = dict(enumerate(words))
        return self._judged(to_sample(now, named, found.model.points, CODING))

    def _judged(self, sample: Sample) -> Sample:
        """Take out accumulators that fell to 0, and say what the model does not keep.

        0 is an accumulator's "not implemented" and also where a new meter begins: so it
        is a value until the register has shown another one.
        """
        missing = dict(sample.unavailable)
        values = dict(sample.values)
        assert self._found is not None
        counts = self._found.model.counts
        for register in counts & values.keys():
            if values[register]:
                self._counted.add(register)
            elif register in self._counted:
                missing[register] = FELL_TO_ZERO
                del values[register]
        for register in counts & missing.keys():
            if missing[register] == Absence.NOT_AVAILABLE:
                missing[register] = NOT_KEPT
        return replace(sample, values=values, unavailable=missing)

    async def _find(self) -> _Found:
        """Walk the chain; return the first meter in it, else the first inverter."""
        inverter: _Found | None = None
        seen: list[str] = []
        async for number, address in self._chain():
            seen.append(str(number))
            if number in METERS:
                return _Found(number, address, METERS[number])
            if number in INVERTERS and inverter is None:
                inverter = _Found(number, address, INVERTERS[number])
        if inverter is None:
            raise self._trouble(
                f"its SunSpec models {', '.join(seen)} are neither a meter (201-204,"
                " 211-214) nor an inverter (101-103, 111-113)"
            )
        return inverter

    async def _chain(self) -> AsyncIterator[tuple[int, int]]:
        """Yield each model's id and address."""
        address = await self._base() + len(MARKER)
        for _ in range(MAX_MODELS):
            number, length = await self._words(address, 2)
            if number == END:
                return
            yield number, address
            address += 2 + length
            if address > END - 2:
                break
        raise self._trouble("its chain of SunSpec models has no end")

    async def _base(self) -> int:
        for base in BASES:
            try:
                words = await self._words(base, len(MARKER))
            except Refused as refusal:
                if refusal.code not in UNMAPPED:
                    raise
                continue
            if tuple(words) == MARKER:
                return base
        raise self._trouble("is no SunSpec device, or its Modbus is not set to SunSpec")

    async def _words(self, address: int, count: int) -> Sequence[int]:
        return await self._line.read(
            self._unit,
            READ_HOLDING,
            Block(address, count),
            self._timing.timeout_s,
            self._timing.turnaround_s,
        )

    def _trouble(self, why: str) -> Unavailable:
        return Unavailable(f"{self._line.name} unit {self._unit}: {why}")
