"""A technician measures a meter that speaks by itself: its telegram tells the phases too."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_agent.cli import main
from meterseal_agent.meters.telegrams.detect import Format
from tests.support.push_stands import PushStand
from tests.support.text_telegrams import energy, p1

Captured = pytest.CaptureFixture[str]
PHASES = (
    *("1-0:32.7.0(231.0*V)", "1-0:52.7.0(230.0*V)", "1-0:72.7.0(229.5*V)"),
    *("1-0:31.7.0(003*A)", "1-0:51.7.0(002*A)", "1-0:71.7.0(002*A)"),
    *("1-0:21.7.0(00.690*kW)", "1-0:41.7.0(00.455*kW)", "1-0:61.7.0(00.000*kW)"),
    *("1-0:22.7.0(00.000*kW)", "1-0:42.7.0(00.000*kW)", "1-0:62.7.0(00.450*kW)"),
    *("1-0:1.7.0(00.695*kW)", "1-0:2.7.0(00.000*kW)"),
)


@pytest.fixture
async def config(tmp_path: Path) -> AsyncIterator[Path]:
    """Return the configuration of a P1 meter that speaks until the test ends."""
    stand = PushStand(Format.DSMR, lambda *wh: p1(*energy(*wh), *PHASES))
    await stand.open()
    file = tmp_path / "agent.toml"
    file.write_text(
        f'data_dir = "{tmp_path}/data"\naggregator_url = "https://oracle.example"\n'
        f'[[meters]]\nserial = "S1"\nprotocol = "dsmr"\ndevice = "{stand.far.device}"\n'
        "capacity_w = 17250\n"
    )
    yield file
    await stand.close()


async def run(config: Path, command: str, *more: str) -> int:
    words = [command, "--config", str(config), *more]
    return await asyncio.to_thread(main, words)


async def test_the_wiring_of_a_p1_meter_is_checked(
    config: Path, capsys: Captured
) -> None:
    assert await run(config, "wiring") == 1
    out = capsys.readouterr().out
    assert "ok    L1: 231" in out
    assert "FAIL  L3: " in out


async def test_a_p1_meters_voltage_and_current_are_compared(
    config: Path, capsys: Captured
) -> None:
    pairs = ("1-0:32.7.0=231.0", "1-0:31.7.0=3.0", "1-0:41.7.0=455")
    assert await run(config, "compare", *pairs) == 0
    out = capsys.readouterr().out
    assert "the meter 231 V" in out
    assert "the meter 3 A" in out
    assert "the meter 455 W" in out
