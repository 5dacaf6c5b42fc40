"""`status`: one screen on how the agent does, for somebody who stands before it.

It reads the file that `run` writes, and nothing else: it works offline and beside the
running agent. It must never show a register's value.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from meterseal_agent.keystore import NOT_ENROLLED, Keystore, KeystoreError
from meterseal_agent.run import health
from meterseal_agent.technician.clocktext import span, when
from meterseal_agent.technician.complaint import Complaint

OLD_S: Final = 60
"""The agent writes every five seconds; a file older than this was left by a dead one."""

Say = Callable[[str], None]
Document = dict[str, Any]  # Any: a JSON document


def status(folder: Path, say: Say) -> int:
    """Print the screen; 0 when the agent runs and nothing is wrong, else 1."""
    document = health.read(folder)
    if document is None:
        raise Complaint(_before_the_first(folder))
    try:
        lines, alarms = screen(document), list(document["alarms"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Complaint(
            f"{folder / health.FILE} is not of this version: start meterseal-agent run"
        ) from error
    age_s = time.time() - (folder / health.FILE).stat().st_mtime
    if document["running"] and age_s > OLD_S:
        alarms.append(f"nothing was heard of the agent for {span(age_s)}: start it")
    for line in lines:
        say(line)
    for alarm in alarms:
        say(f"ALARM {alarm}")
    if not alarms:
        say("all well")
    return 1 if alarms else 0


def screen(document: Document) -> list[str]:
    """Return the screen's lines but for the alarms."""
    now, uplink = document["at"], document["uplink"]
    link = "connected" if uplink["connected"] else "not connected"
    link = link if document["running"] else "stopped"
    last = document["last_receipt"]
    receipt = f"last receipt {span(now - last)} ago" if last else "no receipt yet"
    waiting = sum(row["records"] + row["seals"] for row in document["registers"])
    return [
        f"{when(now)}   {link}   {receipt}",
        f"{uplink['sent']} seals sent, {uplink['answered']} answered; {waiting} wait",
        "",
        f"{'meter':20} {'answers':>8} {'missed':>7}  line",
        *(_meter(row) for row in document["meters"]),
        "",
        f"{'register':33} {'sealed up to':>23} {'seq':>6} {'wait':>5}",
        *(_register(row) for row in document["registers"]),
        "",
    ]


def _meter(row: Document) -> str:
    asked = row["answers"] + row["missed"]
    share = f"{100 * row['missed'] / asked:.1f} %" if asked else "-"
    trouble = row["trouble"] or "ok"
    return f"{row['serial'][:20]:20} {row['answers']:8} {share:>7}  {trouble}"


def _register(row: Document) -> str:
    name = f"{row['serial'][:20]} {row['register']}"
    wait = row["records"] + row["seals"]
    return f"{name:33} {when(row['end']):>23} {row['seq']:6} {wait:5}"


def _before_the_first(folder: Path) -> str:
    try:
        answer = Keystore(folder).answer()
    except KeystoreError as error:
        return str(error)
    if answer is None:
        return NOT_ENROLLED
    return f"enrolled as {answer.agent}, never run: start meterseal-agent run"
