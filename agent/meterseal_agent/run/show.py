"""The status file for human eyes.

It must never show a register's value: whoever looks over a shoulder sees health only.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from meterseal_agent.keystore import NOT_ENROLLED, Keystore, KeystoreError
from meterseal_agent.run import health

Say = Callable[[str], None]


def show(folder: Path, *, as_json: bool, say: Say) -> int:
    """Print the last status; 0 when there are no alarms, 1 when there are, or no status."""
    document = health.read(folder)
    if document is None:
        try:
            answer = Keystore(folder).answer()
        except KeystoreError as error:
            say(str(error))
            return 1
        say(f"enrolled as {answer.agent}, never run" if answer else NOT_ENROLLED)
        return 1
    if as_json:
        say(json.dumps(document, indent=1))
    else:
        for line in _lines(document):
            say(line)
    return 1 if document["alarms"] else 0


def _lines(document: dict[str, Any]) -> list[str]:  # Any: a JSON document
    uplink = document["uplink"]
    link = "connected" if uplink["connected"] else "not connected"
    link = link if document["running"] else "stopped"
    receipt = document["last_receipt"] or "none yet"
    lines = [
        f"at {document['at']}: {link}, last receipt {receipt}",
        f"{uplink['sent']} seals sent, {uplink['answered']} answered",
        f"{'meter':20} {'register':12} {'seq':>6} {'up to':>12} {'waiting':>8} head",
    ]
    lines += [
        f"{row['serial']:20} {row['register']:12} {row['seq']:6} {row['end']:12}"
        f" {row['records'] + row['seals']:8} {row['hash']}"
        for row in document["registers"]
    ]
    telemetry = document.get("telemetry")
    if telemetry:
        lines.append(
            f"telemetry: {telemetry['waiting']} samples wait,"
            f" {telemetry['dropped'] + telemetry['lost']} lost"
        )
    lines += [f"ALARM {alarm}" for alarm in document["alarms"]]
    return lines
