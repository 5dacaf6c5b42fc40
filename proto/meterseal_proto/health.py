"""How an agent does, signed by the device: what an operator may know of a stranger's house.

    ["health", 1, network, agent, at, since, version, [clock, offset, synced],
        [[meter, answers, missed, failures], ...],
        [[meter, register, seq, end, records, seals], ...],
        {count: number, ...}, [alarm, ...], signature]

Counts, times and names of troubles; the shape has no place for a register's value, a
power, or anything else that tells how a house uses energy, and this module must never give
it one.
The signature is the seal key's, over SHA-256 of a label and the message without it.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from meterseal_proto.boundedjson import uint
from meterseal_proto.encoding import Value, appended, decode, encode
from meterseal_proto.errors import Malformed
from meterseal_proto.keys import SIGNATURE_BYTES, PublicKey, SealKey
from meterseal_proto.topics import check_name
from meterseal_proto.units import MAX_REGISTER, METER_ID_BYTES, MeterId, RegisterId

HEALTH_VERSION: Final = 1
KIND: Final = "health"
MAX_ROWS: Final = 988
"""Registers of the largest agent: 247 meters of four; they fill most of a message."""
MAX_COUNTS: Final = 64
MAX_ALARMS: Final = 64
"""Alarms told; an agent with more trouble than that has told enough."""
MAX_CLOCK: Final = 2
MAX_TEXT: Final = 64

_DOMAIN: Final = b"meterseal/health/v1\x00"
_FIELDS: Final = 13
_WORD: Final = re.compile(rf"[a-z][a-z0-9_-]{{0,{MAX_TEXT - 1}}}")
_VERSION: Final = re.compile(rf"[0-9A-Za-z.+!_-]{{1,{MAX_TEXT}}}")
_LIMIT: Final = 1 << 62
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class ClockHealth:
    """How good the device's clock is: `state` 0 never set, 1 doubtful, 2 trusted.

    `offset_us` is how far the time service thinks it is off, in microseconds, and
    `synced_at` when it last said so, UTC Unix seconds; None where it does not tell.
    """

    state: int
    offset_us: int | None
    synced_at: int | None


@dataclass(frozen=True, slots=True)
class MeterHealth:
    """Readings a meter answered and missed since the start; `failures` in a row now."""

    meter: MeterId
    answers: int
    missed: int
    failures: int


@dataclass(frozen=True, slots=True)
class RegisterHealth:
    """Where a register's chain stands and what waits: records not sealed, seals not
    answered. `end` is how far it is sealed, UTC Unix seconds."""

    meter: MeterId
    register: RegisterId
    seq: int
    end: int
    records: int
    seals: int


@dataclass(frozen=True, slots=True)
class HealthRecord:
    """All of it, of the moment `at`; the program runs since `since` (UTC Unix seconds).

    `counts` are by name; `alarms` are names of troubles, like `outbox-full`.
    """

    network: bytes
    agent: str
    at: int
    since: int
    version: str
    clock: ClockHealth
    meters: tuple[MeterHealth, ...]
    registers: tuple[RegisterHealth, ...]
    counts: Mapping[str, int]
    alarms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SignedHealth:
    """A record as it came; believe it once `is_signed_by` the agent's own key."""

    record: HealthRecord
    signature: bytes

    def is_signed_by(self, key: PublicKey) -> bool:
        """Tell whether `key` signed exactly this record."""
        return key.verify(_digest(encode(_body(self.record))), self.signature)


def sign_health(record: HealthRecord, key: SealKey) -> bytes:
    """Return the payload for an agent's `health` topic."""
    body = encode(_body(record))
    return appended(body, key.sign(_digest(body)))


def open_health(payload: bytes) -> SignedHealth:
    """Return the record in `payload`, its signature not yet checked.

    Raises Malformed or Rejected(TOO_LARGE) for anything that is not exactly a record.
    """
    fields = decode(payload)
    if not isinstance(fields, tuple) or len(fields) != _FIELDS:
        raise Malformed("not a health record")
    kind, number, network, agent, at, since, version, clock, *rest = fields
    meters, registers, counts, alarms, signature = rest
    if (kind, number) != (KIND, HEALTH_VERSION) or type(number) is not int:
        raise Malformed(f"a message of another kind, or no version {HEALTH_VERSION}")
    try:
        record = HealthRecord(
            network=_bytes(network, 32),
            agent=check_name(_text(agent, re.compile(".*"))),
            at=uint(at, "at"),
            since=uint(since, "since"),
            version=_text(version, _VERSION),
            clock=_clock(clock),
            meters=_rows(meters, _meter),
            registers=_rows(registers, _register),
            counts=_counts(counts),
            alarms=_alarms(alarms),
        )
        return SignedHealth(record, _bytes(signature, SIGNATURE_BYTES))
    except (TypeError, ValueError) as error:
        raise Malformed(f"a health record of the wrong shape: {error}") from None


def _digest(body: bytes) -> bytes:
    return hashlib.sha256(_DOMAIN + body).digest()


def _body(record: HealthRecord) -> list[Value]:
    clock = record.clock
    return [
        *(KIND, HEALTH_VERSION, record.network, record.agent),
        *(record.at, record.since, record.version),
        [clock.state, clock.offset_us, clock.synced_at],
        [[m.meter, m.answers, m.missed, m.failures] for m in record.meters],
        [
            [r.meter, r.register, r.seq, r.end, r.records, r.seals]
            for r in record.registers
        ],
        dict(record.counts),
        list(record.alarms),
    ]


def _rows(value: Value, read: Callable[[tuple[Value, ...]], _T]) -> tuple[_T, ...]:
    if not isinstance(value, tuple) or len(value) > MAX_ROWS:
        raise ValueError(f"a list of at most {MAX_ROWS}")
    found = []
    for row in value:
        if not isinstance(row, tuple):
            raise TypeError("a row is a list")
        found.append(read(row))
    return tuple(found)


def _meter(row: tuple[Value, ...]) -> MeterHealth:
    meter, *numbers = row
    answers, missed, failures = (uint(n, "count") for n in numbers)
    return MeterHealth(
        MeterId(_bytes(meter, METER_ID_BYTES)), answers, missed, failures
    )


def _register(row: tuple[Value, ...]) -> RegisterHealth:
    meter, register, *numbers = row
    seq, end, records, seals = (uint(n, "count") for n in numbers)
    name = RegisterId(uint(register, "register", MAX_REGISTER))
    return RegisterHealth(
        MeterId(_bytes(meter, METER_ID_BYTES)), name, seq, end, records, seals
    )


def _clock(value: Value) -> ClockHealth:
    if not isinstance(value, tuple) or len(value) != 3:
        raise ValueError("clock: its state, offset and last synchronisation")
    state, offset, synced = value
    if offset is not None and (type(offset) is not int or abs(offset) > _LIMIT):
        raise ValueError("offset: microseconds, or null")
    at = None if synced is None else uint(synced, "synced")
    return ClockHealth(uint(state, "clock", MAX_CLOCK), offset, at)


def _counts(value: Value) -> dict[str, int]:
    if not isinstance(value, dict) or len(value) > MAX_COUNTS:
        raise ValueError(f"at most {MAX_COUNTS} counts")
    return {_text(name, _WORD): uint(count, name) for name, count in value.items()}


def _alarms(value: Value) -> tuple[str, ...]:
    if not isinstance(value, tuple) or len(value) > MAX_ALARMS:
        raise ValueError(f"at most {MAX_ALARMS} alarms")
    return tuple(_text(alarm, _WORD) for alarm in value)


def _text(value: Value, shape: re.Pattern[str]) -> str:
    if not isinstance(value, str) or shape.fullmatch(value) is None:
        raise ValueError("a short plain word")
    return value


def _bytes(value: Value, length: int) -> bytes:
    if not isinstance(value, bytes) or len(value) != length:
        raise ValueError(f"expected {length} bytes")
    return value
