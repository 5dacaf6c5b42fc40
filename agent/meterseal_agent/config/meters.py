"""`[[meters]]`: one table a meter, checked against its protocol and its neighbours.

What a meter leaves out is what meters of its kind usually have; what it says and its
protocol does not know is refused. It must never read a profile: that is for the wiring.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from meterseal_agent.config.fields import choice, distinct, integer
from meterseal_agent.config.lines import Lines, patience
from meterseal_agent.config.model import LineConfig, MeterConfig, Speech, Supply
from meterseal_agent.config.private import bits, check_private
from meterseal_agent.config.pulses import pulses
from meterseal_agent.meters.modbus.rtu_frame import LAST_UNIT
from meterseal_agent.meters.registers import is_volume
from meterseal_agent.meters.table import BadTable, Table, as_table
from meterseal_proto.intervals import STEPS
from meterseal_proto.units import (
    EXPORT,
    GAS,
    HEAT,
    IMPORT,
    WATER,
    RegisterId,
    obis_text,
    parse_obis,
)

MAX_METERS: Final = 247
"""Meters of one agent: the unit addresses of one RS-485 bus."""
MAX_REGISTERS: Final = 4
"""Registers sealed of one meter: import and export, or one volume, and room."""
MAX_CAPACITY_W: Final = 10**9
MAX_SERIAL: Final = 64
MAX_TELEMETRY_S: Final = 3_600
"""Telemetry rarer than hourly says less than the sealed intervals do."""
DEFAULT_STEP: Final = 900
DEFAULT_PERIOD_S: Final = 10
"""Seconds between readings: a slot boundary is then met within ten."""
SLOW_PERIOD_S: Final[Mapping[Speech, int]] = {
    Speech.MBUS: 30,
    Speech.D0_MODE_C: 60,
    Speech.HAN: 60,
}
"""Meters that run from a battery, or read out for half a minute, are asked less often; on
HAN energy comes once an hour, and a reading listens for it nearly as long as its period."""
DEFAULT_LATENESS_S: Final = 60
USUAL: Final[Mapping[Supply, tuple[RegisterId, ...]]] = {
    Supply.ELECTRICITY: (IMPORT, EXPORT),
    Supply.WATER: (WATER,),
    Supply.HEAT: (HEAT,),
    Supply.GAS: (GAS,),
}
_MBUS_NUMBER: Final = re.compile("[0-9A-E]{8}")
_RADIO_NUMBER: Final = re.compile("[0-9A-Fa-f]{8}")
_D0_ADDRESS: Final = re.compile("[0-9A-Za-z]{1,32}")
LAST_PRIMARY: Final = 250
ENERGY_UNITS: Final = ("Wh", "kWh", "MWh")
KAMSTRUP_STEPS_WH: Final = (1, 10)
"""Kamstrup's HAN list has no scale: the network company sets one of these two."""


def meters(table: Table, data_dir: Path) -> tuple[MeterConfig, ...]:
    """Return the meters of a configuration, its lines already resolved.

    Pulses are counted under `data_dir`.
    """
    items = table.items("meters")
    if not 1 <= len(items) <= MAX_METERS:
        raise BadTable(f"{table.where}: give 1 to {MAX_METERS} [[meters]]")
    lines = Lines(table)
    found = tuple(
        _meter(as_table(item, f"{table.where}: meter {i}"), lines, data_dir)
        for i, item in enumerate(items, 1)
    )
    lines.done()
    distinct([m.serial for m in found], f"{table.where}: serial")
    distinct([m.spot for m in found], f"{table.where}: meters at")
    return found


def _meter(table: Table, lines: Lines, data_dir: Path) -> MeterConfig:
    serial = table.text("serial")
    speech = choice(table, "protocol", Speech, Speech.MODBUS)
    registers = _registers(table)
    if speech is Speech.PULSE:
        line = _pulse_line(table, data_dir, serial, registers)
    else:
        line = lines.of(table, speech)
    usual_s = SLOW_PERIOD_S.get(speech, DEFAULT_PERIOD_S)
    period_s = integer(table, "period_s", usual_s, low=1, high=900)
    lateness_s = max(DEFAULT_LATENESS_S, min(2 * period_s, 900))
    timeout_s, turnaround_s = _patience(table, speech, line)
    meter = MeterConfig(
        serial=serial,
        speech=speech,
        line=line,
        profile=_profile(table, speech),
        unit=_unit(table, speech, line),
        address=_address(table, speech),
        capacity_w=_capacity(table, registers),
        period_s=period_s,
        lateness_limit_s=integer(
            table, "lateness_limit_s", lateness_s, low=1, high=900
        ),
        step=integer(table, "step", DEFAULT_STEP, low=min(STEPS), high=max(STEPS)),
        registers=registers,
        telemetry_s=integer(table, "telemetry_s", 0, low=0, high=MAX_TELEMETRY_S),
        timeout_s=timeout_s,
        turnaround_s=turnaround_s,
        energy_unit=_energy_unit(table, speech),
        kamstrup_step_wh=_kamstrup_step(table, speech),
        bits=bits(table),
    )
    table.done()
    _check(meter, table.where)
    check_private(meter, table.where)
    return meter


def _pulse_line(
    table: Table, data_dir: Path, serial: str, registers: tuple[RegisterId, ...]
) -> LineConfig:
    if len(registers) != 1:
        raise BadTable(f"{table.where}: a pulse output counts one register, name it")
    end = pulses(table, data_dir, serial, volume=is_volume(registers[0]))
    return LineConfig(str(end), end)


def _patience(
    table: Table, speech: Speech, line: LineConfig
) -> tuple[float | None, float]:
    """Take the timeout and turnaround that a meter has of its own, else its line's."""
    if not speech.modbus:
        _refuse(table, "turnaround_ms", speech)
    shared = speech is Speech.MBUS and line.name != str(line.end)
    if shared and table.has("timeout_ms"):
        raise BadTable(
            f"{table.where}: an M-Bus has one timeout_ms for all its meters, give it in"
            " its [[lines]]"
        )
    timeout_s, turnaround_s = patience(table)
    return (
        line.timeout_s if timeout_s is None else timeout_s,
        line.turnaround_s if turnaround_s is None else turnaround_s,
    )


def _check(meter: MeterConfig, where: str) -> None:
    if meter.step not in STEPS:
        raise BadTable(f"{where}: step must be one of {STEPS} seconds")
    if meter.period_s > meter.step:
        raise BadTable(f"{where}: period_s must not exceed step")
    if len(meter.serial) > MAX_SERIAL or not meter.serial.isprintable():
        raise BadTable(
            f"{where}: serial must be 1 to {MAX_SERIAL} printable characters"
        )


def _profile(table: Table, speech: Speech) -> str:
    if speech in {Speech.MODBUS, Speech.MODBUS_RTU_OVER_TCP}:
        return table.text("profile")
    _refuse(table, "profile", speech)
    return ""


def _unit(table: Table, speech: Speech, line: LineConfig) -> int:
    if not speech.modbus:
        _refuse(table, "unit", speech)
        return 0
    low, high = (1, LAST_UNIT) if line.rtu else (0, 255)
    return integer(table, "unit", 1, low=low, high=high)


def _address(table: Table, speech: Speech) -> str:
    """Take an M-Bus address, 0 to 250 or eight digits, or one of IEC 62056-21."""
    if speech is Speech.WMBUS:
        number = table.text("address")
        if not _RADIO_NUMBER.fullmatch(number):
            raise BadTable(
                f"{table.where}: address must be the meter's eight digits in quotes"
            )
        return number.lower()
    if speech is Speech.MBUS:
        if not table.is_text("address"):
            return str(table.integer("address", low=0, high=LAST_PRIMARY))
        number = table.text("address")
        if not _MBUS_NUMBER.fullmatch(number):
            raise BadTable(
                f"{table.where}: address must be 0 to {LAST_PRIMARY} or the meter's"
                " eight digits in quotes"
            )
        return number
    if speech is Speech.D0_MODE_C and table.has("address"):
        text = table.text("address")
        if not _D0_ADDRESS.fullmatch(text):
            raise BadTable(f"{table.where}: address must be 1 to 32 letters or digits")
        return text
    _refuse(table, "address", speech)
    return ""


def _energy_unit(table: Table, speech: Speech) -> str:
    """Take the unit of energies that a read-out tells without one, as the plate has it."""
    if speech not in {Speech.D0, Speech.D0_MODE_C}:
        _refuse(table, "energy_unit", speech)
    if not table.has("energy_unit"):
        return ""
    unit = table.text("energy_unit")
    if unit not in ENERGY_UNITS:
        raise BadTable(
            f"{table.where}: energy_unit must be {' or '.join(ENERGY_UNITS)}, as on the"
            f" meter's plate, not {unit!r}"
        )
    return unit


def _kamstrup_step(table: Table, speech: Speech) -> int | None:
    if speech is not Speech.HAN:
        _refuse(table, "kamstrup_step_wh", speech)
    if not table.has("kamstrup_step_wh"):
        return None
    step_wh = table.integer("kamstrup_step_wh", low=1, high=max(KAMSTRUP_STEPS_WH))
    if step_wh not in KAMSTRUP_STEPS_WH:
        raise BadTable(
            f"{table.where}: kamstrup_step_wh must be 10, or 1 where the display has"
            " three decimals"
        )
    return step_wh


def _refuse(table: Table, key: str, speech: Speech) -> None:
    if table.has(key):
        raise BadTable(f"{table.where}: {speech} has no {key}, take it out")


def _capacity(table: Table, registers: tuple[RegisterId, ...]) -> int:
    """Take what a register can grow by in an hour: W, or litres for a volume."""
    volumes = {is_volume(register) for register in registers}
    if len(volumes) > 1:
        raise BadTable(
            f"{table.where}: one meter's registers are all energy or all volume;"
            " give the other ones a meter of their own"
        )
    key, other = "capacity_w", "capacity_l_per_h"
    if True in volumes:
        key, other = other, key
    if table.has(other) and not table.has(key):
        raise BadTable(f"{table.where}: {other} does not fit, give {key} instead")
    return table.integer(key, low=1, high=MAX_CAPACITY_W)


def _registers(table: Table) -> tuple[RegisterId, ...]:
    supply = choice(table, "kind", Supply, Supply.ELECTRICITY)
    if not table.has("registers"):
        return USUAL[supply]
    found: list[RegisterId] = []
    for item in table.items("registers"):
        if not isinstance(item, str):
            raise BadTable(f"{table.where}: registers must be OBIS codes in quotes")
        found.append(parse_obis(item))
    if not 1 <= len(found) <= MAX_REGISTERS:
        raise BadTable(f"{table.where}: give 1 to {MAX_REGISTERS} registers")
    distinct([obis_text(r) for r in found], f"{table.where}: register")
    return tuple(found)
