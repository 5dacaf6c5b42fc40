"""`address`: give a unit another address or baud rate, read it back, and undo it if asked.

What was there is written to a file before anything is changed, so that a crash between
leaves the way back. It must never write a register that the profile does not vouch for,
nor give two units one address.
"""

import argparse
import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Final

from meterseal_agent.commissioning.presence import Setting
from meterseal_agent.meters.modbus import Garbled, Line, Refused, Request
from meterseal_agent.meters.modbus.request import READ_HOLDING
from meterseal_agent.meters.planner import Block
from meterseal_agent.meters.profile import Profile
from meterseal_agent.meters.settings import Settings
from meterseal_agent.meters.wire import Silent
from meterseal_agent.technician import lines, memory
from meterseal_agent.technician.complaint import Complaint
from meterseal_agent.technician.scan import ask
from meterseal_proto.errors import Unavailable

ATTEMPTS: Final = 4
AGAIN_S: Final = 0.5
"""Meters restart their serial port after a change; the slowest take a second and a half."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Change:
    """What was changed: a unit's address and baud rate, before and after. Baud 0: kept."""

    profile: str
    unit: int
    to_unit: int
    baud: int = 0
    to_baud: int = 0

    @property
    def back(self) -> "Change":
        """The change that undoes this one."""
        return Change(self.profile, self.to_unit, self.unit, self.to_baud, self.baud)


def address(options: argparse.Namespace, say: Say) -> int:
    """Change a unit's address or baud rate, or undo the last change; 0 once read back."""
    named = lines.must_be_named(options)
    file = memory.place(options.memory, f"address {named.place}")
    change = _last(file.read()) if options.undo else _wish(options)
    if change.baud and named.serial:
        setting = named.setting
        named = named.set_to(Setting(change.baud, setting.parity, setting.stop))
    profile = lines.profile(change.profile)
    settings = _settings(profile, change)
    if settings.first and not options.undo:
        say(f"first, at the meter: {settings.first}")
    deed = _Deed(named, settings, options.timeout_ms / 1000)
    return asyncio.run(deed.carry_out(change, file, say))


class _Deed:
    """One change, step by step; the line is closed after each, for its speed may differ."""

    def __init__(
        self, named: lines.Named, settings: Settings, timeout_s: float
    ) -> None:
        self._named = named
        self._settings = settings
        self._timeout_s = timeout_s

    async def carry_out(self, change: Change, file: memory.Memory, say: Say) -> int:
        await self._check(change)
        file.write(json.dumps(asdict(change)))
        if change.to_unit != change.unit:
            await self._set_unit(change)
            say(f"unit {change.unit} is unit {change.to_unit} now, and was read back")
        if change.to_baud:
            await self._set_baud(change)
            say(f"unit {change.to_unit} speaks {change.to_baud} baud now; read back")
        say("meterseal-agent address --undo takes it back")
        return 0

    async def _check(self, change: Change) -> None:
        """Refuse unless the unit is what it is said to be and the new address is free."""
        line = self._named.line()
        try:
            shown = await self._read(line, change.unit, self._settings.unit)
            if shown != change.unit:
                raise Complaint(
                    f"unit {change.unit} says that its address is {shown}: it is not of"
                    " this model; nothing was changed"
                )
            if change.to_unit != change.unit:
                heard = await ask(line, change.to_unit, self._timeout_s)
                if heard.there:
                    raise Complaint(
                        f"something answers at unit {change.to_unit} already; choose"
                        " another address; nothing was changed"
                    )
        finally:
            line.close()

    async def _set_unit(self, change: Change) -> None:
        line = self._named.line()
        try:
            await self._write(line, change.unit, self._settings.unit, change.to_unit)
            if await self._reads(line, change.to_unit, change.to_unit):
                return
            if await self._reads(line, change.unit, change.unit):
                raise Complaint(
                    f"unit {change.unit} kept its address{self._hint()}; nothing changed"
                )
        finally:
            line.close()
        raise Complaint(
            f"nobody answers at unit {change.unit} or {change.to_unit} now: switch the"
            " meter off and on, and scan"
        )

    async def _set_baud(self, change: Change) -> None:
        code = self._settings.code(change.to_baud)
        if self._settings.baud is None or code is None:
            raise Complaint(f"this model does not speak {change.to_baud} baud")
        line = self._named.line()
        try:
            await self._write(line, change.to_unit, self._settings.baud, code)
        finally:
            line.close()
        old = self._named.setting
        new = Setting(change.to_baud, old.parity, old.stop)
        if await self._speaks(self._named.set_to(new), change.to_unit):
            return
        if await self._speaks(self._named, change.to_unit):
            raise Complaint(
                f"the meter still speaks {old.baud} baud{self._hint()}; some take the new"
                " rate only after power was off"
            )
        raise Complaint("the meter answers at neither speed: switch it off and on")

    async def _speaks(self, named: lines.Named, unit: int) -> bool:
        line = named.line()
        try:
            return await self._reads(line, unit, unit)
        finally:
            line.close()

    def _hint(self) -> str:
        return (
            f" ({self._settings.first}, then try again)" if self._settings.first else ""
        )

    async def _write(self, line: Line, unit: int, at: int, number: int) -> None:
        words = self._settings.holds.words(number)
        request = Request.write_many(at, words)
        try:
            await line.write(unit, request, self._timeout_s)
        except Refused as refusal:
            raise Complaint(f"the meter refuses: {refusal}{self._hint()}") from refusal
        except (Silent, Garbled):
            # It may have answered by its new address or speed: reading back tells.
            return

    async def _read(self, line: Line, unit: int, at: int) -> int | None:
        block = Block(at, self._settings.holds.count)
        words = await line.read(unit, READ_HOLDING, block, self._timeout_s)
        return self._settings.holds.number(tuple(words))

    async def _reads(self, line: Line, unit: int, number: int) -> bool:
        """Tell whether the unit says that its address is `number`, given time to restart."""
        for _ in range(ATTEMPTS):
            try:
                return await self._read(line, unit, self._settings.unit) == number
            except Unavailable:
                await asyncio.sleep(AGAIN_S)
        return False


def _settings(profile: Profile, change: Change) -> Settings:
    settings = profile.settings
    if settings is None:
        raise Complaint(
            f"profile {profile.name} does not know where a {profile.manufacturer}"
            f" {profile.model} keeps its address: set it at the meter's own keys"
        )
    if change.to_baud and settings.code(change.to_baud) is None:
        rates = ", ".join(str(rate) for rate in sorted(settings.bauds.values()))
        raise Complaint(
            f"profile {profile.name} does not know {change.to_baud} baud; it knows"
            f" {rates or 'none'}"
        )
    return settings


def _wish(options: argparse.Namespace) -> Change:
    if options.profile is None or not (options.to or options.to_baud):
        raise Complaint(
            "say --profile NAME, and --to UNIT or --to-baud BAUD, or --undo"
        )
    to_unit = options.to or options.unit
    if options.to_baud and not options.device:
        raise Complaint("--to-baud needs --device: a gateway keeps its own speed")
    baud = (options.baud or lines.DEFAULT_BAUD) if options.to_baud else 0
    return Change(options.profile, options.unit, to_unit, baud, options.to_baud or 0)


def _last(text: str) -> Change:
    """Return what takes the last change back; Complaint when there is none."""
    try:
        return Change(**json.loads(text)).back
    except (TypeError, ValueError):
        raise Complaint(
            "no change on this line is remembered: nothing to undo"
        ) from None
