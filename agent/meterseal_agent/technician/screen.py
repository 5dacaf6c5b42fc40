"""The terminal view: how meters, registers, outbox and receipts stand, once a second.

Textual is loaded here and nowhere else. It only shows what a glance found; this module
must never open a file, ask a meter, or change anything.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from textual.app import App, ComposeResult
from textual.binding import BindingType
from textual.widgets import DataTable, Footer, Static

from meterseal_agent.technician.glance import (
    STALE_S,
    Glance,
    name_of,
    power_of,
    told,
)

REFRESH_S = 1.0
METERS = ("meter", "answered", "missed", "quality", "failing", "power", "trouble")
REGISTERS = ("meter", "register", "value", "up to", "seal", "waiting", "held back")
LIVE = ("meter", "register", "value", "at")

Look = Callable[[], Glance]
Document = dict[str, Any]  # Any: the status file, a JSON document


class Top(App[None]):
    """Shows what `look` finds, until q is pressed; `now` is the agent's time in s."""

    TITLE = "meterseal-agent top"
    BINDINGS: ClassVar[list[BindingType]] = [("q", "quit", "leave")]
    CSS = """
    #head { height: auto; padding: 0 1; background: $panel; }
    #alarms { height: auto; padding: 0 1; color: $error; }
    DataTable { height: auto; max-height: 40%; margin: 0 0 1 0; }
    """

    def __init__(self, look: Look, now: Callable[[], float]) -> None:
        super().__init__()
        self._look = look
        self._now = now

    def compose(self) -> ComposeResult:
        """Lay out head, alarms and tables."""
        yield Static(id="head", markup=False)
        yield Static(id="alarms", markup=False)
        for name in ("meters", "registers", "live"):
            yield DataTable(id=name, cursor_type="none")
        yield Footer()

    def on_mount(self) -> None:
        """Begin to look, once a second."""
        for name, columns in (
            ("meters", METERS),
            ("registers", REGISTERS),
            ("live", LIVE),
        ):
            self._table(name).add_columns(*columns)
        self.show_now()
        self.set_interval(REFRESH_S, self.show_now)

    def show_now(self) -> None:
        """Look, and show what there is."""
        glance = self._look()
        self.query_one("#head", Static).update(head(glance, self._now()))
        alarms = list(glance.status["alarms"]) if glance.status else []
        alarms += [glance.trouble] if glance.trouble else []
        self.query_one("#alarms", Static).update("\n".join(f"! {a}" for a in alarms))
        self._fill("meters", meter_rows(glance))
        self._fill("registers", register_rows(glance))
        live = [(r.serial, name_of(r), told(r), clock(r.at)) for r in glance.live]
        self._fill("live", live)
        self._table("live").display = bool(live)

    def _fill(self, name: str, rows: Sequence[Sequence[str]]) -> None:
        table = self._table(name)
        table.clear()
        for row in rows:
            table.add_row(*row)

    def _table(self, name: str) -> DataTable[str]:
        table: DataTable[str] = self.query_one(f"#{name}", DataTable)
        return table


def head(glance: Glance, now: float) -> str:
    """Return the lines at the top: link, receipts, outbox, telemetry, clock."""
    status = glance.status
    if status is None:
        return "no status yet"
    uplink, telemetry = status["uplink"], status.get("telemetry")
    link = "connected" if uplink["connected"] else "not connected"
    link = link if status["running"] else "stopped"
    if status["running"] and now - status["at"] > STALE_S:
        link = f"no sign of life for {now - status['at']:.0f} s"
    waiting = sum(row["records"] for row in status["registers"])
    seals = sum(row["seals"] for row in status["registers"])
    sent = (
        f"{uplink['sent']} seals sent, {uplink['answered']} answered,"
        f" {uplink['resent']} sent again"
    )
    lines = [
        f"{link}   last receipt {_ago(status['last_receipt'], now)}   {sent}",
        f"outbox: {waiting} intervals and {seals} seals wait",
    ]
    if telemetry:
        lines.append(
            f"telemetry: {telemetry['waiting']} samples wait,"
            f" {telemetry['dropped']} dropped, {telemetry['bytes'] / 1e6:.1f} MB"
        )
    return "\n".join([*lines, _clock_line(status.get("clock") or {})])


def meter_rows(glance: Glance) -> list[tuple[str, ...]]:
    """Return a row a meter: how its line answers."""
    status = glance.status
    if status is None:
        return []
    return [
        (
            *(row["serial"], str(row["answers"]), str(row["missed"])),
            *(_quality(row), str(row["failures"] or "")),
            *(power_of(glance, row["serial"]), row["trouble"]),
        )
        for row in status["meters"]
    ]


def register_rows(glance: Glance) -> list[tuple[str, ...]]:
    """Return a row a register: its value, and what waits for a receipt."""
    status = glance.status
    if status is None:
        return []
    values = {(r.serial, name_of(r)): told(r) for r in glance.readings}
    return [
        (
            *(row["serial"], row["register"]),
            *(values.get((row["serial"], row["register"]), ""), clock(row["end"])),
            *(str(row["seq"]), str(row["records"] + row["seals"]), row["held_back"]),
        )
        for row in status["registers"]
    ]


def clock(at: int) -> str:
    """Return a second as date and time, UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%m-%d %H:%M:%S")


def _quality(row: Document) -> str:
    asked = row["answers"] + row["missed"]
    return f"{100 * row['answers'] / asked:.1f} %" if asked else "-"


def _ago(at: int | None, now: float) -> str:
    return "none yet" if at is None else f"{max(0.0, now - at):.0f} s ago"


def _clock_line(found: Document) -> str:
    state = ("never set", "doubtful", "trusted")[found.get("state", 0)]
    offset = found.get("offset_us")
    told_offset = "" if offset is None else f", {offset / 1000:+.3f} ms off"
    return f"clock: {state}{told_offset}"
