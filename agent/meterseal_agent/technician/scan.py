"""`scan`: every address of a line asked once, over baud rates and parities where it has them.

It reads two registers of each address and writes nothing. It must never run beside the
agent on one serial line: the port is opened for this program alone.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final

from meterseal_agent.commissioning.presence import (
    GATEWAY_CODES,
    Heard,
    Presence,
    Setting,
    sentence,
    summary,
    units,
)
from meterseal_agent.meters.modbus import Garbled, Line, Refused
from meterseal_agent.meters.planner import Block
from meterseal_agent.meters.wire import Silent
from meterseal_agent.technician import lines
from meterseal_agent.technician.complaint import Complaint

BAUDS: Final = (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
DEFAULT_BAUDS: Final = (9600, 19200, 2400, 38400, 4800)
"""What meters are shipped with, the most frequent first."""
DEFAULT_PARITIES: Final = "N,E,O"
PROBE: Final = Block(0, 2)
"""Two registers: meters made of two-register values refuse one, and that costs nothing."""
FUNCTIONS: Final = (4, 3)
CONFIRM: Final = 2
"""How often noise is asked again: a spark is not a second unit."""
SERIAL_TIMEOUT_S: Final = 0.1
"""Meters answer two registers in 20 to 60 ms; every address that is empty costs this."""
NETWORK_TIMEOUT_S: Final = 1.0
"""A gateway waits for its own timeout before it says that nobody is there."""

Say = Callable[[str], None]


def scan(options: argparse.Namespace, say: Say) -> int:
    """Print where something answers; 0 when all that answers is clean, else 1."""
    line = lines.must_be_named(options)
    try:
        asked = units(options.units)
    except ValueError as error:
        raise Complaint(str(error)) from error
    settings = _settings(options) if line.serial else [line.setting]
    timeout_s = options.timeout_ms / 1000 if options.timeout_ms else None
    timeout_s = timeout_s or (SERIAL_TIMEOUT_S if line.serial else NETWORK_TIMEOUT_S)
    worst_s = len(asked) * len(settings) * (timeout_s + 0.03)
    _progress(
        f"asking {len(asked)} addresses, {len(settings)} settings: at most"
        f" {worst_s:.0f} s"
    )
    found = asyncio.run(_all(line, settings, (asked, timeout_s), say))
    for text in summary(found, len(asked) * len(settings)):
        say(text)
    good = {Presence.ANSWERS, Presence.EXCEPTION}
    clean = bool(found) and all(heard.presence in good for _, heard in found)
    return 0 if clean else 1


def _settings(options: argparse.Namespace) -> list[Setting]:
    bauds: tuple[int, ...] = DEFAULT_BAUDS
    if options.baud:
        bauds = lines.numbers(options.baud, "--baud", BAUDS)
    parities = options.parity.split(",")
    if not set(parities) <= {"N", "E", "O"}:
        raise Complaint(f"--parity is a list of N, E, O, not {options.parity!r}")
    return [
        Setting(baud, parity, options.stop) for baud in bauds for parity in parities
    ]


async def _all(
    line: lines.Named,
    settings: Sequence[Setting],
    what: tuple[Sequence[int], float],
    say: Say,
) -> list[tuple[Setting, Heard]]:
    """Ask every unit at every setting; one found at a speed is not asked at it again."""
    asked, timeout_s = what
    found: list[tuple[Setting, Heard]] = []
    for setting in settings:
        at = line.set_to(setting).line()
        known = {h.unit for s, h in found if s.baud == setting.baud}
        try:
            for unit in asked:
                if unit in known:
                    continue
                heard = await ask(at, unit, timeout_s)
                if heard.there:
                    found.append((setting, heard))
                    say(sentence(setting, heard))
        finally:
            at.close()
        if line.serial:
            _progress(f"{setting}: done")
    return found


async def ask(line: Line, unit: int, timeout_s: float) -> Heard:
    """Return what is at an address; Unavailable when the line itself cannot be had."""
    heard = await _once(line, unit, FUNCTIONS[0], timeout_s)
    if heard.presence is Presence.EXCEPTION:
        again = await _once(line, unit, FUNCTIONS[1], timeout_s)
        return again if again.presence is Presence.ANSWERS else heard
    for _ in range(CONFIRM):
        if heard.presence is not Presence.NOISE:
            break
        again = await _once(line, unit, FUNCTIONS[0], timeout_s)
        heard = again if again.there else heard
    return heard


async def _once(line: Line, unit: int, function: int, timeout_s: float) -> Heard:
    began = time.monotonic()
    try:
        await line.read(unit, function, PROBE, timeout_s)
    except Refused as refusal:
        if refusal.code in GATEWAY_CODES:
            return Heard(unit, Presence.SILENT)
        return Heard(unit, Presence.EXCEPTION, refusal.code)
    except Silent:
        return Heard(unit, Presence.SILENT)
    except Garbled as trouble:
        return Heard(unit, Presence.NOISE if trouble.noise else Presence.STRANGE)
    late_ms = 1000 * (time.monotonic() - began)
    return Heard(unit, Presence.ANSWERS, late_ms=late_ms)


def _progress(text: str) -> None:
    """Tell a waiting person, beside the result."""
    sys.stderr.write(f"{text}\n")
