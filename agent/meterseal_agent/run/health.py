"""How the agent does, in one small file: written by `run`, read by `show`.

It tells what waits, what was answered and what is wrong, never a register's value:
usage stays out of health. Written beside and renamed, so a reader sees a whole file.
"""

import json
import os
import socket
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from meterseal_agent.meters.bus import Health as MeterHealth
from meterseal_agent.outbox.model import Depth
from meterseal_agent.sampler import Clock
from meterseal_proto.message import MAX_STEP
from meterseal_proto.units import MeterId, RegisterId, obis_text

FILE: Final = "status.json"
SILENT_FAILURES: Final = 5
"""Failed readings in a row that make a meter silent rather than busy."""
BEHIND_S: Final = 2 * 3600
"""An oldest unsealed record this much past is worth a look: the uplink is not keeping up."""
DAY_BEHIND_S: Final = 30 * 3600
"""The same of a committed register, whose intervals wait for their day to end."""
HASH_SHOWN: Final = 16


def register_rows(
    depths: Iterable[Depth],
    serials: Mapping[MeterId, str],
    committed: Collection[tuple[MeterId, RegisterId]] = (),
) -> list[dict[str, Any]]:  # Any: a JSON document
    """Return one JSON object a register: its head, and what waits."""
    return [
        {
            "serial": serials.get(depth.chain.meter, ""),
            "meter": depth.chain.meter.hex(),
            "register": obis_text(depth.chain.register),
            "seq": depth.chain.head.seq,
            "hash": depth.chain.head.hash.hex()[:HASH_SHOWN],
            "end": depth.chain.head.end,
            "records": depth.records,
            "oldest": depth.oldest,
            "seals": depth.seals,
            "refused_until": depth.chain.tried,
            "held_back": depth.held_back.text if depth.held_back else "",
            "committed": (depth.chain.meter, depth.chain.register) in committed,
        }
        for depth in depths
    ]


def meter_rows(
    health: Mapping[MeterId, MeterHealth], serials: Mapping[MeterId, str]
) -> list[dict[str, Any]]:  # Any: a JSON document
    """Return one JSON object a meter: answers, misses, why the last reading failed."""
    return [
        {
            "serial": serials.get(meter, ""),
            "meter": meter.hex(),
            "answers": one.answers,
            "missed": one.missed,
            "failures": one.failures,
            "trouble": one.trouble,
        }
        for meter, one in health.items()
    ]


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something wrong: a name that may be told to everybody, and a sentence for here."""

    name: str
    text: str


def find_alarms(
    document: Mapping[str, Any],  # Any: a JSON document
    *,
    clock: Clock,
    now: int,
) -> list[Alarm]:
    """Return what is wrong; the names tell nothing of how a house uses energy."""
    found: list[Alarm] = []
    if document["outbox"]["full"]:
        text = "the outbox is full: intervals are being joined into longer ones"
        found.append(Alarm("outbox-full", text))
    if clock is not Clock.TRUSTED:
        state = clock.name.lower()
        text = f"the clock is {state}: check the time service"
        found.append(Alarm(f"clock-{state}", text))
    if document["outbox"]["damaged"]:
        text = f"{document['outbox']['damaged']} stored seals are damaged"
        found.append(Alarm("seals-damaged", text))
    found += [
        Alarm("meter-silent", f"meter {row['serial']} is silent: {row['trouble']}")
        for row in document["meters"]
        if row["failures"] >= SILENT_FAILURES
    ]
    for row in document["registers"]:
        found += _register_alarms(row, now)
    return found + _program_alarms(document)


def _program_alarms(document: Mapping[str, Any]) -> list[Alarm]:  # Any: as above
    found: list[Alarm] = []
    if not document["running"]:
        text = "stopped: no meter is read before meterseal-agent run"
        found.append(Alarm("stopped", text))
    elif not document["uplink"]["connected"]:
        why = document["uplink"]["trouble"] or "dialling"
        found.append(Alarm("not-connected", f"not connected: {why}"))
    if document.get("memory"):
        text = f"bills of earlier periods wait: {document['memory']}"
        found.append(Alarm("openings-in-doubt", text))
    errands = document.get("errands") or {}
    if errands.get("trouble"):
        found.append(Alarm("trustees", errands["trouble"]))
    config = document.get("config") or {}
    if config.get("refused"):
        text = (
            f"the changed configuration was refused ({config['refused']});"
            " the last good one goes on"
        )
        found.append(Alarm("config-refused", text))
    found += [
        Alarm("duty-late", f"{name} makes no progress: the watchdog will restart us")
        for name in document.get("duties_late", ())
    ]
    return found


def _register_alarms(row: Mapping[str, Any], now: int) -> list[Alarm]:  # Any: as above
    name = f"{row['serial']} {row['register']}"
    found: list[Alarm] = []
    if now - row["end"] > MAX_STEP:
        text = (
            f"{name}: sealed up to {row['end']} only, and no aggregator takes a hole of"
            " more than 400 days: enrol anew, with a new code and an empty data_dir"
        )
        found.append(Alarm("register-too-old", text))
    if row["refused_until"]:
        text = f"{name}: the aggregator refused the last seal"
        found.append(Alarm("seal-refused", text))
    if row["held_back"]:
        text = (
            f"{name}: the aggregator does not take a seal ({row['held_back']});"
            " it is kept and sent again"
        )
        found.append(Alarm("seal-held-back", text))
    behind_s = DAY_BEHIND_S if row.get("committed") else BEHIND_S
    if row["oldest"] is not None and now - row["oldest"] > behind_s:
        text = f"{name}: intervals wait since {row['oldest']}"
        found.append(Alarm("intervals-wait", text))
    return found


def write(folder: Path, document: Mapping[str, Any]) -> None:  # Any: a JSON document
    """Put the document in place as a whole.

    Not synced: after a power cut the next one is a few seconds away.
    """
    draft = folder / f".{FILE}.{os.getpid()}"
    draft.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    draft.chmod(0o600)
    draft.replace(folder / FILE)


def read(folder: Path) -> dict[str, Any] | None:  # Any: a JSON document
    """Return the last document, None when there is none or it is not readable."""
    try:
        document = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) else None


def notify(state: str) -> None:
    """Tell systemd, when it started us: READY=1, WATCHDOG=1 or STOPPING=1 (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    # A leading @ stands for the abstract namespace's zero byte.
    target = "\0" + address[1:] if address.startswith("@") else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
        try:
            out.sendto(state.encode(), target)
        except OSError:
            return
