"""The one meter a measuring command is about, by its line and profile or by its serial.

It must never keep a line open that a command has done with: the agent wants it back.
"""

import argparse
import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeVar

from meterseal_agent.config import MeterConfig, Speech, load
from meterseal_agent.meters.modbus import Line, ModbusMeter, Refused, Timing
from meterseal_agent.meters.port import Meter
from meterseal_agent.meters.profile import Profile
from meterseal_agent.meters.registers import Sample
from meterseal_agent.meters.wire import SerialPlace
from meterseal_agent.run import meters
from meterseal_agent.run.times import Times
from meterseal_agent.technician import lines
from meterseal_agent.technician.complaint import Complaint
from meterseal_proto.clock import ClockRate
from meterseal_proto.units import parse_obis

TELLS_ALL: Final = frozenset(
    {Speech.DSMR, Speech.SML, Speech.D0, Speech.D0_MODE_C, Speech.HAN}
)
"""What speaks in telegrams: whatever of the phases is in one costs nothing to read."""
PHASES: Final = tuple(
    parse_obis(f"1-0:{phase + group}.7.0")
    for phase in (20, 40, 60)
    for group in (1, 2, 11, 12, 16)
)
"""IEC 62056-6-1, 7.5.1: power in, out, current, voltage and power of each phase."""

_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True)
class OnModbus:
    """Where a Modbus meter stands: its line, its unit, its profile."""

    line: Line
    unit: int
    profile: Profile
    timing: Timing
    serial: bool


@dataclass(frozen=True, slots=True)
class Subject:
    """A meter to be measured; `close` gives its line back, inside the loop."""

    name: str
    port: Meter
    modbus: OnModbus | None
    close: Callable[[], None]

    async def read(self) -> Sample:
        """Return what the meter shows now; Unavailable when it does not answer.

        Everything its profile knows is asked; where a unit lacks some of it, what is
        read with every sample.
        """
        now = int(time.time())
        if self.modbus is None:
            return await self.port.read(now)
        place = self.modbus
        whole = ModbusMeter(place.line, place.unit, place.profile.whole(), place.timing)
        try:
            return await whole.read(now)
        except Refused:
            return await self.port.read(now)

    def on_modbus(self) -> OnModbus:
        """Return where it stands on Modbus; Complaint for a meter that pushes."""
        if self.modbus is None:
            raise Complaint(
                f"{self.name} is no Modbus meter: this command asks registers"
            )
        return self.modbus


def measure(
    options: argparse.Namespace, work: Callable[[Subject], Awaitable[_Found]]
) -> _Found:
    """Return what `work` finds at the meter the options name; its line is given back."""

    async def run() -> _Found:
        meter = subject(options)
        try:
            return await work(meter)
        finally:
            meter.close()
            # A connection closes in the loop's next turn; there is none after this.
            await asyncio.sleep(0)

    return asyncio.run(run())


def subject(options: argparse.Namespace) -> Subject:
    """Return the meter the options name; Complaint when they name none."""
    named = lines.named(options)
    if named is None:
        return _configured(options)
    if options.profile is None:
        raise Complaint(
            "say --profile NAME with a line; meterseal-agent identify finds the name"
        )
    profile = lines.profile(options.profile)
    line = named.line()
    timing = Timing(options.timeout_ms / 1000)
    place = OnModbus(line, options.unit, profile, timing, named.serial)
    port = ModbusMeter(line, options.unit, profile, timing)
    return Subject(f"{named.place} unit {options.unit}", port, place, line.close)


def _configured(options: argparse.Namespace) -> Subject:
    config = load(Path(options.config), os.environ)
    serials = [meter.serial for meter in config.meters]
    wanted = options.meter or (serials[0] if len(serials) == 1 else None)
    if wanted not in serials:
        raise Complaint(f"say --meter with one of {', '.join(serials)}, or name a line")
    chosen = [meter for meter in config.meters if meter.serial == wanted]
    (wired,) = meters.wire(chosen, Times(ClockRate()))
    return of_wired(wired)


def of_wired(wired: meters.Wired) -> Subject:
    """Return a configured meter as a subject; of a telegram its phases are read too."""
    if wired.config.speech in TELLS_ALL:
        (wired,) = meters.wire([_whole(wired.config)], Times(ClockRate()))
    place, meter = None, wired.config
    if wired.profile is not None and isinstance(wired.line, Line):
        timing = Timing(wired.timeout_s, turnaround_s=meter.turnaround_s)
        serial = isinstance(meter.line.place, SerialPlace)
        place = OnModbus(wired.line, meter.unit, wired.profile, timing, serial)
    return Subject(meter.serial, wired.port, place, wired.line.close)


def _whole(meter: MeterConfig) -> MeterConfig:
    more = [register for register in PHASES if register not in meter.registers]
    return replace(meter, registers=(*meter.registers, *more))
