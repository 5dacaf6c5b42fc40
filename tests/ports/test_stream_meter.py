"""Meters that speak by themselves: what is believed, what is passed over, what is said."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import chain, cycle, repeat
from pathlib import Path

import pytest

from meterseal_agent.meters import stream
from meterseal_agent.meters.stream import Patience, StreamMeter, Want
from meterseal_agent.meters.telegrams.detect import Format, decoder
from meterseal_agent.meters.wire import SerialPlace, Silent
from meterseal_proto.errors import Unavailable
from meterseal_proto.units import EXPORT, IMPORT
from tests.support.push_stands import QUICK, WANT, PushServerStand, PushStand
from tests.support.serial_lines import FarEnd
from tests.support.text_telegrams import energy, p1, pushed

NOW = 1_782_900_000


class Script(PushStand):
    """A meter that says what is written, one after the other."""

    def __init__(self, which: Format, said: Iterator[bytes]) -> None:
        super().__init__(which, lambda *_: next(said))


@pytest.fixture
async def stands() -> AsyncIterator[list[Script]]:
    made: list[Script] = []
    yield made
    for stand in made:
        await stand.close()


async def told(
    stands: list[Script], which: Format, said: Iterator[bytes]
) -> StreamMeter:
    stands.append(Script(which, said))
    meter = await stands[-1].open()
    assert isinstance(meter, StreamMeter)
    return meter


def endless(*said: bytes) -> Iterator[bytes]:
    return cycle(said)


def totals(*wh: int) -> Sequence[bytes]:
    return [pushed(*energy(each, 0)) for each in wh]


async def test_what_came_before_it_was_asked_is_not_the_answer(tmp_path: Path) -> None:
    far = FarEnd(tmp_path)
    place = SerialPlace(far.device)
    meter = StreamMeter(place, decoder(Format.DSMR), WANT, QUICK)

    async def answered(said: bytes) -> int:
        reading = asyncio.create_task(meter.read(NOW))
        # One turn of the loop: the line is emptied and the reading waits.
        await asyncio.sleep(0)
        far.write(said)
        return (await reading).values[IMPORT]

    old, new = p1(*energy(1000, 0)), p1(*energy(2000, 0))
    assert await answered(old) == 1000
    far.write(old)
    assert await answered(new) == 2000
    # What had begun before is no answer either, though it ends after.
    far.write(old[:50])
    assert await answered(old[50:] + new) == 2000
    far.write(old)
    with pytest.raises(Silent, match="the line is silent"):
        await meter.read(NOW)
    meter.close()
    far.pull()


async def test_damaged_telegrams_are_passed_over(stands: list[Script]) -> None:
    good = p1(*energy(1000, 0))
    bad = good.replace(b"1.000", b"9.000")
    meter = await told(stands, Format.DSMR, endless(bad, bad, good))
    for _ in range(3):
        assert (await meter.read(NOW)).values[IMPORT] == 1000


async def test_when_all_are_damaged_it_says_how(stands: list[Script]) -> None:
    bad = p1(*energy(1000, 0)).replace(b"1.000", b"9.000")
    meter = await told(stands, Format.DSMR, endless(bad))
    with pytest.raises(Unavailable, match="one came damaged: the checksum is"):
        await meter.read(NOW)


async def test_bytes_of_another_speed_or_format_are_said_to_be_such(
    stands: list[Script],
) -> None:
    meter = await told(stands, Format.DSMR, endless(b"\xff\x80\x3f garbage\r\n"))
    with pytest.raises(Unavailable, match="bytes came that make up no telegram"):
        await meter.read(NOW)


async def test_without_a_checksum_one_wrong_telegram_is_not_believed(
    stands: list[Script],
) -> None:
    said = chain(totals(1000, 900_000), repeat(totals(1000)[0]))
    meter = await told(stands, Format.D0, said)
    for _ in range(3):
        assert (await meter.read(NOW)).values[IMPORT] == 1000


async def test_without_a_checksum_telegrams_that_never_agree_are_no_answer(
    stands: list[Script],
) -> None:
    meter = await told(stands, Format.D0, endless(*totals(1000, 900_000)))
    with pytest.raises(Unavailable, match=r"agree, 1-0:1\.8\.0 changed by"):
        await meter.read(NOW)


async def test_a_coarse_register_may_step_between_two_telegrams(
    stands: list[Script],
) -> None:
    # 100 Wh is more than the meter can carry in a second; the third confirms it.
    said = chain(totals(1000), repeat(totals(1100)[0]))
    meter = await told(stands, Format.D0, said)
    assert (await meter.read(NOW)).values[IMPORT] in {1000, 1100}
    assert (await meter.read(NOW)).values[IMPORT] == 1100


async def test_a_telegram_without_energy_is_waited_out(stands: list[Script]) -> None:
    power = p1("1-0:1.7.0(00.378*kW)")
    meter = await told(stands, Format.DSMR, endless(*[power] * 5, p1(*energy(1000, 0))))
    assert (await meter.read(NOW)).values == {IMPORT: 1000, EXPORT: 0}


async def test_when_only_the_power_is_told_the_registers_are_absent_with_a_reason(
    stands: list[Script],
) -> None:
    meter = await told(stands, Format.DSMR, endless(p1("1-0:1.7.0(00.378*kW)")))
    sample = await meter.read(NOW)
    assert (sample.values, sample.power_w) == ({}, 378)
    assert sample.unavailable.keys() == {IMPORT, EXPORT}


async def test_what_is_told_late_is_of_the_second_it_is_told(tmp_path: Path) -> None:
    far, seconds = FarEnd(tmp_path), chain([100.0], repeat(159.9))
    patience = Patience(QUICK.timeout_s, lambda: next(seconds))
    meter = StreamMeter(SerialPlace(far.device), decoder(Format.DSMR), WANT, patience)
    reading = asyncio.create_task(meter.read(NOW))
    await asyncio.sleep(0)
    far.write(p1(*energy(1000, 0)))
    assert (await reading).at == NOW + 59
    meter.close()


async def test_when_nothing_that_is_wanted_is_told_it_says_why(
    stands: list[Script],
) -> None:
    meter = await told(stands, Format.D0, endless(pushed("1-0:1.8.0*255(000001.2963)")))
    with pytest.raises(Unavailable, match="without what is wanted: it is told without"):
        await meter.read(NOW)


async def test_a_unit_left_out_is_the_one_written_down_for_the_meter(
    stands: list[Script],
) -> None:
    said = endless(pushed("1-0:1.8.0*255(000001.2963)"))
    await told(stands, Format.D0, said)
    place = SerialPlace(stands[0].far.device)
    want = Want((IMPORT,), max_per_hour=17_250, bare_unit="kWh")
    meter = StreamMeter(place, decoder(Format.D0), want, QUICK)
    assert (await meter.read(NOW)).values == {IMPORT: 1296}
    meter.close()


async def test_a_missing_device_is_said_to_be_missing(tmp_path: Path) -> None:
    place = SerialPlace(str(tmp_path / "none"))
    meter = StreamMeter(place, decoder(Format.DSMR), WANT, QUICK)
    with pytest.raises(Unavailable, match="plug the adapter in or correct the name"):
        await meter.read(NOW)


async def test_a_connection_long_unread_is_opened_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stand = PushServerStand()
    meter = await stand.open()
    for _ in range(2):
        await meter.read(NOW)
    assert stand.connections == 1
    monkeypatch.setattr(stream, "STALE_S", 0.0)
    assert (await meter.read(NOW)).values == stand.truth()
    assert stand.connections == 2
    await stand.close()
