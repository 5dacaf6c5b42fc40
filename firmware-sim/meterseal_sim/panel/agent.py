"""What an agent says of the meters it reads: its status file, as far as it goes.

The file is another program's: whatever is missing or odd in it is left out. Must never
fail because an agent has not started, or is writing.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MAX_BYTES = 4 * 2**20
"""A status of a thousand meters is a tenth of it."""


@dataclass(frozen=True, slots=True)
class Said:
    """The agent's words: a sentence for each serial number, and its alarms."""

    meters: Mapping[str, str] = field(default_factory=dict)
    alarms: tuple[str, ...] = ()
    running: bool = False


def said_in(path: Path | None) -> Said:
    """Return what the status file says now; nothing where there is none."""
    if path is None:
        return Said()
    try:
        with path.open("rb") as file:
            found = json.loads(file.read(MAX_BYTES))
    except (OSError, ValueError):
        return Said()
    return said(found) if isinstance(found, dict) else Said()


# A JSON document of another program is untyped; every value is looked at before use.
def said(document: Mapping[str, Any]) -> Said:
    """Return what a status document says."""
    waiting: dict[str, int] = {}
    for row in _rows(document, "registers"):
        serial = str(row.get("serial", ""))
        waiting[serial] = waiting.get(serial, 0) + _whole(row.get("records"))
    meters = {
        str(row["serial"]): _sentence(row, waiting.get(str(row["serial"]), 0))
        for row in _rows(document, "meters")
        if row.get("serial")
    }
    alarms = tuple(_alarm(one) for one in _list(document, "alarms"))
    return Said(meters, alarms, bool(document.get("running")))


def _sentence(row: Mapping[str, Any], waiting: int) -> str:
    trouble = str(row.get("trouble") or "")
    if _whole(row.get("failures")) and trouble:
        return trouble
    held = f", {waiting} waiting" if waiting else ""
    missed = _whole(row.get("missed"))
    lost = f", {missed} missed" if missed else ""
    return f"{_whole(row.get('answers'))} read{lost}{held}"


def _alarm(one: object) -> str:
    if isinstance(one, dict):
        return str(one.get("text") or one.get("name") or one)
    return str(one)


def _rows(document: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    return [row for row in _list(document, key) if isinstance(row, dict)]


def _list(document: Mapping[str, Any], key: str) -> list[Any]:
    found = document.get(key)
    return found if isinstance(found, list) else []


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
