"""The terminal view: everything an installer looks for is on it, and nothing is disturbed."""

import asyncio
import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import DataTable, Static

from meterseal_agent.cli import main
from meterseal_agent.meters.bus import Health
from meterseal_agent.meters.registers import POWER
from meterseal_agent.run import health
from meterseal_agent.sampler import State
from meterseal_agent.technician.complaint import Complaint
from meterseal_agent.technician.glance import Glance, Reading, look, told
from meterseal_agent.technician.screen import Top
from meterseal_agent.technician.top import top
from meterseal_agent.telemetry.ring import Ring
from meterseal_proto.spans import Span
from meterseal_proto.telemetry import Batch, Row
from meterseal_proto.units import EXPORT, IMPORT, RegisterId, parse_obis
from tests.support.boxes import PUBLIC, opened, records
from tests.support.oracle import BEGAN, start

ONE = start(PUBLIC)
VOLTAGE = parse_obis("1-0:32.7.0")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The data directory of an agent that runs; its outbox and ring stay open."""
    box = opened(tmp_path, [ONE])
    kept = records(ONE, [250, 250])
    state = State.begin(kept[-1].end, kept[-1].value)
    box.add([(record, state.to_json()) for record in kept])
    meters = {ONE.meter: Health(90, 10, 2, "no answer in 0.8 s")}
    uplink: dict[str, Any] = {"connected": True, "trouble": "", "sent": 7}
    uplink |= {"answered": 6, "resent": 1}
    document = {
        "at": BEGAN + 1800,
        "running": True,
        "registers": health.register_rows(box.depths(), {ONE.meter: "S1"}),
        "meters": health.meter_rows(meters, {ONE.meter: "S1"}),
        "uplink": uplink,
        "telemetry": {"waiting": 6, "dropped": 0, "bytes": 4096},
        "clock": {"state": 2, "offset_us": -412},
        "last_receipt": BEGAN + 1740,
        "alarms": ["meter S1 is silent: no answer in 0.8 s"],
    }
    health.write(tmp_path, document)
    ring = Ring(tmp_path / "telemetry.sqlite")
    rows = (Row(BEGAN + 1790, (-2345, 229_750)),)
    span = Span(BEGAN + 1740, BEGAN + 1800)
    ring.add([Batch(ONE.meter, 2, span, (POWER, VOLTAGE), rows)])
    ring.close()
    box.close()
    return tmp_path


async def told_by(app: Top, pilot: Pilot[None], name: str, words: str) -> str:
    """Return a text of the screen as soon as it has these words."""
    async with asyncio.timeout(30):
        while words not in (text := str(app.query_one(name, Static).render())):
            await pilot.pause()
    return text


def cells(app: Top, name: str) -> list[str]:
    table: DataTable[str] = app.query_one(f"#{name}", DataTable)
    return [str(cell) for n in range(table.row_count) for cell in table.get_row_at(n)]


async def test_everything_an_installer_looks_for_is_on_the_screen(folder: Path) -> None:
    app = Top(lambda: look(folder), lambda: BEGAN + 1801)
    async with app.run_test(size=(140, 50)) as pilot:
        head = await told_by(app, pilot, "#head", "connected")
        for words in (
            "connected",
            "last receipt 61 s ago",
            "7 seals sent, 6 answered, 1 sent again",
            "2 intervals and 0 seals wait",
            "6 samples wait",
            "clock: trusted, -0.412 ms off",
        ):
            assert words in head
        assert "meter S1 is silent" in str(app.query_one("#alarms", Static).render())
        meters = cells(app, "meters")
        assert meters[:4] == ["S1", "90", "10", "90.0 %"]
        assert "-2,345 W" in meters
        registers = cells(app, "registers")
        assert registers[:3] == ["S1", "1-0:1.8.0", "1.500 kWh"]
        assert cells(app, "live")[5:7] == ["1-0:32.7.0", "229.750 V"]
        await pilot.press("q")
    assert app.return_code == 0


async def test_it_goes_on_looking_and_says_when_the_agent_falls_silent(
    folder: Path,
) -> None:
    now = [float(BEGAN + 1801)]
    app = Top(lambda: look(folder), lambda: now[0])
    async with app.run_test() as pilot:
        now[0] += 100
        app.show_now()
        await told_by(app, pilot, "#head", "no sign of life for 101 s")
        document = json.loads((folder / "status.json").read_text())
        health.write(folder, document | {"running": False})
        app.show_now()
        assert (await told_by(app, pilot, "#head", "stopped")).startswith("stopped")
        (folder / "status.json").unlink()
        app.show_now()
        await told_by(app, pilot, "#alarms", "is the agent running")


def test_looking_changes_no_file_and_waits_for_nobody(folder: Path) -> None:
    def content() -> dict[str, bytes]:
        return {p.name: p.read_bytes() for p in folder.iterdir() if p.suffix != ".lock"}

    before = content()
    with closing(sqlite3.connect(folder / "outbox.sqlite")) as writer:
        writer.execute("BEGIN IMMEDIATE")
        glance = look(folder)
        writer.rollback()
    assert glance.trouble == ""
    assert [r.register for r in glance.readings] == [IMPORT]
    after = content()
    assert {name: after[name] for name in before if "-" not in name} == {
        name: text for name, text in before.items() if "-" not in name
    }


def test_a_damaged_file_is_said_and_not_fallen_over(folder: Path) -> None:
    (folder / "outbox.sqlite").write_bytes(b"nothing of ours" * 100)
    glance = look(folder)
    assert glance.status is not None
    assert "could not be read" in glance.trouble


@pytest.mark.parametrize(
    ("register", "value", "text"),
    [
        (EXPORT, 16_777_219, "16,777.219 kWh"),
        (parse_obis("8-0:1.0.0"), 1234, "1.234 m3"),
        (parse_obis("1-0:14.7.0"), 49_984, "49.984 Hz"),
        (RegisterId(0x0100_6000_00FF), 5, "5"),
    ],
)
def test_values_are_told_as_people_read_them(
    register: RegisterId, value: int, text: str
) -> None:
    assert told(Reading("S1", register, value, 0)) == text


def test_without_textual_one_sentence_says_what_to_install(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "meterseal_agent.technician.screen", None)
    with pytest.raises(Complaint, match=r"meterseal\[agent,technician\]"):
        top(folder)
    config = folder / "agent.toml"
    config.write_text(
        f'data_dir = "{folder}"\naggregator_url = "https://oracle.example.org"\n'
        '[[meters]]\nserial = "S1"\nprofile = "eastron-sdm120"\n'
        'host = "127.0.0.1"\ncapacity_w = 7400\n'
    )
    assert main(["top", "--config", str(config)]) == 1
    assert "technician" in capsys.readouterr().err


def test_without_an_agent_there_is_nothing_to_see_and_a_word_why(
    tmp_path: Path,
) -> None:
    assert look(tmp_path) == Glance(
        None, trouble=f"{tmp_path} holds no status: is the agent running?"
    )
