"""The meters to be enrolled, and their registers as they stand now.

Every meter must answer before any is enrolled: an initial value is read, never
guessed. This module must never write anything.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from meterseal_agent.meters.port import Meter
from meterseal_agent.meters.registers import Sample
from meterseal_proto.enrolment import MeterRequest, RegisterStart
from meterseal_proto.errors import Unavailable
from meterseal_proto.intervals import slot_start
from meterseal_proto.seal import MODE_COMMITTED, MODE_OPEN
from meterseal_proto.units import RegisterId, obis_text

AGAIN_S: Final = 1.0
"""Between two tries of a meter that does not answer yet, in real seconds."""

Say = Callable[[str], None]
"""Tells the person at the wall one line."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A meter to be enrolled: who it is, what is sealed of it, and how to read it.

    `bits` has those of its committed registers; who is not in it is open.
    """

    serial: str
    profile: str
    capacity_w: int
    step: int
    registers: tuple[RegisterId, ...]
    port: Meter
    bits: Mapping[RegisterId, int] = field(default_factory=dict)


async def first_readings(
    subjects: Sequence[Subject], now: Callable[[], float], say: Say, patience_s: float
) -> tuple[MeterRequest, ...]:
    """Return every meter with its registers' start, waiting until all answered.

    `now` tells UTC Unix seconds; `patience_s` is real time. Raises Unavailable naming
    the meter that did not answer in time.
    """
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(_first_reading(subject, now, say, patience_s))
            for subject in subjects
        ]
    return tuple(task.result() for task in tasks)


async def _first_reading(
    subject: Subject, now: Callable[[], float], say: Say, patience_s: float
) -> MeterRequest:
    deadline = asyncio.get_running_loop().time() + patience_s
    while True:
        try:
            sample = await subject.port.read(int(now()))
            starts = tuple(
                _start(subject, register, sample) for register in subject.registers
            )
        except Unavailable as trouble:
            if asyncio.get_running_loop().time() >= deadline:
                raise Unavailable(f"meter {subject.serial}: {trouble}") from trouble
            say(f"meter {subject.serial}: {trouble}; trying again")
            await asyncio.sleep(AGAIN_S)
        else:
            return MeterRequest(
                subject.serial, subject.profile, subject.capacity_w, starts
            )


def _start(subject: Subject, register: RegisterId, sample: Sample) -> RegisterStart:
    """The value counts from the slot's start at or before the reading."""
    value = sample.values.get(register)
    if value is None:
        why = sample.unavailable.get(register, "the profile has no such register")
        raise Unavailable(f"register {obis_text(register)}: {why}")
    at = slot_start(sample.at, subject.step)
    bits = subject.bits.get(register, 0)
    mode = MODE_COMMITTED if bits else MODE_OPEN
    return RegisterStart(register, subject.step, value, at, mode, bits)
