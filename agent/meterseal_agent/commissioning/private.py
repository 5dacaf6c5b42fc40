"""What committed registers showed at enrolment: kept here, told to nobody.

An open register's first value goes to the aggregator. A committed one's would be the first
point of a curve, so it is enrolled as 0, and the sampler counts on from what this machine
wrote down before it asked; for the day this machine dies the value goes along sealed
under the root secret. Nor do findings on its terminals leave the house with figures in
them. This module must never let such a value into a request or a report in the clear.
"""

import json
from collections.abc import Sequence
from dataclasses import replace

from meterseal_agent.commissioning.finding import Finding, Grade, bad, note
from meterseal_agent.keystore import Keystore, KeystoreError, read_small, write_over
from meterseal_proto.backup import Start, keep_start
from meterseal_proto.boundedjson import read_json, uint
from meterseal_proto.enrolment import MAX_BRACKETS, MeterRequest, RegisterStart
from meterseal_proto.units import RegisterId, obis_text, parse_obis

Shown = dict[tuple[str, RegisterId], tuple[int, int]]
"""By serial and register: the grid time and the value it showed."""


def keep_private(
    store: Keystore, meters: Sequence[MeterRequest]
) -> tuple[MeterRequest, ...]:
    """Write down what committed registers show; return the meters as they may be told."""
    rows = [
        [meter.serial, obis_text(row.register), row.at, row.value]
        for meter in meters
        for row in meter.registers
        if row.mode
    ]
    if rows:
        write_over(store.paths.private, json.dumps(rows).encode())
    store_key = store.keys_secret().store_key
    return tuple(_veiled(store_key, meter) for meter in meters)


def private_values(store: Keystore) -> Shown:
    """Return what `keep_private` wrote, {} where no register is committed.

    KeystoreError when the file is damaged.
    """
    text = read_small(store.paths.private)
    if text is None:
        return {}
    try:
        return {
            (str(serial), parse_obis(obis)): (uint(at, "at"), uint(value, "value"))
            for serial, obis, at, value in read_json(text, brackets=MAX_BRACKETS)
        }
    except (TypeError, ValueError):
        # `from None`: the cause's text could quote a value.
        raise KeystoreError(f"{store.paths.private} is damaged") from None


def veiled(findings: Sequence[Finding]) -> list[Finding]:
    """Return what may be told of a committed meter's wiring: where there are faults.

    The sentences hold volts, amperes and watts, and what is merely noted hangs on the load.
    """
    faulty = dict.fromkeys(
        finding.where for finding in findings if finding.grade is Grade.BAD
    )
    here = "something is wrong there: `meterseal-agent wiring` says what, at the wall"
    told = "it was checked; what it shows stays in the house"
    return [note("wiring", told), *(bad(where, here) for where in faulty)]


def _veiled(store_key: bytes, meter: MeterRequest) -> MeterRequest:
    rows = tuple(
        _hidden(store_key, meter.serial, row) if row.mode else row
        for row in meter.registers
    )
    return replace(meter, registers=rows)


def _hidden(store_key: bytes, serial: str, row: RegisterStart) -> RegisterStart:
    place = Start(serial, row.register, row.at)
    return replace(row, value=0, sealed=keep_start(store_key, place, row.value).hex())
