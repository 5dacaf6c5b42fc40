"""`address` and `scan` on a serial line: found at its speed, changed, read back, undone."""

import asyncio
from pathlib import Path

import pytest

from meterseal_agent.cli import main
from tests.support.writable_meter import WritableMeter

Captured = pytest.CaptureFixture[str]
MODEL = ("--profile", "eastron-sdm630")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meterseal_agent.technician.address.AGAIN_S", 0.01)


async def address(meter: WritableMeter, folder: Path, *options: str) -> int:
    place = ["--device", meter.end.device, "--timeout-ms", "60"]
    memory = ["--memory", str(folder / "back.json")]
    return await asyncio.to_thread(main, ["address", *place, *memory, *options])


async def test_a_new_address_is_read_back_and_taken_back(
    tmp_path: Path, capsys: Captured
) -> None:
    async with WritableMeter(tmp_path) as meter:
        assert await address(meter, tmp_path, *MODEL, "--to", "17") == 0
        assert meter.unit == 17
        assert "unit 1 is unit 17 now, and was read back" in capsys.readouterr().out
        assert await address(meter, tmp_path, "--undo") == 0
        assert meter.unit == 1


async def test_a_new_baud_rate_is_read_back_at_that_rate_and_taken_back(
    tmp_path: Path, capsys: Captured
) -> None:
    async with WritableMeter(tmp_path) as meter:
        both = (*MODEL, "--to", "5", "--to-baud", "19200")
        assert await address(meter, tmp_path, *both) == 0
        assert (meter.unit, meter.baud) == (5, 19200)
        assert "unit 5 speaks 19200 baud now" in capsys.readouterr().out
        assert await address(meter, tmp_path, "--undo") == 0
        assert (meter.unit, meter.baud) == (1, 9600)


async def test_an_address_that_is_taken_is_not_given_twice(
    tmp_path: Path, capsys: Captured
) -> None:
    async with WritableMeter(tmp_path) as meter:
        meter.also = {9}
        assert await address(meter, tmp_path, *MODEL, "--to", "9") == 1
        assert meter.unit == 1
    assert "something answers at unit 9 already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("locked", "says"),
    [(True, "the meter refuses: "), (False, "unit 1 kept its address")],
)
async def test_a_meter_that_does_not_take_it_is_said_to_be_unchanged(
    tmp_path: Path, capsys: Captured, *, locked: bool, says: str
) -> None:
    async with WritableMeter(tmp_path) as meter:
        meter.locked, meter.deaf = locked, not locked
        assert await address(meter, tmp_path, *MODEL, "--to", "9") == 1
        assert meter.unit == 1
    assert says in capsys.readouterr().err


async def test_a_meter_of_another_model_is_left_alone(
    tmp_path: Path, capsys: Captured
) -> None:
    async with WritableMeter(tmp_path, unit=3) as meter:
        meter.also = {4}
        assert await address(meter, tmp_path, *MODEL, "--unit", "4", "--to", "9") == 1
        assert meter.unit == 3
        wrong = ("--profile", "schneider-iem3155", "--to", "9")
        assert await address(meter, tmp_path, *wrong) == 1
    err = capsys.readouterr().err
    assert "unit 4 says that its address is 3" in err
    assert "does not know where a Schneider Electric" in err


async def test_what_cannot_be_asked_is_refused_in_a_sentence(
    tmp_path: Path, capsys: Captured
) -> None:
    async with WritableMeter(tmp_path) as meter:
        for options, says in (
            (("--undo",), "nothing to undo"),
            (MODEL, "say --profile NAME, and --to UNIT"),
            ((*MODEL, "--to-baud", "115200"), "it knows 2400, 4800, 9600, 19200"),
            ((*MODEL, "--unit", "2", "--to", "3"), "unit 2"),
        ):
            assert await address(meter, tmp_path, *options) == 1
            assert says in capsys.readouterr().err
        assert (meter.unit, meter.baud) == (1, 9600)


async def test_a_scan_over_baud_rates_finds_the_one_a_unit_speaks(
    tmp_path: Path, capsys: Captured
) -> None:
    async with WritableMeter(tmp_path, unit=7, baud=19200) as meter:
        asked = ["--units", "6-8", "--baud", "9600,19200,2400", "--parity", "N,E"]
        place = ["--device", meter.end.device, "--timeout-ms", "250"]
        assert await asyncio.to_thread(main, ["scan", *place, *asked]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("19200 8N1    unit   7  is there, but answers exception")
    assert out[1] == "1 of 18 asked addresses answered, 17 silent"
