"""The status document as a signed health record: what may leave the house of it.

Only counts, times and the names of alarms are taken over; sentences stay here, because
one about a meter may quote what the meter said. This module must never add a value.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from meterseal_proto.health import (
    MAX_ALARMS,
    ClockHealth,
    HealthRecord,
    MeterHealth,
    RegisterHealth,
)
from meterseal_proto.units import MeterId, parse_obis

FILE: Final = "health.cbor"
_COUNTS: Final = {
    "uplink": (
        *("connections", "sent", "resent", "receipts", "answered", "abandoned"),
        *("strangers", "forged", "backfills"),
    ),
    "sampling": ("samples", "records"),
    "outbox": ("refused_full", "disk_failures", "damaged"),
    "telemetry": ("waiting", "dropped", "lost", "bytes"),
}
"""The numbers of the status document that an operator is told, by table."""

Document = Mapping[str, Any]  # Any: the status file, a JSON document


@dataclass(frozen=True, slots=True)
class Who:
    """Whose record it is: 32-byte network id, agent's name, when the program began."""

    network: bytes
    agent: str
    since: int


def health_record(who: Who, status: Document, alarms: Sequence[str]) -> HealthRecord:
    """Return the record of a status document; `alarms` are names."""
    clock = status["clock"]
    return HealthRecord(
        network=who.network,
        agent=who.agent,
        at=status["at"],
        since=who.since,
        version=software_version(),
        clock=ClockHealth(clock["state"], clock["offset_us"], clock["synced_at"]),
        meters=tuple(
            MeterHealth(_meter(row), row["answers"], row["missed"], row["failures"])
            for row in status["meters"]
        ),
        registers=tuple(
            RegisterHealth(
                *(_meter(row), parse_obis(row["register"])),
                *(row["seq"], row["end"], row["records"], row["seals"]),
            )
            for row in status["registers"]
        ),
        counts=_counts(status),
        alarms=tuple(sorted(set(alarms)))[:MAX_ALARMS],
    )


def software_version() -> str:
    """Return which release runs, `unknown` when it was not installed as one."""
    try:
        return version("meterseal")
    except PackageNotFoundError:
        return "unknown"


def _meter(row: Document) -> MeterId:
    return MeterId(bytes.fromhex(row["meter"]))


def _counts(status: Document) -> dict[str, int]:
    counts = {
        f"{table}_{name}": int(status[table][name])
        for table, names in _COUNTS.items()
        for name in names
        if status.get(table) and name in status[table]
    }
    return counts | {"duties_failed": sum(status["duties_failed"].values())}
