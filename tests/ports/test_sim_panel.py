"""The panel by its keys: faults go on and come off, questions are counted, agents heard."""

import asyncio
import json
import os
import struct
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Button, DataTable, OptionList, Static

from meterseal_sim.faults import Kind
from meterseal_sim.panel import rows
from meterseal_sim.panel.agent import said_in
from meterseal_sim.panel.app import Panel
from meterseal_sim.panel.rows import COLUMNS, Choice
from meterseal_sim.serve.bus import Tally
from meterseal_sim.serve.frames import MBAP
from meterseal_sim.stand import Wiring, stand_of
from tests.support.simlines import HOST, NOON, START, Hands, homes_of

Screen = tuple[Panel, Pilot[str | None]]
ENERGIES = struct.pack(">BHH", 4, 72, 4)


@asynccontextmanager
async def panel_of(
    hands: Hands, status: Path | None = None, port: int = 0
) -> AsyncIterator[Screen]:
    stand = stand_of(homes_of("sdm630", 3), hands.now, Wiring(port=port))
    panel = Panel(stand, hands.now, lambda home: f"home {home}", status)
    async with panel.run_test(size=(180, 40)) as pilot:
        yield panel, pilot


async def asked(panel: Panel, place: int, wait_s: float = 30.0) -> bytes:
    """Ask a meter of the panel for its energies, as a client on TCP does."""
    seat = panel.seats[place]
    port = int(seat.place.split(":")[1].split()[0])
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(MBAP.pack(1, 0, 6, 1) + ENERGIES)
    try:
        return await asyncio.wait_for(reader.read(256), wait_s)
    except TimeoutError:
        return b""
    finally:
        writer.close()
        await writer.wait_closed()


def cell(panel: Panel, place: int, column: str) -> str:
    panel.show_street()
    table: DataTable[str] = panel.query_one(DataTable)
    return str(table.get_row_at(place)[COLUMNS.index(column)])


async def until(pilot: Pilot[str | None], happened: Callable[[], bool]) -> None:
    """Wait for what a key brings about; on a busy machine a pause may end before it."""
    async with asyncio.timeout(60):
        while not happened():
            await pilot.pause()


async def listed_faults(panel: Panel, pilot: Pilot[str | None]) -> OptionList:
    """Wait for the list of faults to stand on the screen."""
    await until(pilot, lambda: len(panel.screen.query(OptionList)) == 1)
    listed = panel.screen.query_one(OptionList)
    await until(pilot, lambda: listed.option_count > 0 and listed.has_focus)
    return listed


async def choose(panel: Panel, pilot: Pilot[str | None], name: str) -> None:
    """Press f and choose a fault for the meter under the cursor."""
    await pilot.press("f")
    listed = await listed_faults(panel, pilot)
    names = [
        str(listed.get_option_at_index(n).prompt) for n in range(listed.option_count)
    ]
    listed.highlighted = names.index(name)
    await pilot.press("enter")
    await until(pilot, lambda: not panel.screen.query(OptionList))


async def test_the_panel_shows_every_meters_registers_as_they_run() -> None:
    hands = Hands()
    async with panel_of(hands) as (panel, _):
        for place, seat in enumerate(panel.seats):
            wh = seat.home.registers_at(NOON).import_wh
            assert cell(panel, place, "import kWh") == f"{wh / 1000:.3f}"
            assert cell(panel, place, "meter") == f"home {place + 1}"
        before = cell(panel, 0, "import kWh")
        hands.t += 6 * 3600
        assert cell(panel, 0, "import kWh") > before


async def test_questions_are_counted_as_they_are_answered_and_refused() -> None:
    async with panel_of(Hands()) as (panel, _):
        assert len(await asked(panel, 1)) == 17
        seat = panel.seats[1]
        seat.bus.press(1, rows.pressed(seat.home, Choice(Kind.BUSY, 0), NOON))
        assert (await asked(panel, 1))[-2:] == b"\x84\x06"
        counted = [cell(panel, 1, name) for name in ("asked", "answered", "refused")]
        assert counted == ["2", "1", "1"]
        assert cell(panel, 0, "asked") == "0"


async def test_a_fault_is_put_on_by_key_and_mended_by_key() -> None:
    async with panel_of(Hands()) as (panel, pilot):
        await pilot.press("down")
        table: DataTable[str] = panel.query_one(DataTable)
        await until(pilot, lambda: table.cursor_row == 1)
        await choose(panel, pilot, "silence")
        await until(pilot, lambda: cell(panel, 1, "fault") == "silence")
        assert await asked(panel, 1, 0.2) == b""
        assert cell(panel, 1, "silent") == "1"
        assert len(await asked(panel, 0)) == 17
        await pilot.press("m")
        await until(pilot, lambda: cell(panel, 1, "fault") == "-")
        assert len(await asked(panel, 1)) == 17
        panel.show_street()
        line = str(panel.query_one("#line", Static).render())
        assert "home 2" in line
        assert "50.0 % of 2 answered well" in line


async def test_a_meter_that_was_given_another_address_stays_on_the_panel() -> None:
    async with panel_of(Hands()) as (panel, _):
        bus = panel.seats[2].bus
        told = bus.ask(1, struct.pack(">BHHBf", 16, 20, 2, 4, 33.0))
        assert told is not None
        assert cell(panel, 2, "where").endswith("unit 33")
        assert cell(panel, 2, "asked") == "1"


async def test_a_phase_is_chosen_with_its_fault() -> None:
    async with panel_of(Hands(START + 19 * 3600)) as (panel, pilot):
        watts = float(cell(panel, 0, "W"))
        await choose(panel, pilot, "ct-reversed L2")
        await until(pilot, lambda: cell(panel, 0, "fault") == "ct-reversed L2")
        assert float(cell(panel, 0, "W")) < watts


async def test_a_button_does_what_its_key_does() -> None:
    async with panel_of(Hands()) as (panel, pilot):
        panel.query_one("#fault", Button).press()
        await listed_faults(panel, pilot)
        panel.show_street()  # The street goes on behind the open list.
        await pilot.press("escape")
        await until(pilot, lambda: not panel.screen.query(OptionList))
        await choose(panel, pilot, "frozen")
        await until(pilot, lambda: cell(panel, 0, "fault") == "frozen")
        panel.query_one("#mend", Button).press()
        await until(pilot, lambda: cell(panel, 0, "fault") == "-")


async def test_what_the_agent_says_stands_beside_its_meter(tmp_path: Path) -> None:
    status = tmp_path / "status.json"
    serials = [home.serial for home in homes_of("sdm630", 3)]
    status.write_text(
        json.dumps(
            {
                "running": True,
                "meters": [
                    {"serial": serials[0], "answers": 12, "missed": 1, "failures": 0},
                    {
                        "serial": serials[1],
                        "failures": 4,
                        "trouble": "no answer in 1 s",
                    },
                ],
                "registers": [{"serial": serials[0], "records": 3}],
                "alarms": ["meter 2 is silent"],
            }
        )
    )
    async with panel_of(Hands(), status) as (panel, _):
        assert cell(panel, 0, "agent says") == "12 read, 1 missed, 3 waiting"
        assert cell(panel, 1, "agent says") == "no answer in 1 s"
        assert cell(panel, 2, "agent says") == "-"
        assert "meter 2 is silent" in str(panel.query_one("#agent", Static).render())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"meters": 5, "alarms": {"a": 1}}',
        '{"meters": [7, {"serial": 1}]}',
    ],
)
def test_a_status_file_that_is_odd_says_nothing_and_hurts_nobody(
    tmp_path: Path, text: str
) -> None:
    file = tmp_path / "status.json"
    file.write_text(text)
    assert not said_in(file).running
    assert said_in(tmp_path / "none") == said_in(None)


async def test_a_port_that_is_taken_ends_the_panel_with_a_sentence() -> None:
    server = await asyncio.start_server(lambda *_: None, HOST, 0)
    port = server.sockets[0].getsockname()[1]
    stand = stand_of(homes_of(), Hands().now, Wiring(port=port))
    panel = Panel(stand, Hands().now, str)
    async with panel.run_test():
        pass
    server.close()
    assert "is taken: choose another --port" in (panel.return_value or "")


def test_a_mended_cabinet_keeps_what_it_lost() -> None:
    (home,) = homes_of("sdm630", told=["1:ct-reversed:0::2", "1:busy:0:"])
    (kept,) = rows.mended(home, START + 3600)
    assert (kept.kind, kept.end) == (Kind.CT_REVERSED, START + 3600)


def test_a_line_nobody_asked_has_no_quality_yet() -> None:
    assert rows.quality(Tally()) == "not asked yet"
    assert (
        rows.quality(Tally(asked=8, answered=7, spoiled=1))
        == "75.0 % of 8 answered well"
    )


def test_one_phase_has_no_other_to_swap() -> None:
    single = {choice.name for choice in rows.choices(homes_of("sdm120")[0])}
    assert "ct-reversed L1" in single
    assert not {"ct-reversed L2", "ct-swapped L1 L2"} & single


async def test_the_program_shows_a_scenario_and_ends_by_its_key(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "meterseal_sim.cli", "panel", "rs485-line"),
        *("--dir", str(tmp_path)),
        stdin=theirs, stdout=theirs, stderr=theirs,
        env={**os.environ, "TERM": "xterm", "METERSEAL_CLOCK": ""},
    )  # fmt: skip
    os.close(theirs)
    loop = asyncio.get_running_loop()

    def see() -> None:
        with suppress(OSError):  # The terminal ends with its program.
            os.read(ours, 65_536)

    loop.add_reader(ours, see)
    async with asyncio.timeout(60):
        while not (tmp_path / "cellar").is_symlink():
            await asyncio.sleep(0.05)
        os.write(ours, b"q")
        assert await process.wait() == 0
    loop.remove_reader(ours)
    os.close(ours)
    assert not (tmp_path / "cellar").is_symlink()
