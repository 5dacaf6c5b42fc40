"""The panel's screen: a table of meters, keys and buttons for faults, the agent's words.

Opens the stand when it starts and closes it when it ends. Must never let a trouble of
one meter end the others.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.screen import ModalScreen, Screen
from textual.widgets import Button, DataTable, Footer, Header, OptionList, Static
from textual.widgets.option_list import Option

from meterseal_sim.panel import rows
from meterseal_sim.panel.agent import Said, said_in
from meterseal_sim.panel.rows import COLUMNS, Choice
from meterseal_sim.refusal import Refused
from meterseal_sim.serve.bus import Bus, Tally
from meterseal_sim.stand import Stand
from meterseal_sim.street import Home

REFRESH_S = 0.5


@dataclass(frozen=True, slots=True)
class Seat:
    """Where a meter sits: its bus, its home's number, its name, where it answers."""

    bus: Bus
    number: int
    name: str
    line: str

    @property
    def unit(self) -> int:
        """Its unit id now: a technician may have set another."""
        return next(
            u for u, home in self.bus.homes.items() if home.number == self.number
        )

    @property
    def home(self) -> Home:
        """The home as it is now, faults included."""
        return self.bus.homes[self.unit]

    @property
    def place(self) -> str:
        """Where it answers now."""
        return f"{self.line} unit {self.unit}"

    @property
    def tally(self) -> Tally:
        """How often it was asked and what it answered."""
        return self.bus.tallies.get(self.unit, Tally())


class Faults(ModalScreen[Choice | None]):
    """Which fault is to be put on a meter."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape", "leave", "Back")]
    CSS = "Faults { align: center middle; } OptionList { width: 40; height: 80%; }"

    def __init__(self, found: list[Choice]) -> None:
        super().__init__()
        self._found = found

    def compose(self) -> ComposeResult:
        """List the faults."""
        yield OptionList(*(Option(choice.name) for choice in self._found))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Take the fault that was chosen."""
        self.dismiss(self._found[event.option_index])

    def action_leave(self) -> None:
        """Choose none."""
        self.dismiss(None)


class Panel(App[str | None]):
    """The street on the screen; `run` returns why it could not start, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("f", "fault", "Put a fault on"),
        ("m", "mend", "Mend"),
        ("q", "quit", "Quit"),
    ]
    CSS = """
    DataTable { height: 1fr; }
    #line { height: auto; padding: 0 1; }
    #agent { height: auto; max-height: 8; padding: 0 1; color: $warning; }
    Horizontal { height: auto; }
    """

    def __init__(
        self,
        stand: Stand,
        now: Callable[[], float],
        name_of: Callable[[int], str],
        status: Path | None = None,
    ) -> None:
        """Show `stand`; `name_of` names a home's meter, `status` is the agent's file."""
        super().__init__()
        self._stand = stand
        self._now = now
        self._name_of = name_of
        self._status = status
        self.seats: list[Seat] = []

    def compose(self) -> ComposeResult:
        """Lay out the screen."""
        yield Header()
        yield DataTable(cursor_type="row", zebra_stripes=True)
        yield Static(id="line")
        yield Static(id="agent")
        with Horizontal():
            yield Button("Put a fault on", id="fault")
            yield Button("Mend", id="mend")
        yield Footer()

    async def on_mount(self) -> None:
        """Open the lines and begin to show them."""
        self.title = "meterseal-sim panel"
        try:
            await self._stand.open()
        except Refused as trouble:
            self.exit(str(trouble))
            return
        self.seats = self._seats()
        table = self._table()
        for column in COLUMNS:
            table.add_column(column, key=column)
        for place, _ in enumerate(self.seats):
            table.add_row(*("" for _ in COLUMNS), key=str(place))
        table.focus()
        self.show_street()
        self.set_interval(REFRESH_S, self.show_street)

    async def on_unmount(self) -> None:
        """Close the lines."""
        await self._stand.close()

    def show_street(self) -> None:
        """Show every meter as it is now."""
        t, agent, table = int(self._now()), said_in(self._status), self._table()
        for number, seat in enumerate(self.seats):
            words = agent.meters.get(seat.home.serial, "")
            cells = rows.row(seat.home, (seat.name, seat.place), seat.tally, t, words)
            old = table.get_row(str(number))
            for column, cell, before in zip(COLUMNS, cells, old, strict=True):
                if cell != before:
                    table.update_cell(str(number), column, cell, update_width=True)
        self.sub_title = f"{datetime.fromtimestamp(t, UTC):%Y-%m-%d %H:%M:%S} UTC"
        self._base.query_one("#agent", Static).update(_words(agent, self._status))
        self._show_line()

    def on_data_table_row_highlighted(self) -> None:
        """Show the line of the meter that the cursor is on."""
        self._show_line()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Do what a button says."""
        if event.button.id == "fault":
            self.action_fault()
        else:
            self.action_mend()

    def action_fault(self) -> None:
        """Ask which fault to put on the meter, and put it on."""
        seat = self._seat()
        if seat is None:
            return

        def chosen(choice: Choice | None) -> None:
            if choice is not None:
                self._press(seat, choice)

        self.push_screen(Faults(rows.choices(seat.home)), chosen)

    def action_mend(self) -> None:
        """Take every fault off the meter."""
        seat = self._seat()
        if seat is not None:
            seat.bus.press(seat.unit, rows.mended(seat.home, int(self._now())))
            self.show_street()

    def _press(self, seat: Seat, choice: Choice) -> None:
        now = int(self._now())
        seat.bus.press(seat.unit, rows.pressed(seat.home, choice, now))
        self.show_street()

    def _seats(self) -> list[Seat]:
        return [
            Seat(
                post.line.bus,
                home.number,
                self._name_of(home.number),
                post.address(unit).place,
            )
            for post in self._stand.posts
            for unit, home in post.line.bus.homes.items()
        ]

    def _seat(self) -> Seat | None:
        place = self._table().cursor_row
        return self.seats[place] if 0 <= place < len(self.seats) else None

    def _show_line(self) -> None:
        seat = self._seat()
        if seat is not None:
            text = f"{seat.name}, serial {seat.home.serial}: {rows.quality(seat.tally)}"
            self._base.query_one("#line", Static).update(text)

    @property
    def _base(self) -> Screen[object]:
        """The screen below whatever list is open on it."""
        return self.screen_stack[0]

    def _table(self) -> DataTable[str]:
        # Textual types what it finds by its class only; every cell here is a text.
        found: DataTable[str] = self._base.query_one(DataTable)
        return found


def _words(agent: Said, status: Path | None) -> str:
    if status is None:
        return "No agent is listened to: start with --agent-status FILE."
    if not agent.running:
        return f"The agent does not run, or {status} is not its status file."
    return "\n".join(agent.alarms) or "The agent has no alarm."
