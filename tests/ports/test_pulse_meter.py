"""A pulse meter and its count on disk: kills, power cuts, damage, and a line that goes."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from meterseal_agent.meters import pulse
from meterseal_agent.meters.pulse import Pulse, PulseMeter
from meterseal_agent.meters.pulsecount import DamagedCount, PulseCount, journal_path
from meterseal_proto.errors import Unavailable
from meterseal_proto.units import IMPORT
from tests.support.pulses import Wire

NOW = 1_782_900_000
WORTH = Pulse(IMPORT, Fraction(1000, 800), start=1_000_000)


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def meter(tmp_path: Path, wire: Wire) -> Iterator[PulseMeter]:
    made = PulseMeter(wire, tmp_path / "pulses", WORTH, again_s=0.01)
    yield made
    made.close()


async def shown(meter: PulseMeter) -> int:
    sample = await meter.read(NOW)
    assert (sample.at, sample.power_w, sample.unavailable) == (NOW, None, {})
    return sample.values[IMPORT]


async def test_pulses_become_watt_hours_on_top_of_where_counting_began(
    meter: PulseMeter, wire: Wire
) -> None:
    assert await shown(meter) == 1_000_000
    wire.pulse(3)
    assert await shown(meter) == 1_000_003
    wire.pulse()
    assert await shown(meter) == 1_000_005


async def test_a_count_goes_on_where_it_was_left(tmp_path: Path, wire: Wire) -> None:
    for round_ in range(3):
        meter = PulseMeter(wire, tmp_path, WORTH)
        assert await shown(meter) == 1_000_000 + 5 * round_
        wire.pulse(4)
        assert await shown(meter) == 1_000_005 + 5 * round_
        meter.close()
        with pytest.raises(Unavailable, match="is closed"):
            await meter.read(NOW)


async def test_a_line_that_goes_is_unavailable_until_it_counts_again(
    meter: PulseMeter, wire: Wire
) -> None:
    wire.trouble = "no such chip"
    with pytest.raises(Unavailable, match="no such chip"):
        await meter.read(NOW)
    wire.trouble = ""
    await working(meter)
    wire.pulse(4)
    assert await shown(meter) == 1_000_005
    wire.pull("busy")
    with pytest.raises(Unavailable, match="is gone"):
        await meter.read(NOW)
    wire.trouble = ""
    await working(meter)
    assert await shown(meter) == 1_000_005


async def working(meter: PulseMeter) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                await meter.read(NOW)
            except Unavailable:
                await asyncio.sleep(0.01)
            else:
                return


async def test_noise_is_not_counted_and_nothing_is_answered_until_it_is_over(
    tmp_path: Path, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulse, "QUIET_S", 1.5)
    meter = PulseMeter(wire, tmp_path, Pulse(IMPORT, Fraction(1), most_per_h=3600))
    assert await shown(meter) == 0
    wire.pulse(1000, gap_s=0.04)
    with pytest.raises(Unavailable, match="faster than the meter can give"):
        await meter.read(NOW)
    await working(meter)
    assert await shown(meter) <= 40 * 1.1 + pulse.BURST
    meter.close()


async def test_two_programs_never_count_in_one_folder(tmp_path: Path) -> None:
    count = PulseCount(tmp_path)
    meter = PulseMeter(Wire(), tmp_path, WORTH)
    with pytest.raises(Unavailable, match="another program counts"):
        await meter.read(NOW)
    meter.close()
    count.close()


def start(folder: Path, limit: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.pulses", str(folder), str(limit)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )


def test_a_kill_at_any_moment_loses_no_pulse_that_was_counted(tmp_path: Path) -> None:
    chance = random.Random(7)
    told = 0
    for _ in range(8):
        with start(tmp_path, limit=3) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            began = int(process.stdout.readline())
            assert began >= told
            sent = chance.randrange(5, 40)
            process.stdin.write(b"p" * sent)
            process.stdin.flush()
            told = began
            for _ in range(chance.randrange(1, sent)):
                told = int(process.stdout.readline())
            process.send_signal(signal.SIGKILL)
        count = PulseCount(tmp_path)
        assert told <= count.total <= began + sent
        count.close()


def test_a_pulse_added_and_not_yet_synced_outlives_a_kill(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path;"
        "from meterseal_agent.meters.pulsecount import PulseCount;"
        "PulseCount(Path(sys.argv[1])).add(5); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    assert done.returncode == -signal.SIGKILL
    count = PulseCount(tmp_path)
    assert count.total == 5
    count.close()


def made(folder: Path, pulses: int, limit: int = 100) -> None:
    count = PulseCount(folder, journal_limit=limit)
    count.add(pulses)
    assert count.sync() == pulses
    count.close()


@pytest.mark.parametrize("after", ["count", "journal", "both"])
def test_a_new_total_cut_short_anywhere_keeps_the_count(
    tmp_path: Path, after: str
) -> None:
    made(tmp_path, 7)
    old = journal_path(tmp_path, 0).read_bytes()
    count = PulseCount(tmp_path, journal_limit=5)
    count.sync()
    count.close()
    assert not journal_path(tmp_path, 0).exists()
    if after != "journal":
        journal_path(tmp_path, 1).unlink()
        journal_path(tmp_path, 0).write_bytes(old)
    if after == "both":
        journal_path(tmp_path, 1).touch()
    count = PulseCount(tmp_path)
    assert count.total == 7
    count.close()


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("count", b"", "holds no count"),
        ("count", b"meterseal-pulses-1 0 0 00000000\n", "checksum does not fit"),
        ("count", b"\x00" * 40, "holds no count"),
        ("count", None, "missing, and pulses are there"),
        ("floor", None, "it is missing"),
        ("floor", b"meterseal", "holds no count"),
        ("pulses.0", b"", "it was 7 pulses longer"),
        ("pulses.0", b"\x01" * 6, "it was 1 pulses longer"),
        ("pulses.0", None, "its journal pulses.0 is missing"),
    ],
)
def test_damage_is_said_and_nothing_is_guessed(
    tmp_path: Path, name: str, content: bytes | None, why: str
) -> None:
    made(tmp_path, 7)
    path = tmp_path / name
    path.unlink() if content is None else path.write_bytes(content)
    for _ in range(2):
        with pytest.raises(DamagedCount, match=why) as caught:
            PulseCount(tmp_path)
        assert "read the meter's display" in str(caught.value)


def test_every_damaged_byte_of_the_total_is_found(tmp_path: Path) -> None:
    made(tmp_path, 7, limit=5)
    path = tmp_path / "count"
    right = path.read_bytes()
    for at in range(len(right)):
        wrong = bytearray(right)
        wrong[at] ^= 0x01
        path.write_bytes(bytes(wrong))
        with pytest.raises(DamagedCount):
            PulseCount(tmp_path)


def test_a_damaged_byte_of_the_journal_harms_nothing(tmp_path: Path) -> None:
    made(tmp_path, 7)
    journal_path(tmp_path, 0).write_bytes(b"\xff\x00abcde")
    count = PulseCount(tmp_path)
    assert count.total == 7
    with pytest.raises(ValueError, match="never goes back"):
        count.add(-1)
    count.close()


def test_a_full_disk_is_unavailable_and_nothing_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = PulseCount(tmp_path)
    with monkeypatch.context() as full:
        full.setattr(count, "_journal", os.open("/dev/full", os.O_WRONLY))
        with pytest.raises(Unavailable, match="No space left on device"):
            count.add(3)
    assert count.total == 0
    count.add(3)
    assert count.sync() == 3
    count.close()
