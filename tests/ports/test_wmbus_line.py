"""Radio meters by way of a program that prints like wmbusmeters, and by way of files."""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from meterseal_agent.meters.linesource import Command, Followed
from meterseal_agent.meters.wmbusline import WmbusLine, WmbusMeter
from meterseal_proto.errors import Unavailable
from meterseal_proto.units import WATER
from tests.support.radio import Radio, settle, telegram

NOW = 1_782_900_000
IDENT = "76348799"
OTHER = "33225544"
PATIENCE_S = 20.0
WRONG_KEY = (
    "(wmbus) WARNING!! decrypted content failed check, did you use the correct "
    "decryption key? Permanently ignoring telegrams from id: {} mfct: (APA) Apator, "
    "Poland (0x601) type: Water meter (0x07) ver: 0x05"
)
NO_KEY = (
    "(wmbus) WARNING! no key to decrypt payload! Permanently ignoring telegrams from "
    "id: {} mfct: (TCH) Techem (0x5068) type: Heat Cost Allocator (0x08) ver: 0x94"
)
NOT_HANDLED = (
    "(meter) newly created meter (flat {} multical21) did not handle telegram!"
)


@asynccontextmanager
async def radio(folder: Path) -> AsyncIterator[tuple[Radio, WmbusLine]]:
    made = Radio(folder)
    line = WmbusLine(made.source, first_backoff_s=0.05)
    try:
        yield made, line
    finally:
        line.close()
        await line.ended()
        made.close()


def meter(line: WmbusLine, ident: str = IDENT, wait: float = PATIENCE_S) -> WmbusMeter:
    return WmbusMeter(line, ident, [WATER], wait)


async def reading(of: WmbusMeter) -> asyncio.Task[int]:
    async def litres() -> int:
        sample = await of.read(NOW)
        assert sample.at == NOW
        return sample.values[WATER]

    task = asyncio.ensure_future(litres())
    await settle()
    return task


async def test_a_reading_is_the_next_telegram_of_its_meter(tmp_path: Path) -> None:
    async with radio(tmp_path) as (made, line):
        one, two = await reading(meter(line)), await reading(meter(line, OTHER))
        made.telegram(OTHER, "1.234")
        assert await two == 1234
        assert not one.done()
        made.telegram(IDENT, "6.408")
        assert await one == 6408


async def test_what_came_before_the_reading_is_never_its_answer(tmp_path: Path) -> None:
    async with radio(tmp_path) as (made, line):
        first = await reading(meter(line))
        other = await reading(meter(line, OTHER))
        for m3 in ("1", "2", "3"):
            made.telegram(IDENT, m3)
        made.telegram(OTHER, "9")
        assert (await first, await other) == (1000, 9000)
        late = await reading(meter(line))
        made.telegram(IDENT, "4")
        assert await late == 4000


async def test_a_silent_meter_is_unavailable(tmp_path: Path) -> None:
    async with radio(tmp_path) as (_, line):
        with pytest.raises(
            Unavailable, match=r"no telegram of meter 76348799 in 0\.1 s"
        ):
            await meter(line, wait=0.1).read(NOW)


async def test_telegrams_without_the_register_are_waited_through_and_said(
    tmp_path: Path,
) -> None:
    async with radio(tmp_path) as (made, line):
        task = await reading(meter(line))
        made.telegram(IDENT, "null")
        made.telegram(IDENT, "5")
        assert await task == 5000
        waiting = await reading(meter(line, wait=0.5))
        made.telegram(IDENT, "null")
        with pytest.raises(Unavailable, match=r"sends telegrams without 8-0:1\.0\.0"):
            await waiting


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (WRONG_KEY, "its key is wrong: correct it and start wmbusmeters again"),
        (NO_KEY, "it is encrypted and no key is configured for it"),
        (NOT_HANDLED, "its driver cannot read it: correct the driver or the key"),
    ],
)
@pytest.mark.parametrize("output", ["out", "err"])
async def test_a_meter_that_is_heard_and_not_decoded_is_said_in_words(
    tmp_path: Path, said: str, reason: str, output: str
) -> None:
    async with radio(tmp_path) as (made, line):
        task, other = await reading(meter(line)), await reading(meter(line, OTHER))
        made.order(f"{output} {said.format(IDENT)}")
        with pytest.raises(Unavailable, match=reason):
            await task
        # The program says it once; the next reading knows it still.
        with pytest.raises(Unavailable, match=reason):
            await meter(line, wait=0.05).read(NOW)
        made.telegram(OTHER, "1")
        assert await other == 1000


async def test_a_meter_that_is_read_after_all_is_complained_of_no_more(
    tmp_path: Path,
) -> None:
    async with radio(tmp_path) as (made, line):
        task = await reading(meter(line))
        made.order(f"out {NOT_HANDLED.format(IDENT)}")
        with pytest.raises(Unavailable, match="its driver cannot read it"):
            await task
        task = await reading(meter(line))
        made.telegram(IDENT, "1")
        assert await task == 1000
        with pytest.raises(Unavailable, match="no telegram"):
            await meter(line, wait=0.05).read(NOW)


class Burst:
    """A source that gives one chunk and then nothing."""

    def __init__(self, chunk: str) -> None:
        self._chunk = chunk.encode()

    async def chunks(
        self, _said: Callable[[bytes], None]
    ) -> AsyncGenerator[bytes, None]:
        yield self._chunk
        await asyncio.Event().wait()


async def test_of_telegrams_that_come_together_the_first_is_the_reading() -> None:
    line = WmbusLine(Burst(telegram(IDENT, "1") + "\n" + telegram(IDENT, "2") + "\n"))
    found = await asyncio.gather(*(meter(line).read(NOW) for _ in range(2)))
    assert [sample.values[WATER] for sample in found] == [1000, 1000]
    line.close()
    await line.ended()


async def test_a_line_of_the_meter_that_is_no_telegram_is_said(tmp_path: Path) -> None:
    async with radio(tmp_path) as (made, line):
        task = await reading(meter(line))
        made.telegram(IDENT, "NaN")
        with pytest.raises(Unavailable, match="its line is bad: NaN is no number"):
            await task


async def test_a_program_that_dies_is_unavailable_and_started_again(
    tmp_path: Path,
) -> None:
    async with radio(tmp_path) as (made, line):
        task = await reading(meter(line))
        made.order("err cannot open device /dev/ttyUSB0")
        made.order("exit 3")
        with pytest.raises(
            Unavailable, match="ended with status 3: cannot open device"
        ):
            await task
        with pytest.raises(Unavailable, match=r"is started again in 0\.05 s"):
            await meter(line).read(NOW)
        assert await again(made, line) == 2000


async def again(made: Radio, line: WmbusLine) -> int:
    """Read until the program runs again."""
    while True:
        task = await reading(meter(line))
        if not task.done():
            made.telegram(IDENT, "2")
            return await task
        assert isinstance(task.exception(), Unavailable)
        await asyncio.sleep(0.02)


async def test_a_program_that_is_not_there_is_said() -> None:
    line = WmbusLine(Command(("no-such-wmbusmeters", "--format=json")))
    with pytest.raises(Unavailable, match="cannot start no-such-wmbusmeters: No such"):
        await meter(line).read(NOW)
    line.close()
    await line.ended()


async def test_the_program_ends_with_its_line_even_if_it_will_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meterseal_agent.meters.linesource.END_S", 0.1)
    async with radio(tmp_path) as (made, line):
        task = await reading(meter(line))
        made.order("deaf")
        made.telegram(IDENT, "1")
        assert await task == 1000
    with pytest.raises(Unavailable, match="is closed"):
        await meter(line).read(NOW)


async def test_lines_appended_to_a_file_are_followed_through_its_rotation(
    tmp_path: Path,
) -> None:
    path = tmp_path / "meters.log"
    path.write_text(telegram(IDENT, "1") + "\n")
    line = WmbusLine(Followed(path))
    task = await reading(meter(line))
    with path.open("a") as file:
        file.write(telegram(IDENT, "2") + "\n")
    assert await task == 2000
    task = await reading(meter(line))
    path.rename(tmp_path / "meters.log.1")
    path.write_text(telegram(IDENT, "3") + "\n" + "x" * 500 + "\n")
    assert await task == 3000
    task = await reading(meter(line))
    path.write_text(telegram(IDENT, "4") + "\n")
    assert await task == 4000
    line.close()
    await line.ended()


async def test_lines_of_a_fifo_come_from_one_writer_after_the_other(
    tmp_path: Path,
) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    line = WmbusLine(Followed(path))
    for m3 in (1, 2):
        task = await reading(meter(line))
        with path.open("w") as file:
            file.write(telegram(IDENT, str(m3)) + "\n")
        assert await task == m3 * 1000
    line.close()
    await line.ended()


async def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    line = WmbusLine(Followed(tmp_path / "none"))
    with pytest.raises(Unavailable, match=r"cannot read .*none: No such file"):
        await meter(line).read(NOW)
    line.close()
    await line.ended()


def test_an_id_that_is_none_and_an_empty_command_are_refused() -> None:
    with pytest.raises(ValueError, match="eight digits"):
        meter(WmbusLine(Command(("x",))), "123")
    with pytest.raises(ValueError, match="name of its program"):
        Command(())
